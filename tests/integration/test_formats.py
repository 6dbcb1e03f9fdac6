"""One table in every format gives the same typed rows."""

from __future__ import annotations

import csv
import gzip
import io
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from quarterlake.domain.column_types import ColumnType
from quarterlake.domain.contract import RESERVED_COLUMNS, Column, Contract
from quarterlake.domain.reading import EVIDENCE, Reading
from quarterlake.processing.parser import ParseJob, parse_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from quarterlake.domain.parsed import ParsedFile

NAME = "sales_2026-01.csv"


@pytest.fixture(name="connection", scope="module")
def opened_connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 2}) as opened:
        opened.execute("SET TimeZone = 'UTC'")
        yield opened


@dataclass(frozen=True)
class Parsed:
    """What parsing a file gave: its document, its rows in their order, its rejects."""

    document: ParsedFile
    rows: list[tuple[Any, ...]]
    rejects: list[dict[str, Any]]


def contract_of(columns: dict[str, str], time: str | None = None) -> Contract:
    """A contract; without a record time that of the file's name holds."""
    found = tuple(Column(name, ColumnType.parse(kind), name) for name, kind in columns.items())
    return Contract("sales", found, record_time=time)


def parse(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    data: bytes,
    columns: dict[str, str],
    *,
    time: str | None = None,
    reading: Reading = EVIDENCE,
) -> Parsed:
    """Parse bytes as a landed file, and read back what was written."""
    raw = folder / "raw"
    raw.write_bytes(data)
    stamp = "2026-01-01T00:00:00+00:00"
    contract = msgspec.structs.replace(contract_of(columns, time), reading=reading)
    job = ParseJob("parsed", "landed", NAME, "0" * 64, raw, stamp, contract)
    outcome = parse_file(connection, job, folder)
    rows: list[tuple[Any, ...]] = []
    rejects: list[dict[str, Any]] = []
    if outcome.data is not None:
        names = ", ".join('"' + c.name.replace('"', '""') + '"' for c in outcome.document.columns)
        rows = connection.execute(
            f"SELECT {names} FROM read_parquet('{outcome.data}') WHERE _raw IS NULL"
        ).fetchall()
    if outcome.rejects is not None:
        found = connection.execute(f"SELECT * FROM read_parquet('{outcome.rejects}')")
        fields = [field[0] for field in found.description or []]
        rejects = [dict(zip(fields, reject, strict=True)) for reject in found.fetchall()]
    document = outcome.document
    assert document.records == document.accepted + document.rejected
    assert (len(rows), len(rejects)) == (document.accepted, document.rejected)
    return Parsed(document, rows, rejects)


COLUMNS = {
    "id": "int64",
    "code": "string",
    "amount": "decimal(18,2)",
    "share": "float64",
    "ok": "boolean",
    "day": "date",
    "at": "timestamp",
    "note": "string",
}
RECORDS: list[dict[str, Any]] = [
    {
        "id": n,
        "code": f"{n:05d}",
        "amount": Decimal(n * 125).scaleb(-2),
        "share": n / 8,
        "ok": n % 2 == 0,
        "day": date(2026, 1, 1 + n),
        "at": datetime(2026, 1, 1 + n, 10, n, 30, 250_000, tzinfo=UTC),
        "note": note,
    }
    for n, note in enumerate(["plain", 'a "quoted" word', "x\ny", "a,b;c|d\te", "é — 日本", " spaced ", "'"])
]
RECORDS.append(dict.fromkeys(COLUMNS, None) | {"id": 99, "note": "nothing else"})
ROWS = [tuple(record.values()) for record in RECORDS]


def text_of(value: object) -> str:
    """A value as text files hold it."""
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else value.isoformat() if isinstance(value, (date, datetime)) else str(value)


def delimited(delimiter: str, line_end: str = "\n", rows: Sequence[dict[str, Any]] = RECORDS) -> bytes:
    """The records as delimited text."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=line_end)
    writer.writerow(COLUMNS)
    writer.writerows([text_of(value) for value in record.values()] for record in rows)
    return text.getvalue().encode()


def json_records() -> list[dict[str, Any]]:
    """The records as JSON has them."""

    def plain(value: object) -> object:
        if isinstance(value, Decimal):
            return float(value)
        return text_of(value) if isinstance(value, date) else value

    return [{name: plain(value) for name, value in record.items()} for record in RECORDS]


def ndjson() -> bytes:
    """One record a line."""
    return "".join(json.dumps(record) + "\n" for record in json_records()).encode()


def parquet() -> bytes:
    """A Parquet file with types of its own."""
    schema = pa.schema(
        [
            ("id", pa.int32()),
            ("code", pa.string()),
            ("amount", pa.decimal128(9, 2)),
            ("share", pa.float64()),
            ("ok", pa.bool_()),
            ("day", pa.date32()),
            ("at", pa.timestamp("us", "UTC")),
            ("note", pa.string()),
        ]
    )
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(RECORDS, schema=schema), file)
    return file.getvalue()


FORMATS: dict[str, Callable[[], bytes]] = {
    "csv": lambda: delimited(","),
    "tsv": lambda: delimited("\t"),
    "semicolon": lambda: delimited(";"),
    "pipe": lambda: delimited("|"),
    "crlf": lambda: delimited(",", "\r\n"),
    "bom": lambda: b"\xef\xbb\xbf" + delimited(","),
    "utf-16-le": lambda: b"\xff\xfe" + delimited(",").decode().encode("utf-16-le"),
    "utf-16-be": lambda: b"\xfe\xff" + delimited(";").decode().encode("utf-16-be"),
    "array": lambda: json.dumps(json_records()).encode(),
    "pretty array": lambda: json.dumps(json_records(), indent=2, ensure_ascii=False).encode(),
    "ndjson": ndjson,
    "ndjson crlf": lambda: ndjson().replace(b"\n", b"\r\n"),
    "ndjson bom": lambda: b"\xef\xbb\xbf" + ndjson(),
    "ndjson utf-16": lambda: ndjson().decode().encode("utf-16"),
    "parquet": parquet,
}
COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "none": bytes,
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("form", FORMATS)
def test_every_format_gives_the_same_rows(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, form: str, compression: str
) -> None:
    found = parse(connection, tmp_path, COMPRESSIONS[compression](FORMATS[form]()), COLUMNS)
    assert found.rejects == []
    assert found.rows == ROWS
    assert found.document.dialect["compression"] == compression
    assert found.document.nulls == {name: 1 for name in COLUMNS if name not in {"id", "note"}}


@pytest.mark.parametrize("form", ["csv", "ndjson", "parquet"])
def test_columns_are_matched_by_name_whatever_their_order_and_case(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, form: str
) -> None:
    turned = {name.upper(): kind for name, kind in reversed(COLUMNS.items())}
    found = parse(connection, tmp_path, FORMATS[form](), turned)
    assert found.rows == [tuple(reversed(row)) for row in ROWS]
    assert found.document.missing == found.document.unknown == ()


def test_case_decides_between_two_columns(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    data = b'{"Name": "upper", "name": "lower"}\n'
    assert parse(connection, tmp_path, data, {"name": "string"}).rows == [("lower",)]
    assert parse(connection, tmp_path, data, {"Name": "string"}).rows == [("upper",)]


def test_columns_that_lack_or_are_new_are_told(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    found = parse(connection, tmp_path, b"a,new\n1,x\n", {"a": "int64", "gone": "string"})
    assert found.rows == [(1,)]
    assert (found.document.missing, found.document.unknown) == (("gone",), ("new",))


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_quoted_newline_that_comes_late_ends_no_record(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, line_end: str
) -> None:
    plain = [f"{n},plain" for n in range(30_000)]
    data = line_end.join(["id,note", *plain, '30000,"x\ny, ""z"""', "30001,end", ""])
    found = parse(connection, tmp_path, data.encode(), {"id": "int64", "note": "string"})
    assert found.rejects == []
    assert found.rows[-3:] == [(29_999, "plain"), (30_000, 'x\ny, "z"'), (30_001, "end")]
    assert len(found.rows) == 30_002


@pytest.mark.parametrize(
    ("data", "columns", "rows"),
    [
        (b"1,x\n2,y\n", {"column_1": "int64", "column_2": "string"}, [(1, "x"), (2, "y")]),
        (b"a,b\n\n1,x\n\n\n2,y\n\n", {"a": "int64", "b": "string"}, [(1, "x"), (2, "y")]),
        (b"\n\na,b\n1,x\n", {"a": "string", "b": "string"}, [("1", "x")]),
        (b"\r\na,b\r\n1,x\r\n", {"a": "string", "b": "string"}, [("1", "x")]),
        (b"a\n1\n\n2\n", {"a": "int64"}, [(1,), (None,), (2,)]),
        (b'a\n"x\ny"\n"z"\n', {"a": "string"}, [("x\ny",), ("z",)]),
        (b"a,a,A,\n1,2,3,4\n", {"a": "int64", "a_2": "int64", "A_3": "int64", "column_4": "int64"}, [(1, 2, 3, 4)]),
        (b"a,b\r1,x\r2,y\r", {"a": "int64", "b": "string"}, [(1, "x"), (2, "y")]),
        (b"a,b\n1,x\n2,y", {"a": "int64", "b": "string"}, [(1, "x"), (2, "y")]),
        (b'a,b\n1,""\n2,\n', {"a": "int64", "b": "string"}, [(1, ""), (2, None)]),
        (b'\xef\xbb\xbf"a,1",b\n1,x\n', {"a,1": "int64", "b": "string"}, [(1, "x")]),
        (b'a,b\n1,y"z\n', {"a": "int64", "b": "string"}, [(1, 'y"z')]),
        (b'a;b\n1,5;"x;y"\n', {"a": "string", "b": "string"}, [("1,5", "x;y")]),
        (b"a,b\n", {"a": "int64", "b": "string"}, []),
    ],
    ids=str,
)  # fmt: skip
def test_ways_to_write_a_table(
    connection: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    data: bytes,
    columns: dict[str, str],
    rows: list[tuple[Any, ...]],
) -> None:
    found = parse(connection, tmp_path, data, columns)
    assert found.document.error is None
    assert found.rows == rows
    assert found.rejects == []


ODD_NAMES = [
    "_source", "_month", "_time", "_raw", "_t0", "_t1", "_broken", "file_row_number", "filename", "json", "texts",
    "c0", "select", "from", "order", "a b", 'a"b', "a'b", "été", "日本", "a.b", "a/b", "a~b", "$x", "%s", "{x}",
    "failing", "ordinal", "rowid",
]  # fmt: skip


@pytest.mark.parametrize("form", ["csv", "ndjson", "parquet"])
@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_column_may_have_any_name(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, name: str, form: str
) -> None:
    """Two months, so that the rows are sorted, and a misfit, so that it is explained."""
    ours = f"{name}_" if name in RESERVED_COLUMNS else name
    values = [("1", "2026-01-05"), ("2", "2026-02-05"), ("x", "2026-01-06")]
    if form == "csv":
        text = io.StringIO(newline="")
        csv.writer(text).writerows([(name, "day"), *values])
        data = text.getvalue().encode()
    elif form == "ndjson":
        data = "\n".join(json.dumps({name: value, "day": day}) for value, day in values).encode()
    else:
        file = io.BytesIO()
        pq.write_table(pa.Table.from_pylist([{name: value, "day": day} for value, day in values]), file)
        data = file.getvalue()
    raw = tmp_path / "raw"
    raw.write_bytes(data)
    columns = (
        Column(ours, ColumnType.parse("int64"), name),
        Column("day", ColumnType.parse("date"), "day"),
    )
    contract = Contract("sales", columns, record_time="day")
    outcome = parse_file(
        connection, ParseJob("parsed", "landed", NAME, "0" * 64, raw, None, contract), tmp_path
    )
    assert outcome.document.error is None
    assert dict(outcome.document.months) == {"2026-01": 1, "2026-02": 1}
    assert (outcome.document.records, outcome.document.rejected) == (3, 1)
    quoted = ours.replace('"', '""')
    found = connection.execute(f"SELECT \"{quoted}\" FROM read_parquet('{outcome.data}')").fetchall()
    assert found == [(1,), (2,)]
    [(column, reason)] = connection.execute(
        f"SELECT \"column\", reason FROM read_parquet('{outcome.rejects}')"
    ).fetchall()
    assert (column, reason) == (ours, "not an integer of 64 bits")


def test_three_hundred_columns(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """Also a matter of time: one bad value in each took a minute once."""
    names = [f"m{n}" for n in range(300)]
    lines = [names, *([str(row * 300 + n) for n in range(300)] for row in range(5)), ["x"] * 300]
    data = "\n".join(",".join(line) for line in lines).encode()
    found = parse(connection, tmp_path, data, dict.fromkeys(names, "int64"))
    assert found.rows == [tuple(range(row * 300, row * 300 + 300)) for row in range(5)]
    assert [(r["line"], r["column"]) for r in found.rejects] == [(7, "m0")]


def test_a_record_of_many_megabytes_is_read(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    data = b'{"a":1}\n{"a":2,"b":"' + b"y" * 3_000_000 + b'"}\n{"a":3}\n'
    assert parse(connection, tmp_path, data, {"a": "int64"}).rows == [(1,), (2,), (3,)]


@pytest.mark.parametrize("wrap", ["{}\n", "[{}]"], ids=["ndjson", "array"])
@pytest.mark.parametrize(
    ("number", "kind", "value"),
    [
        ("123456789012345678901234567890", "decimal(38,0)", Decimal(123456789012345678901234567890)),
        ("0.12345678901234567891", "decimal(38,20)", Decimal("0.12345678901234567891")),
        ("12345678901234567.25", "decimal(38,2)", Decimal("12345678901234567.25")),
        ("1234567.89", "decimal(18,2)", Decimal("1234567.89")),
        ("1.10", "string", "1.10"),
        ("1e5", "string", "1e5"),
        ("-0.0", "float64", 0.0),
        ("9223372036854775807", "int64", 2**63 - 1),
    ],
)
def test_json_numbers_keep_their_digits(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, wrap: str, number: str, kind: str, value: object
) -> None:
    data = wrap.replace("{}", f'{{"a": {number}}}').encode()
    assert parse(connection, tmp_path, data, {"a": kind}).rows == [(value,)]


def test_an_empty_json_array_holds_no_records(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """Like a CSV file that has a header alone."""
    found = parse(connection, tmp_path, b"[]", {"a": "int64"})
    assert found.document.records == 0
