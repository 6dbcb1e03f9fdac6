"""JSON as people send it: each form gives the same records, and a broken one is rejected alone with its place."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quarterlake.processing.json_records import count_array_json, count_values_json, locate_json, one_a_line
from tests.integration.test_formats import opened_connection, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import duckdb

__all__ = ["opened_connection"]

FORMS: dict[str, Callable[[Sequence[object]], str]] = {
    "ndjson": lambda records: "\n".join(map(json.dumps, records)),
    "array": json.dumps,
    "pretty array": lambda records: json.dumps(records, indent=2),
    "array with a last comma": lambda records: "[" + "".join(f"{json.dumps(r)},\n" for r in records) + "]",
    "values without a space": lambda records: "".join(map(json.dumps, records)),
    "pretty values": lambda records: "\n".join(json.dumps(r, indent=1) for r in records),
    "wrapped": lambda records: json.dumps({"count": len(records), "data": records, "next": None}),
    "pretty wrapped": lambda records: json.dumps({"data": records}, indent=4),
    "wrapped twice": lambda records: json.dumps({"response": {"docs": records}, "status": {"ok": True}}),
}
RECORDS: list[dict[str, Any]] = [
    {"a": 1, "b": 'x { [ " \\ ] é \U0001f600'},
    {"a": 12345678901234567890, "b": None},
    {"b": "", "a": -3},
]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("form", FORMS)
def test_each_form_gives_the_same_records(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, form: str, encoding: str
) -> None:
    data = FORMS[form](RECORDS).encode(encoding)
    found = parse(connection, tmp_path, data, {"a": "decimal(38,0)", "b": "string"})
    assert [(int(a), b) for a, b in found.rows] == [(record["a"], record["b"]) for record in RECORDS]
    assert found.document.records == len(RECORDS)


@pytest.mark.parametrize(
    "form", ["array", "pretty array", "values without a space", "pretty values", "wrapped"]
)
def test_a_broken_record_is_rejected_alone_with_its_place(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, form: str
) -> None:
    text = FORMS[form]([{"a": 1}, {"a": "MARK"}, {"a": 3}]).replace('"MARK"', "1 2 oops")
    found = parse(connection, tmp_path, text.encode(), {"a": "int64"})
    assert found.rows == [(1,), (3,)]
    [reject] = found.rejects
    assert reject["reason"] == "not a JSON object"
    assert text[reject["byte_offset"] :].startswith(reject["raw"])
    assert "oops" in reject["raw"]
    assert reject["line"] == text[: reject["byte_offset"]].count("\n") + 1


def test_what_is_no_object_is_rejected_in_an_array(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    found = parse(connection, tmp_path, b'[1, {"a": 2}, "x", null, [3], {"a": 4}]', {"a": "int64"})
    assert found.rows == [(2,), (4,)]
    assert [reject["raw"] for reject in found.rejects] == ["1", '"x"', "null", "[3]"]


def test_a_field_twice_in_one_object_is_no_guess(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    data = b'{"a": 1, "a": 2}\n{"a": 3}\n{"a": 4, "n": {"x": 1, "x": 1}}\n'
    found = parse(connection, tmp_path, data, {"a": "int64", "n.x": "int64"})
    assert found.rows == [(3, None)]
    assert found.document.reject_counts == {"two fields of one name in one JSON object": 2}
    assert [reject["line"] for reject in found.rejects] == [1, 3]


def test_nested_objects_are_columns_by_their_path_and_lists_stay_lists(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    data = (
        b'{"a": {"b": {"c": 1.10}, "d": "x"}, "l": [1, 2.50, {"z": 12345678901234567890123}]}\n'
        b'{"a": {"d": "y"}, "l": []}\n{"a": 5, "l": null}\n'
    )
    columns = {"a": "int64", "a.b.c": "decimal(18,2)", "a.d": "string", "l": "string"}
    rows = [tuple(map(str, row)) for row in parse(connection, tmp_path, data, columns).rows]
    assert rows == [
        ("None", "1.10", "x", '[1,2.50,{"z":12345678901234567890123}]'),
        ("None", "None", "y", "[]"),
        ("5", "None", "None", "None"),
    ]


def test_a_declared_object_stays_json_text(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    found = parse(connection, tmp_path, b'{"a": {"b": 1.10}}\n', {"a": "string"})
    assert found.rows == [('{"b":1.10}',)]


def test_paths_that_collide_both_stay_and_are_told(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    found = parse(connection, tmp_path, b'{"a.b": 1, "a": {"b": 2}}\n', {"a.b": "int64", "a.b_2": "int64"})
    assert sorted(found.rows[0]) == [1, 2]
    assert found.document.dialect["names of two fields"] == "a.b"


def test_an_object_with_lists_of_its_own_is_a_record(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    data = b'{"order_id": 7, "items": [{"x": 1}], "payments": [{"y": 2}]}'
    found = parse(connection, tmp_path, data, {"order_id": "int64", "items": "string"})
    assert found.rows == [(7, '[{"x":1}]')]
    assert found.document.dialect["lists in the one record"] == "items, payments"


def test_what_stands_beside_the_records_is_told(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    data = b'{"total": 2, "sales": [{"a": 1}, {"a": 2}], "customers": [{"b": 1}]}'
    found = parse(connection, tmp_path, data, {"a": "int64"})
    assert found.rows == [(1,), (2,)]
    dialect = found.document.dialect
    assert (dialect["records in"], dialect["other lists, not read"]) == ("sales", "customers")
    assert dialect["beside them, not read"] == "total"


@pytest.mark.parametrize(
    "data",
    [b'[{"a": 1}, {"a": "open}]', b'{"a": 1}{"a": [2}{"a": 3}', b'[{"a": 1}', b'{"data": [{"a": 1}, {"a"'],
)
def test_uneven_brackets_are_refused_or_rejected_never_lost(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, data: bytes
) -> None:
    found = parse(connection, tmp_path, data, {"a": "int64"})
    assert found.document.error or found.document.rejected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.lists(st.dictionaries(st.text(max_size=3), JSON, max_size=3), min_size=1, max_size=6),
    indent=st.none() | st.integers(0, 2),
    chunk=st.integers(1, 64),
)
def test_two_counts_and_the_places_agree(
    tmp_path: Path, values: list[Any], indent: int | None, chunk: int
) -> None:
    path = tmp_path / "values.json"
    texts = [json.dumps(value, indent=indent, ensure_ascii=False) for value in values]
    for joined, count in (("".join(texts), count_values_json), (f"[{','.join(texts)}]", count_array_json)):
        data = joined.encode("utf-8", "surrogatepass")
        path.write_bytes(data)
        assert count(io.BytesIO(data), chunk_bytes=chunk) == len(values)
        assert [json.loads(line) for line in one_a_line("x", path)] == values
        places = locate_json(path, range(len(values)))
        assert [places[n].raw for n in range(len(values))] == texts


@pytest.mark.parametrize("data", [b"[]", b"[ ]\n", b"{}", b'{"a":1} junk\n', b"[1, 2]", b"[[1], [2]]"])
def test_what_holds_no_record_is_said_plainly(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, data: bytes
) -> None:
    error = parse(connection, tmp_path, data, {"a": "int64"}).document.error
    assert error is not None
    assert "nothing in it is a JSON object with a field" in error
