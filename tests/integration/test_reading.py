"""Files as they are sent: what is decided, what becomes of what is no record of the table, where it is said to be."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest

from quarterlake.domain.contract import Contract
from quarterlake.domain.errors import ContractError
from quarterlake.domain.reading import Reading
from quarterlake.processing.encodings import find_encoding
from quarterlake.processing.parser import ParseJob, parse_file
from tests.integration.test_formats import NAME, Parsed, contract_of, opened_connection, parse

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

__all__ = ["opened_connection"]

COLUMNS = {"id": "int64", "name": "string", "v": "int64"}
TABLE = "id;name;v\n1;a;10\n2;b;x\n3;c;30\n"
FOOTER, HEADER, SECOND = "footer", "repeated header", "second table"
STRAY = "text after a closing quote, or a quote that is never closed"


def read(
    connection: duckdb.DuckDBPyConnection, folder: Path, data: bytes, reading: Reading
) -> dict[str, Any]:
    """The document of a file that is read under a contract with settings."""
    raw = folder / "raw"
    raw.write_bytes(data)
    held = contract_of(COLUMNS)
    contract = Contract(held.dataset, held.columns, reading=reading)
    job = ParseJob("parsed", "landed", NAME, "0" * 64, raw, "2026-01-01T00:00:00+00:00", contract)
    document = parse_file(connection, job, folder).document
    assert document.error is None
    return {"accepted": document.accepted, "rejects": dict(document.reject_counts), **document.dialect}


def reasons(found: Parsed) -> list[tuple[int, str]]:
    return [(reject["line"], reject["reason"]) for reject in found.rejects]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (TABLE + "Total;;40\n", [(3, "not an integer of 64 bits"), (5, FOOTER)]),
        (TABLE + "\nSource: us\n", [(3, "not an integer of 64 bits"), (6, FOOTER)]),
        (TABLE + "id;name;v\n4;d;40\n", [(3, "not an integer of 64 bits"), (5, HEADER)]),
        (
            TABLE + "\nshop;staff\nOslo;3\nRome;4\n",
            [(3, "not an integer of 64 bits"), (6, SECOND), (7, SECOND), (8, SECOND)],
        ),
        (TABLE + '4;"d;40\n5;e;50\n', [(3, "not an integer of 64 bits"), (5, STRAY)]),
        ("Report\n\n" + TABLE + "Total;;40\n", [(5, "not an integer of 64 bits"), (7, FOOTER)]),
    ],
    ids=["total", "note", "header", "table", "stray", "preamble"],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1"])
def test_what_is_no_record_of_the_table_is_a_reject_with_its_place(
    connection: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    data: str,
    expected: list[tuple[int, str]],
    end: str,
    encoding: str,
) -> None:
    text = data.replace("a;10", "käse süß;10").replace("\n", end)
    sent = text.encode(encoding)
    found = parse(connection, tmp_path, sent, COLUMNS)
    assert reasons(found) == expected
    assert found.rows[0] == (1, "käse süß", 10)
    name = {"utf-16": "utf-16-le", "utf-32": "utf-32-le", "utf-8-sig": "utf-8"}.get(encoding, encoding)
    for reject in found.rejects:
        assert sent[reject["byte_offset"] :].startswith(reject["raw"].encode(name)), "where it was sent"


def test_records_of_the_plain_file_are_found_in_the_original(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    lines = ["'id','name','v'"]
    lines += [
        f"'{n}','it''s\n{n}','{'x' if n % 500 == 7 else n}'" if n % 3 else f"{n},b,{n}" for n in range(9_000)
    ]
    data = "\n".join([*lines, "Total,,9", ""]).encode()
    found = parse(connection, tmp_path, data, COLUMNS)
    assert found.document.dialect["quote"] == "'"
    bad = [reject for reject in found.rejects if reject["reason"] != FOOTER]
    assert [reject["raw"] for reject in bad] == [lines[n + 1] for n in range(9_000) if n % 500 == 7 and n % 3]
    for reject in found.rejects:
        assert data[reject["byte_offset"] :].startswith(reject["raw"].encode())
        assert reject["line"] == 1 + data[: reject["byte_offset"]].count(b"\n")
    assert found.document.records == 9_001


def test_a_contract_overrides_what_is_found(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    data = (TABLE + "Total;;40\n").encode()
    assert read(connection, tmp_path, data, Reading())["rejects"][FOOTER] == 1
    kept = read(connection, tmp_path, data, Reading(footer=0))
    assert FOOTER not in kept["rejects"]
    assert read(connection, tmp_path, data, Reading(footer=2))["rejects"][FOOTER] == 2
    assert read(connection, tmp_path, b"x\ny\n" + data, Reading(preamble=2, delimiter=";"))["accepted"] == 2
    twice = (TABLE + "id;name;v\n").encode()
    assert HEADER not in read(connection, tmp_path, twice, Reading(repeated_headers="keep"))["rejects"]
    tables = (TABLE + "\na;b\nc;d\n").encode()
    assert SECOND not in read(connection, tmp_path, tables, Reading(tables="all"))["rejects"]
    latin = read(connection, tmp_path, TABLE.encode("cp437"), Reading(encoding="cp437"))
    assert latin["encoding"] == "cp437"


@pytest.mark.parametrize(
    "further",
    [b"", b",", b",,,", b',""', b", ", b",,x", b",\xc3\xa9"],
    ids=lambda found: found.decode() or "none",
)
@pytest.mark.parametrize("record", [b"2,b,20", b'2,"b",20', b"2,,"])
def test_a_record_is_the_same_whatever_path_its_file_takes(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, record: bytes, further: bytes
) -> None:
    lines = b"id,name,v\n1,a,10\n" + record + further + b"\n3,c,30\n"
    fast = parse(connection, tmp_path, lines, COLUMNS)
    careful = parse(connection, tmp_path, lines + b"Total,,60\n", COLUMNS)
    assert (fast.document.dialect.get("careful"), careful.document.dialect["careful"]) == (None, "a footer")
    assert fast.rows == careful.rows
    assert [*reasons(fast), (5, FOOTER)] == reasons(careful)


TWO = {"id": "string", "name": "string"}
TOO_MANY = "more fields than the header"


@pytest.mark.parametrize(
    ("data", "rows", "rejects"),
    [
        (
            b'id,name\r\n0,x\r\n1,y\r\n2,"a\r\n3,b\r\n4,"q\nr"\r\n5,d\r\n',
            [("0", "x"), ("1", "y"), ("3", "b"), ("4", "q\nr"), ("5", "d")],
            [(4, 19, STRAY)],
        ),
        (
            b'id,name\n1,"x" "y\n2,b\n3,c"\n4,d\n',
            [("2", "b"), ("3", 'c"'), ("4", "d")],
            [(2, 8, STRAY)],
        ),
        (b'id,name\n1,"" "y\n2,b\n3,c"\n', [("2", "b"), ("3", 'c"')], [(2, 8, STRAY)]),
        (
            b"id,name\n1," + b"x" * 70_000 + b',"a\n2,b\n3,"q",x\n4,5\n',
            [("2", "b"), ("4", "5")],
            [(2, 8, STRAY), (4, 70_018, TOO_MANY)],
        ),
        (b"id,name\n1,\rx\n2,y\n", [("1", "\rx"), ("2", "y")], []),
        (b"id,name\n1,x\n2,y\nid,name", [("1", "x"), ("2", "y")], [(4, 16, HEADER)]),
        (b"sep=\r\nid,name\n1,2\n", [("1", "2")], []),
        (b"id,name\n1,a\x00b\n" + b"2,yy\n" * 999, [("1", "a\x00b")] + [("2", "yy")] * 999, []),
        (b"id,name\n" + b"1,x\n" * 30_000 + b"2,y\n\r", [("1", "x")] * 30_000 + [("2", "y")], []),
    ],
    ids=[
        "crlf",
        "reopened",
        "reopened at once",
        "long",
        "cr in a field",
        "header at the end",
        "sep",
        "nul",
        "cr at the end",
    ],
)
def test_what_the_fast_path_would_misread_is_not_lost(
    connection: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    data: bytes,
    rows: list[tuple[str, ...]],
    rejects: list[tuple[int, int, str]],
) -> None:
    found = parse(connection, tmp_path, data, TWO)
    assert found.document.error is None
    assert found.rows == rows
    assert [(one["line"], one["byte_offset"], one["reason"]) for one in found.rejects] == rejects


@pytest.mark.parametrize("cell", ['" "', '"a "" ""b"', '"a\rb"', "b"])
def test_quoted_blanks_and_crs_stay_on_the_fast_path(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, cell: str
) -> None:
    data = ("id,name\n" + f"1,{cell}\n" * 20_000).encode()
    found = parse(connection, tmp_path, data, TWO)
    assert found.document.dialect.get("careful") is None
    assert found.rows == [("1", cell.strip('"').replace('""', '"'))] * 20_000


@pytest.mark.parametrize("last", ['21,"x",y', '21,"",y'])
def test_one_cell_between_quotes_does_not_unmake_apostrophes(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, last: str
) -> None:
    lines = [f"{n},'a, b{n}','c'" for n in range(20)]
    data = "\n".join(["id,name,city", *lines, last, ""]).encode()
    found = parse(connection, tmp_path, data, {"id": "string", "name": "string", "city": "string"})
    assert found.rows[:20] == [(str(n), f"a, b{n}", "c") for n in range(20)]
    assert len(found.rows) == 21


def test_a_cr_ends_lines_though_quoted_text_has_lfs_and_delimiters(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    lines = [f'{n},"x\n{n};y"' if n % 3 == 0 else f"{n},O'Neil" for n in range(300)]
    found = parse(connection, tmp_path, "\r".join(["id,name", *lines, ""]).encode(), TWO)
    assert len(found.rows) == 300
    assert found.rows[3] == ("3", "x\n3;y")


def test_many_broken_records_are_each_a_reject(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """DuckDB's reader keeps the line of each fault, so only so many are left to it."""
    lines = [f"{n},x,y" if n > 17_000 and n % 2 else f"{n},x" for n in range(20_000)]
    found = parse(connection, tmp_path, "\n".join(["id,name", *lines, ""]).encode(), TWO)
    assert found.document.records == 20_000
    assert found.document.reject_counts == {TOO_MANY: 1_500}
    assert "too many records" in found.document.dialect["careful"]


@pytest.mark.parametrize("empty", [";;\n", " ; ;\t\r\n"])
@pytest.mark.parametrize("count", [1, 30, 40_000])
def test_empty_records_below_a_table_are_its_footer(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, empty: str, count: int
) -> None:
    good = TABLE.replace("x", "20")
    found = parse(connection, tmp_path, (good + empty * count).encode(), COLUMNS)
    assert (found.document.accepted, found.document.reject_counts) == (3, {FOOTER: count})
    for kept in (good + ";;\n4;d;40\n", good + '"";;""\n', "id;name;v\n" + ";;\n" * 2):
        assert parse(connection, tmp_path, kept.encode(), COLUMNS).document.reject_counts.get(FOOTER) is None


@pytest.mark.parametrize(
    ("label", "is_total"),
    [
        ("Gesamtergebnis", True),
        ("Total g\u00e9n\u00e9ral", True),
        ("\u0418\u0442\u043e\u0433\u043e:", True),
        ("\u5408\u8ba1", True),
        ("Celkem", True),
        ("Subtotal", True),
        ("Summer", False),
        ("Totality", False),
        ("Som tam", False),
    ],
)
def test_totals_go_by_the_names_that_spreadsheets_give_them(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, label: str, *, is_total: bool
) -> None:
    data = "name,v\n" + "".join(f"n{n},{n}\n" for n in range(9)) + f"{label},36\n"
    found = parse(connection, tmp_path, data.encode(), {"name": "string", "v": "int64"})
    assert found.document.reject_counts == ({FOOTER: 1} if is_total else {})


@pytest.mark.parametrize("end", ["", "TOTAL,\n"], ids=["as it is", "under a total"])
def test_a_large_file_of_fields_over_several_lines_is_read_from_its_beginning_to_its_end(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, end: str
) -> None:
    """Read in parts side by side, DuckDB begins amid a field: it would take 219,180 lines of this text for records."""
    table = io.StringIO("id,a,b,c\n")
    table.seek(0, io.SEEK_END)
    within = ",q\n" + "".join(f"{900_000_000 + n},x,y,z\n" for n in range(3)) + "999999999,w,"
    count = 174_611
    for n in range(count):
        table.write(f'{4 * n},bbbbbbb,"{within}",c\n')
        table.writelines(f"{4 * n + k},bbbbbbb,bb,cc\n" for k in (1, 2, 3))
    found = parse(connection, tmp_path, f"{table.getvalue()}{end}".encode(), {"id": "int64", "b": "string"})
    assert (found.document.error, found.document.accepted) == (None, 4 * count)
    assert max(number for number, _ in found.rows) == 4 * count - 1


def test_a_long_field_at_the_beginning_is_one_field(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    long = "".join(f"line {n}\n" for n in range(9_000))
    for before in (0, 1, 20):
        rows = [f"{n},x,y" for n in range(before)] + [f'{before},x,"{long}"'] + ["7,x,y"] * 3
        data = "\n".join(["id,a,b", *rows, ""]).encode()
        found = parse(connection, tmp_path, data, {"id": "int64", "a": "string", "b": "string"})
        assert (found.document.error, found.document.accepted) == (None, before + 4)


def test_a_record_of_a_day_is_no_total(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    columns = {"name": "string", "day": "date", "v": "int64"}
    for label in ("SOM", "Sum", "Total"):
        data = (
            "name,day,v\n" + "".join(f"n{n},2026-01-15,{n}\n" for n in range(9)) + f"{label},2026-01-15,36\n"
        )
        assert parse(connection, tmp_path, data.encode(), columns).document.accepted == 10


def test_a_line_of_many_fields_costs_no_more_than_its_length(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """DuckDB's reader would keep the line once for each of its fields, which is 50 GB."""
    found = parse(connection, tmp_path, b"id,name\n1,x\n" + b"1," * 300_000 + b"\n2,y\n", TWO)
    assert (found.document.accepted, found.document.reject_counts) == (2, {TOO_MANY: 1})


def test_a_header_longer_than_the_sample_is_read_whole(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    names = [f"column_of_a_long_name_{n:08d}" for n in range(3_000)]
    data = "\n".join([",".join(names), *[",".join("7" for _ in names)] * 3, ""]).encode()
    found = parse(connection, tmp_path, data, {names[0]: "int64", names[-1]: "int64"})
    assert found.rows == [(7, 7)] * 3


def test_many_blank_lines_set_off_a_table_as_one_does(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """A look at what follows each of them would take minutes."""
    data = b"id,name,v\n" + b"1,a,10\n" * 9 + b"\n" * 300_000 + b"shop,staff\nOslo,3\nRome,4\n"
    found = parse(connection, tmp_path, data, COLUMNS)
    assert found.document.reject_counts == {SECOND: 3}
    assert found.document.accepted == 9


def test_every_reject_has_its_place_and_text(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    data = b'id,name,v\n1,a,10\n2,b,20\n\\"\n""x ya\r\n'
    found = parse(connection, tmp_path, data, COLUMNS)
    assert [(reject["line"], reject["raw"]) for reject in found.rejects] == [(4, '\\"'), (5, '""x ya')]


def test_an_encoding_with_a_mark_keeps_places(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    data = TABLE.replace("x", "é").encode("utf-8-sig") * 9
    held = contract_of(COLUMNS)
    contract = Contract(held.dataset, held.columns, reading=Reading(encoding="utf-8-sig"))
    (tmp_path / "raw").write_bytes(data)
    job = ParseJob("p", "landed", NAME, "0" * 64, tmp_path / "raw", "2026-01-01T00:00:00+00:00", contract)
    outcome = parse_file(connection, job, tmp_path)
    assert outcome.document.dialect["encoding"] == "utf-8"


def test_a_footer_has_the_length_that_the_contract_says(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    data = b"id,name,v\n" + b"1,a,10\n" * 40_000
    found = read(connection, tmp_path, data, Reading(footer=30_000))
    assert (found["accepted"], found["rejects"]) == (10_000, {FOOTER: 30_000})


def test_settings_decide_what_a_parsed_file_is() -> None:
    plain = contract_of(COLUMNS)
    said = Contract(plain.dataset, plain.columns, reading=Reading(delimiter=";"))
    assert plain.parse_id != said.parse_id


@pytest.mark.parametrize(
    "values",
    [
        {"delimiter": "ab"},
        {"quote": "\n"},
        {"encoding": "klingon"},
        {"encoding": "undefined"},
        {"delimiter": ";", "quote": ";"},
    ],
)
def test_settings_that_cannot_be_are_refused(values: dict[str, str]) -> None:
    with pytest.raises(ContractError, match=r"quarterlake\.reading"):
        Reading(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"a,b\n1,2\n", "utf-8"),
        ("a,ü\n".encode(), "utf-8"),
        ("a,ü\n".encode("latin-1"), "latin-1"),
        ("a,ü €\n".encode("cp1252"), "cp1252"),
        ("a,ü\n".encode("utf-16"), "utf-16"),
        ("a,b\n1,2\n".encode("utf-16-be"), "utf-16-be"),
        ("a,b\n1,2\n".encode("utf-32-le"), "utf-32-le"),
        (b"a,b\n1,\xff\n", "utf-8"),
        ("müde Füße, ".encode() * 9 + b"\xe9\n", "utf-8"),
        (b"a,b\n" * 600_000 + b"1,\xe9t\xe9\n", "latin-1"),
    ],
)
def test_an_encoding_is_found_by_its_bytes(tmp_path: Path, data: bytes, name: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    with path.open("rb") as stream:
        found = find_encoding(stream)
    assert found.name == name
    assert found.why
