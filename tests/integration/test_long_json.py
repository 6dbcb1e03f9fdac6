"""JSON records longer than the reader takes are rejected alone, and those that just fit are read, in every form."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from quarterlake.domain.reading import EVIDENCE
from quarterlake.processing import json_anew
from quarterlake.processing.cutting import TOO_LONG
from quarterlake.processing.inspecting import inspect_path
from quarterlake.processing.json_anew import LONGEST_JSON, without_overlong
from quarterlake.processing.samples import sample_file
from tests.integration.test_formats import opened_connection, parse
from tests.integration.test_json import FORMS

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

__all__ = ["opened_connection"]

COUNT = 9
LONG_FORMS = (
    "ndjson",
    "array",
    "pretty array",
    "values without a space",
    "wrapped",
    "a comma after each line",
)


def record(number: int, size: int = 0) -> dict[str, object]:
    """A record of so many bytes as `json.dumps` writes it on one line."""
    bare = len(json.dumps({"a": number, "b": ""}))
    return {"a": number, "b": "y" * max(0, size - bare)}


@pytest.mark.parametrize("place", [0, 4, COUNT - 1])
@pytest.mark.parametrize("form", LONG_FORMS)
def test_a_record_that_is_too_long_is_rejected_alone_with_its_place(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, form: str, place: int
) -> None:
    text = FORMS[form]([record(n, LONGEST_JSON + 1 if n == place else 0) for n in range(COUNT)])
    found = parse(connection, tmp_path, text.encode(), {"a": "int64", "b": "string"})
    assert found.rows == [(n, "") for n in range(COUNT) if n != place]
    [reject] = found.rejects
    assert reject["reason"] == TOO_LONG
    assert text.startswith(reject["raw"], reject["byte_offset"])
    assert f'"a": {place}' in reject["raw"]
    assert reject["line"] == text.count("\n", 0, reject["byte_offset"]) + 1


@pytest.mark.parametrize("place", [0, 4])
@pytest.mark.parametrize("form", ["ndjson", "array", "values without a space"])
def test_the_longest_record_is_read_wherever_it_stands(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, form: str, place: int
) -> None:
    text = FORMS[form]([record(n, LONGEST_JSON if n == place else 100) for n in range(COUNT)])
    found = parse(connection, tmp_path, text.encode(), {"a": "int64"})
    assert found.rows == [(n,) for n in range(COUNT)]


CHILDREN = {"a": 30, "b": "p", "c": [{"a": n, "b": ""} for n in range(31, 35)]}
"""Objects in a list that begin as records do."""


@pytest.mark.parametrize(
    ("others", "accepted", "rejected"),
    [
        ([record(n) for n in range(30)] + [CHILDREN], [*range(30), 30], []),
        ([record(1), None, record(2), [], record(3)], [1, 2, 3], ["null", "[]"]),
        ([record(1), [record(5), record(6)], record(2)], [1, 2], [json.dumps([record(5), record(6)])]),
    ],
)
@pytest.mark.parametrize("form", ["ndjson", "array", "values without a space", "commas"])
def test_a_long_record_says_nothing_of_where_the_others_begin(
    connection: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    form: str,
    others: list[Any],
    accepted: list[int],
    rejected: list[str],
) -> None:
    text = FORMS[form]([*others, record(99, LONGEST_JSON + 1)])
    found = parse(connection, tmp_path, text.encode(), {"a": "int64"})
    assert [row for (row,) in found.rows] == accepted
    assert [reject["raw"].rstrip(", ") for reject in found.rejects[:-1]] == rejected
    assert found.rejects[-1]["reason"] == TOO_LONG


@pytest.mark.parametrize("short", [0, 1, 2, 20, 100])
def test_what_just_fits_is_read_whatever_parts_the_records(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, short: int
) -> None:
    text = FORMS["a comma between lines"]([record(1), record(2, LONGEST_JSON - short), record(3)])
    found = parse(connection, tmp_path, text.encode(), {"a": "int64"})
    assert found.rows == [(1,), (2,), (3,)]


@pytest.mark.parametrize("form", ["ndjson", "array"])
def test_a_file_of_nothing_but_long_records_is_refused_for_that(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, form: str
) -> None:
    text = FORMS[form]([record(1, 2 * LONGEST_JSON + 1)])
    found = parse(connection, tmp_path, text.encode(), {"a": "int64"})
    assert "Records of more than 16,777,216 bytes are not read." in (found.document.error or "")


def test_the_longest_record_is_read_within_the_usual_memory(tmp_path: Path) -> None:
    (tmp_path / "raw").write_text(FORMS["ndjson"]([record(n, LONGEST_JSON * (n == 1)) for n in range(COUNT)]))
    found = inspect_path(tmp_path / "raw", EVIDENCE, first=1)
    assert (found.records, found.reject_counts) == (COUNT, {})


@pytest.mark.parametrize("end", [b"", b"\n", b"\nz"])
@pytest.mark.parametrize(
    ("line", "instead"),
    [
        (b"x" * 12, b"x" * 12),
        (b"x" * 13, b"!!"),
        (b" " * 13 + b"x", b"x"),
        (b"x" * 12 + b" \r", b"x" * 12),
        (b" " * 30 + b"x", b"!!"),
        (b" " * 40, b""),
        (b"\x0c" * 40, b""),
        (b"\xff" * 60 + b" ", b"!!"),
    ],
)
def test_a_mark_stands_for_a_long_line_that_is_not_blank(
    monkeypatch: pytest.MonkeyPatch, line: bytes, instead: bytes, end: bytes
) -> None:
    monkeypatch.setattr(json_anew, "LONGEST_JSON", 12)
    monkeypatch.setattr(json_anew, "_CHUNK", 5)
    found = b"".join(without_overlong(io.BytesIO(b"a\n" + line + end)))
    assert found.rstrip(b"\n") == (b"a\n" + instead + end).rstrip(b"\n")


@pytest.mark.parametrize("form", ["ndjson", "array"])
def test_a_broken_record_has_no_say_in_what_the_columns_are(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, form: str
) -> None:
    text = FORMS[form]([record(n) for n in range(COUNT)]).replace('"a": 3', '"a": 3 3')
    (tmp_path / "raw").write_text(text)
    sample = sample_file(
        connection, "f.json", tmp_path / "raw", tmp_path, dataset="sales", records=COUNT, stamp=None
    )
    assert sample.rows == COUNT - 1
    assert "a" in sample.unique
