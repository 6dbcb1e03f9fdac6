"""Where a contract says that the records of a JSON file that is one object are, or that the object is the record."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from quarterlake.domain.reading import Reading
from tests.integration.test_formats import opened_connection, parse

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

__all__ = ["opened_connection"]

ORDER = {"a": 7, "items": [{"a": 1}, {"a": 2}], "paid": {"by.card": [{"a": 3}], "cash": 4}}


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(
    ("records", "rows", "beside"),
    [
        (None, [(7,)], None),
        ("", [(7,)], None),
        ("items", [(1,), (2,)], "a, paid"),
        ("paid.by.card", [(3,)], "a, items, paid.cash"),
    ],
)
def test_a_contract_says_where_the_records_are(
    connection: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    records: str | None,
    rows: list[tuple[int]],
    beside: str | None,
    indent: int | None,
) -> None:
    data = json.dumps(ORDER, indent=indent).encode()
    found = parse(connection, tmp_path, data, {"a": "int64"}, reading=Reading(records=records))
    assert found.rows == rows
    assert found.document.dialect.get("beside them, not read") == beside
    assert found.document.dialect.get("records in") == (records or None)


def test_what_is_usually_a_list_of_records_may_be_a_field(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    data = b'{"a": 1, "data": [{"a": 5}]}'
    assert (
        parse(connection, tmp_path, data, {"a": "int64"}, reading=Reading()).document.dialect["records in"]
        == "data"
    )
    assert parse(connection, tmp_path, data, {"a": "int64"}, reading=Reading(records="")).rows == [(1,)]


@pytest.mark.parametrize("records", ["nothing", "a", "paid", "items.a", "paid.by", "ite"])
def test_a_path_that_leads_to_no_list_refuses_the_file(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, records: str
) -> None:
    found = parse(
        connection, tmp_path, json.dumps(ORDER).encode(), {"a": "int64"}, reading=Reading(records=records)
    )
    assert found.document.error is not None
    assert f"no list at {records}, where its contract says" in found.document.error


@pytest.mark.parametrize("records", ["items", "data"])
def test_files_of_more_than_one_object_are_read_as_they_are(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, records: str
) -> None:
    for data in (b'{"a": 1}\n{"a": 2}\n', b'[{"a": 1}, {"a": 2}]'):
        assert parse(connection, tmp_path, data, {"a": "int64"}, reading=Reading(records=records)).rows == [
            (1,),
            (2,),
        ]


def test_of_an_object_that_was_cut_off_the_list_that_is_said_is_read(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    data = b'{"order": 7, "lines": 2, "items": [{"a": 1}, {"a": 2}, {"a": 3'
    found = parse(connection, tmp_path, data, {"a": "int64"}, reading=Reading(records="items"))
    assert (found.document.accepted, found.document.rejected) == (2, 1)
    found = parse(connection, tmp_path, data, {"a": "int64"}, reading=Reading(records="paid"))
    assert found.document.error is not None
