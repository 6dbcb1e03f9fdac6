from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any, Literal

import duckdb
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from quarterlake.domain.errors import UnreadableFileError
from quarterlake.processing.json_records import count_array_json, locate_lines_json, survey_lines_json
from quarterlake.processing.record_search import RAW_BYTES, Location
from quarterlake.processing.records import TextShape, locate_delimited, survey_delimited

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

CHUNKS = st.sampled_from([1, 2, 3, 7, 64, 1 << 20])
CELLS = st.text(alphabet='ab,"\n\r é;', max_size=6)
ROWS = st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(CELLS, min_size=n, max_size=n), min_size=1))


def shape(columns: int = 2, *, header: bool = True, quote: bytes = b'"', skip: int = 0) -> TextShape:
    return TextShape(delimiter=b",", quote=quote, header=header, columns=columns, skip=skip)


def count(data: bytes, form: TextShape, chunk_bytes: int = 5) -> int:
    return survey_delimited(io.BytesIO(data), form, chunk_bytes=chunk_bytes).records


def places_of(
    data: bytes, form: TextShape, ordinals: Sequence[int], skipped: Collection[int] = (), chunk_bytes: int = 5
) -> dict[int, Location]:
    surveyed = survey_delimited(io.BytesIO(data), form, chunk_bytes=chunk_bytes)
    look = max(1, chunk_bytes // 3)
    return locate_delimited(io.BytesIO(data), form, surveyed, ordinals, skipped, look_bytes=look)


def written(rows: list[list[str]], line_end: str, quoting: Literal[0, 1]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=line_end, quoting=quoting).writerows(rows)
    return text.getvalue().encode()


@pytest.mark.parametrize(
    ("data", "columns", "expected"),
    [
        (b"", 2, 0),
        (b"a,b", 2, 0),
        (b"a,b\n1,2\n3,4\n", 2, 2),
        (b"a,b\n1,2\n3,4", 2, 2),
        (b"a,b\r\n1,2\r\n3,4\r\n", 2, 2),
        (b"a,b\r1,2\r3,4\r", 2, 2),
        (b"a,b\r\n1,2\n3,4\r5,6", 2, 3),
        (b"\xef\xbb\xbfa,b\n1,2\n", 2, 1),
        (b"a,b\n\n1,2\n\n\n3,4\n\n", 2, 2),
        (b"a\n1\n\n2\n\n", 1, 4),
        (b"a\r\n1\r\n\r\n2\r\n", 1, 3),
        (b'a,b\n1,"x\ny"\n3,4\n', 2, 2),
        (b'a,b\n2,b"c\n3,4\n', 2, 2),
        (b'a,b\n1, "x\n4"\n3,4\n', 2, 2),
        (b'a,b\n1,  "x\n4"\n3,4\n', 2, 3),
        (b'a,b\n1,"x"  "y\nz"\n3,4\n', 2, 2),
        (b'a,b\n1,"b"c\n3,4\n', 2, 2),
        (b'a,b\n1,"b"c,"x\ny"\n3,4\n', 2, 2),
        (b'a,b\n1,2\n1,"b\n3,4\n', 2, 2),
        (b'"a\nb",c\n1,2\n', 2, 1),
    ],
)
def test_a_record_is_what_the_parser_takes_for_one(data: bytes, columns: int, expected: int) -> None:
    assert {count(data, shape(columns), chunk) for chunk in (1, 2, 3, 1000)} == {expected}


def test_without_a_quote_character_every_line_is_a_record() -> None:
    assert count(b'a,b\n1,"x\n3,4\n', shape(quote=b"")) == 2


def test_skipped_lines_and_the_header_are_not_counted_and_may_be_blank() -> None:
    assert count(b"about\n\na,b\n1,2\n", shape(skip=2)) == 1
    assert count(b"about\n", shape(skip=5)) == 0


# Minimal quoting leaves a CR or LF bare that is not in the line end.
STYLES = [("\r\n", csv.QUOTE_MINIMAL), ("\r\n", csv.QUOTE_ALL), ("\n", csv.QUOTE_ALL), ("\r", csv.QUOTE_ALL)]


@given(ROWS, st.sampled_from(STYLES), CHUNKS)
def test_written_tables_are_counted_and_found(
    rows: list[list[str]], style: tuple[str, Literal[0, 1]], chunk_bytes: int
) -> None:
    line_end, quoting = style
    data = written(rows, line_end, quoting)
    form = shape(len(rows[0]), header=False)
    assert count(data, form, chunk_bytes) == len(rows)

    found = places_of(data, form, range(len(rows) + 1), (), chunk_bytes)

    assert list(found) == list(range(len(rows)))
    for row, place in zip(rows, found.values(), strict=True):
        raw = place.raw.encode()
        assert data[place.byte_offset :].startswith(raw + line_end.encode())
        assert next(csv.reader(io.StringIO(place.raw, newline="")), None) == row
        assert place.line == 1 + lines_in(data[: place.byte_offset])


def lines_in(data: bytes) -> int:
    return len(data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")) - 1


@given(st.lists(st.sampled_from(["a", ",", '"', "\n", "\r", "\r\n", " ", ',"', '"\n', "é"])).map("".join))
def test_the_chunk_size_never_matters(text: str) -> None:
    for columns in (1, 2):
        form = shape(columns, header=columns == 2)
        counts = {count(text.encode(), form, chunk) for chunk in (1, 2, 5, 1000)}
        assert len(counts) == 1
        everything = range(counts.pop())
        places = [places_of(text.encode(), form, everything, (), chunk) for chunk in (1, 2, 5, 1000)]
        assert len(places[0]) == len(everything)
        assert all(found == places[0] for found in places)


def parsed(path: Path, columns: int) -> tuple[int, set[int]]:
    """Return how many records DuckDB keeps and where those that it rejects begin."""
    types = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(columns))
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute(
            f"create table kept as from read_csv('{path}', header=true, delim=',', quote='\"', escape='\"', "
            f"auto_detect=false, ignore_errors=true, store_rejects=true, allow_quoted_nulls=false, "
            f"columns={{{types}}})"
        )
        [(kept,)] = connection.execute("select count(*) from kept").fetchall()
        rejects = connection.execute("select distinct line_byte_position from reject_errors").fetchall()
        return kept, {position - 1 for (position,) in rejects}


MESSY = [
    b"1,2\n3\n4,5,6\n\n7,8",
    b'1,"b"c\n3,4\n5,b"c\n"x\ny",1\n"b"c,"x\ny"\n5,6\n',
    b'1,2\n\n\n"x\ny"\n1, "p\nq"\n1,  "p\n "r\ns",2\n',
    b'1,2\n1,"b\n3,4\n5,6\n',
    b"1,\xff\n3,4\n \n",
]


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("body", MESSY)
@pytest.mark.parametrize("columns", [1, 2, 3])
def test_broken_files_balance_with_duckdb(tmp_path: Path, body: bytes, line_end: bytes, columns: int) -> None:
    data = (b"a,b\n" + body).replace(b"\n", line_end)
    (tmp_path / "messy.csv").write_bytes(data)
    kept, rejected = parsed(tmp_path / "messy.csv", columns)
    form = shape(columns)

    assert count(data, form) == kept + len(rejected)
    for chunk in (1, 4, 1000):
        found = places_of(data, form, range(kept), rejected, chunk)
        assert len(found) == kept


def test_ordinals_leave_out_the_records_that_the_parser_dropped() -> None:
    data = b"a,b\r\n1,2\r\nbad\r\n\r\n3,4\r\nworse\r\n5,6\r\n"
    skipped = [data.index(b"bad"), data.index(b"worse") - 1]  # DuckDB may point at the LF before a record
    for chunk in (1, 2, 3, 1000):
        found = places_of(data, shape(), [1, 2], skipped, chunk)
        assert found == {1: Location(5, 17, "3,4"), 2: Location(7, 29, "5,6")}


def test_a_blank_record_is_never_the_dropped_one() -> None:
    data = b"a\n\n1,2\n3\n"
    for chunk in (1, 1000):
        found = places_of(data, shape(1), [0, 1], [2], chunk)
        assert found == {0: Location(2, 2, ""), 1: Location(4, 7, "3")}


def test_offsets_and_lines_count_from_the_files_start() -> None:
    data = b'\xef\xbb\xbfabout\n"a\nb",c\n1,"x\ny"\n3,\xff\n'
    for chunk in (1, 4, 1000):
        found = places_of(data, shape(skip=1), [0, 1], (), chunk)
        assert found == {0: Location(4, 17, '1,"x\ny"'), 1: Location(6, 25, "3,\ufffd")}


def test_a_survey_of_many_parts_stays_small_and_finds_all_the_same() -> None:
    lines = [str(number) + "," * (number % 7) for number in range(5_000)]
    data = "\n".join(["a,b", *lines]).encode()
    surveyed = survey_delimited(io.BytesIO(data), shape(), chunk_bytes=4)
    assert surveyed.records == len(lines)
    assert 1_000 < len(surveyed.spans) <= 4_096
    found = locate_delimited(io.BytesIO(data), shape(), surveyed, [0, 1_234, 4_999], (), look_bytes=9)
    assert {n: (place.line, place.raw) for n, place in found.items()} == {n: (n + 2, lines[n]) for n in found}
    assert list(found) == [0, 1_234, 4_999]


def test_a_long_records_text_is_cut() -> None:
    data = b'a,b\n1,2\n"' + b"x\n" * RAW_BYTES + b'",3\n4,5\n'
    for chunk in (1000, 1 << 20):
        found = places_of(data, shape(), [1, 2], (), chunk)
        assert len(found[1].raw) == RAW_BYTES
        assert found[2] == Location(4 + RAW_BYTES, len(data) - 4, "4,5")


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet='a"\\,[]{}\n é', max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(alphabet='a"\\]', max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.lists(VALUES), st.sampled_from([None, 1]), CHUNKS)
@example(["\\"], None, 1)
@example([[]], None, 1)
def test_an_arrays_elements_are_counted(values: list[Any], indent: int | None, chunk_bytes: int) -> None:
    data = json.dumps(values, indent=indent, ensure_ascii=False).encode()
    assert count_array_json(io.BytesIO(b"\xef\xbb\xbf " + data + b"\n"), chunk_bytes=chunk_bytes) == len(
        values
    )


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b" ", "is empty"),
        (b'{"a":1}', "does not begin with an array"),
        (b"1", "does not begin with an array"),
        (b'[{"a":1},{"a":', "not closed"),
        (b'["]', "not closed"),
        (b"[1]]", "goes on after its array"),
        (b"[1] 2", "goes on after its array"),
        (b"[1]\n[2]", "goes on after its array"),
    ],
)
def test_what_is_not_one_whole_array_is_refused(data: bytes, problem: str) -> None:
    for chunk in (1, 1000):
        with pytest.raises(UnreadableFileError, match=problem):
            count_array_json(io.BytesIO(data), chunk_bytes=chunk)


@given(
    st.lists(VALUES.map(json.dumps) | st.sampled_from(["", " ", "\t"])),
    st.sampled_from(["\n", "\r\n"]),
    CHUNKS,
)
def test_lines_of_json_are_counted_and_found(lines: list[str], line_end: str, chunk_bytes: int) -> None:
    data = line_end.join(lines).encode()
    records = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    surveyed = survey_lines_json(io.BytesIO(data), chunk_bytes=chunk_bytes)
    assert surveyed.records == len(records)

    found = locate_lines_json(io.BytesIO(data), surveyed, range(len(records)), look_bytes=3)

    assert [(place.line, place.raw) for place in found.values()] == records
    assert all(data[place.byte_offset :].startswith(place.raw.encode()) for place in found.values())
