from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quarterlake.domain.errors import UnreadableFileError
from quarterlake.processing.dialect import MAX_COLUMNS, Dialect, find_dialect, unique_names

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path


def dialect(folder: Path, data: bytes, expected: Collection[str] = ()) -> Dialect:
    path = folder / "file"
    path.write_bytes(data)
    with path.open("rb") as stream:
        return find_dialect("sales.csv", stream, expected)


@pytest.mark.parametrize(
    ("data", "delimiter", "columns"),
    [
        (b"a,b\n1,2\n", ",", ("a", "b")),
        (b"a;b\n1,5;2,5\n", ";", ("a", "b")),
        (b"a\tb\n1,5\t2\n", "\t", ("a", "b")),
        (b"a|b\n1|2,5\n", "|", ("a", "b")),
        (b'a,b\n"x;y;z",2\n', ",", ("a", "b")),
        (b"a\n1\n2\n", ",", ("a",)),
        (b"\xef\xbb\xbfa,b\r\n1,2\r\n", ",", ("a", "b")),
        (b"a,b,c\n1,2\n3,4,5\n6,7,8\n", ",", ("a", "b", "c")),
        (b"a,b\n", ",", ("a", "b")),
        (b"a,b", ",", ("a", "b")),
        (b'"a, ""x""","b\nc"\n1,2\n', ",", ('a, "x"', "b\nc")),
    ],
)
def test_delimiters_and_headers(
    tmp_path: Path, data: bytes, delimiter: str, columns: tuple[str, ...]
) -> None:
    assert dialect(tmp_path, data) == Dialect(delimiter, '"', header=True, columns=columns)


@pytest.mark.parametrize(
    "data", [b"1,x\n2,y\n", b"x,2026-01-05\ny,2026-01-06\n", b"true,x\n", b"NA,x\nb,y\n"]
)
def test_a_first_record_with_values_is_no_header(tmp_path: Path, data: bytes) -> None:
    found = dialect(tmp_path, data)
    assert not found.header
    assert found.columns == ("column_1", "column_2")


def test_expected_names_make_a_header_of_values(tmp_path: Path) -> None:
    assert dialect(tmp_path, b"2024,2025\n1,2\n", {"2024"}).columns == ("2024", "2025")


def test_a_file_of_many_columns_is_refused_by_name(tmp_path: Path) -> None:
    line = ",".join(f"c{n}" for n in range(MAX_COLUMNS + 1)).encode()
    with pytest.raises(UnreadableFileError, match=r"sales\.csv has 4097 columns"):
        dialect(tmp_path, line)


@pytest.mark.parametrize("data", [b"\n\n", b"\r\n"])
def test_a_file_of_blank_lines_holds_no_record(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(UnreadableFileError, match=r"sales\.csv holds no record"):
        dialect(tmp_path, data)


def test_a_record_that_the_sample_cuts_does_not_count(tmp_path: Path) -> None:
    data = b"a,b\n" + b'1,"x;y"\n' * 9_000
    assert dialect(tmp_path, data).columns == ("a", "b")


@pytest.mark.parametrize(
    ("given", "made"),
    [
        (["a", "b"], ("a", "b")),
        (["a", "a", "A"], ("a", "a_2", "A_3")),
        (["", " ", "x "], ("column_1", "column_2", "x")),
        (["a", "a", "a_2"], ("a", "a_2", "a_2_2")),
        (["column_2", ""], ("column_2", "column_2_2")),
    ],
)
def test_names_are_made_unique(given: list[str], made: tuple[str, ...]) -> None:
    assert unique_names(given) == made


@given(st.lists(st.text(max_size=4), max_size=12))
def test_made_names_are_unique_filled_and_stay(names: list[str]) -> None:
    made = unique_names(names)
    assert len({name.casefold() for name in made}) == len(made) == len(names)
    assert all(name == name.strip() != "" for name in made)
    assert unique_names(made) == made


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(*[st.text('ab",;|\t\n é', max_size=5)] * 3), max_size=8),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    line_end=st.sampled_from(["\n", "\r\n"]),
)
def test_the_header_of_a_fully_quoted_table_is_found(
    tmp_path: Path, rows: list[tuple[str, ...]], delimiter: str, line_end: str
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=line_end, quoting=csv.QUOTE_ALL)
    writer.writerows([("first", "second", "third"), *rows])
    found = dialect(tmp_path, text.getvalue().encode())
    assert found == Dialect(delimiter, '"', header=True, columns=("first", "second", "third"))


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_any_bytes_have_a_dialect_or_are_refused_by_name(tmp_path: Path, data: bytes) -> None:
    try:
        found = dialect(tmp_path, data)
    except UnreadableFileError as refused:
        assert "sales.csv" in str(refused)  # noqa: PT017
    else:
        assert found.columns
