"""Bad records become rejects with their place, good ones stay, types are inferred from real files."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from quarterlake.domain.errors import MisreadError
from quarterlake.processing.contracts import infer
from quarterlake.processing.faults import reading
from tests.integration.conftest import LakeTarget
from tests.integration.lakes import Scene
from tests.integration.test_formats import NAME, Parsed, opened_connection, parse

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from quarterlake.domain.contract import Contract

__all__ = ["opened_connection"]

AB = {"a": "int64", "b": "string"}
AT = {"a": "int64", "t": "timestamp"}
BEYOND_FIELDS = "text after a closing quote, or a quote that is never closed"
NO_INTEGER = "not an integer of 64 bits"


def only_reject(found: Parsed, data: bytes) -> dict[str, Any]:
    """The one reject, whose place was looked up in the file's bytes."""
    [reject] = found.rejects
    offset, raw = reject["byte_offset"], reject["raw"]
    assert reject["line"] == 1 + data[:offset].count(b"\n")
    plain = data[offset : offset + len(raw.encode())].decode(errors="replace")
    assert raw[:10] == plain[: len(raw)][:10]
    assert dict(found.document.reject_counts) == {reject["reason"]: 1}
    return reject


@pytest.mark.parametrize(
    ("bad", "column", "reason"),
    [
        (b"x,2", "a", NO_INTEGER),
        (b"007,2", "a", NO_INTEGER),
        (b"3.7,2", "a", NO_INTEGER),
        (b"9223372036854775808,2", "a", NO_INTEGER),
        (b'"two\nlines",2', "a", NO_INTEGER),
        (b"2,y,z", None, "more fields than the header"),
        (b"2,y,z,w,v", None, "more fields than the header"),
        (b"2", None, "fewer fields than the header"),
        (b'2,"y"z', None, BEYOND_FIELDS),
        (b"2,\xffy", None, "not UTF-8"),
        (b"2\xff,y", None, "not UTF-8"),
        pytest.param(
            b"2," + b"y" * 3_000_000, None, "a record longer than the reader's limit", id="too long"
        ),
    ],
)
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"], ids=["lf", "crlf"])
def test_a_bad_record_is_one_reject_with_its_place(
    connection: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    bad: bytes,
    column: str | None,
    reason: str,
    line_end: bytes,
) -> None:
    data = line_end.join([b"a,b", b"1,x", b'5,"p', b'q"', bad, b"3,w", b""])
    data = data.replace(b'5,"p' + line_end, b'5,"p\n')
    found = parse(connection, tmp_path, data, AB)
    assert found.rows == [(1, "x"), (5, "p\nq"), (3, "w")]
    reject = only_reject(found, data)
    assert (reject["line"], reject["byte_offset"]) == (5, data.index(bad + line_end))
    assert (reject["column"], reject["reason"]) == (column, reason)
    assert reject["raw"][:1] == bad[:1].decode()


def test_a_quote_that_is_never_closed_spoils_its_own_line_only(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    data = b'a,b\n1,x\n2,"y\n3,w\n'
    found = parse(connection, tmp_path, data, AB)
    assert found.rows == [(1, "x"), (3, "w")]
    reject = only_reject(found, data)
    assert (reject["line"], reject["byte_offset"], reject["reason"]) == (3, 8, BEYOND_FIELDS)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "no record time"),
        ("NA", "no record time"),
        ("0000-01-01T00:00:00Z", "the record time is not in the years 1 to 9998"),
        ("9999-12-31T23:59:59Z", "the record time is not in the years 1 to 9998"),
        ("10000-01-01T00:00:00Z", "not a timestamp (ISO 8601, to the microsecond)"),
        ("infinity", "not a timestamp (ISO 8601, to the microsecond)"),
        ("soon", "not a timestamp (ISO 8601, to the microsecond)"),
    ],
)
def test_a_record_without_a_usable_time_is_rejected(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, value: str, reason: str
) -> None:
    data = f"a,t\n1,2026-01-05 10:00:00\n2,{value}\n3,2026-02-05T10:00:00+02:00\n".encode()
    found = parse(connection, tmp_path, data, AT, time="t")
    assert dict(found.document.months) == {"2026-01": 1, "2026-02": 1}
    reject = only_reject(found, data)
    assert (reject["line"], reject["column"]) == (3, "t")
    assert reject["reason"] == reason
    assert reject["raw"] == f"2,{value}"


@pytest.mark.parametrize(
    ("bad", "column", "reason"),
    [
        (b'{"a": 2, "b":', None, "not a JSON object"),
        (b"[1, 2]", None, "not a JSON object"),
        (b"7", None, "not a JSON object"),
        (b"null", None, "not a JSON object"),
        (b'{"a": 5, "b": "\xff"}', None, "not a JSON object"),
        (b'{"a": "x", "b": "y"}', "a", NO_INTEGER),
        (b'{"a": {"c": 1}}', "a", NO_INTEGER),
        (b'{"a": 2} more', None, "not a JSON object"),
    ],
)
def test_a_bad_line_of_json_is_one_reject_with_its_place(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, bad: bytes, column: str | None, reason: str
) -> None:
    data = b'{"a": 1, "b": "x"}\n\n' + bad + b'\n{"b": "w", "a": 3}\n'
    found = parse(connection, tmp_path, data, AB)
    assert found.rows == [(1, "x"), (3, "w")]
    reject = only_reject(found, data)
    assert (reject["line"], reject["byte_offset"]) == (3, data.index(bad))
    assert (reject["column"], reject["reason"]) == (column, reason)


@pytest.mark.parametrize(
    ("bad", "shown"), [("7", "7"), ("null", "null"), ('{"a": "x"}', "x"), ("[1]", "[1]")]
)
def test_a_bad_element_of_an_array_is_one_reject(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, bad: str, shown: str
) -> None:
    data = f'[{{"a": 1, "b": "x"}}, {bad}, {{"a": 3, "b": "w"}}]'.encode()
    found = parse(connection, tmp_path, data, AB)
    assert found.rows == [(1, "x"), (3, "w")]
    [reject] = found.rejects
    assert shown in reject["raw"]


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        (b"a,b\n1,x\r\n2,y\n3,z\r\n", [(1, "x"), (2, "y"), (3, "z")]),
        (b"a,b\r1,x\n2,y\r", [(1, "x"), (2, "y")]),
        (b"a,b\n" + b"1,x\n" * 50_000 + b"2,y\r\n3,z\n", [(1, "x")] * 50_000 + [(2, "y"), (3, "z")]),
        (b"a,b\n1,x\ry\n2,z\n", [(1, "x\ry"), (2, "z")]),
    ],
    ids=["crlf", "cr", "late", "bare cr"],
)
def test_mixed_line_ends_are_read(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, data: bytes, rows: list[tuple[int, str]]
) -> None:
    assert parse(connection, tmp_path, data, AB).rows == rows


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"c,d\n1,2\n", "has none of the columns"),
        (b"7,confidential\n8,private\n", "has none of the columns"),
        (b'"a"x,b\n1,x\n', ""),
        (b"", "is empty"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_by_name(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, data: bytes, said: str
) -> None:
    found = parse(connection, tmp_path, data, AB)
    error = found.document.error or ""
    assert NAME in error
    assert said in error
    assert str(tmp_path) not in error, "a path of the scratch folder says nothing to the user"
    assert "confidential" not in error, "without a header the first record is read as one"
    assert found.document.records == 0


def test_an_error_of_the_engine_quotes_no_value(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    place = tmp_path / "1.json"
    place.write_text('{"a": 1}\n{"a": 2 confidential}\n')
    for query in (
        "SELECT CAST('O''Brien confidential' AS INTEGER)",
        "SELECT CAST('confidential \"x\"' AS DATE)",
        f"SELECT * FROM read_json('{place}', format = 'newline_delimited')",
    ):
        with pytest.raises(MisreadError) as refused, reading(NAME, place):
            connection.execute(query).fetchall()
        assert str(refused.value).startswith(f"{NAME} cannot be read: ")
        assert "confidential" not in str(refused.value)
    assert f"Malformed JSON in file {NAME}, at byte" in str(refused.value)


def test_a_file_without_the_record_time_is_refused(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    found = parse(connection, tmp_path, b"a,b\n1,x\n", AT, time="t")
    assert "lacks the column t" in (found.document.error or "")


DAMAGE = st.sampled_from(
    [
        b'"',
        b"\n",
        b",",
        b"\xff",
        b"\r\n",
        b"\r",
        b"x",
        b"",
        b'""',
        b'"x',
        b"\\",
        b"\x00",
        b" ",
        b"\n\n",
        b'"z,',
    ]
)


@settings(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 1 << 30),
    damage=st.lists(st.tuples(st.floats(0, 1), DAMAGE, st.integers(0, 3)), max_size=4),
    form=st.sampled_from(["csv", "crlf", "ndjson", "array"]),
)
@example(seed=0, damage=[(0.99, b'"', 0)], form="csv")
def test_damaged_files_balance_or_are_refused_by_name(
    connection: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    seed: int,
    damage: list[tuple[float, bytes, int]],
    form: str,
) -> None:
    data = table(random.Random(seed), form)  # noqa: S311
    for share, text, cut in damage:
        place = round(share * len(data))
        data = data[:place] + text + data[place + cut :]
    found = parse(connection, tmp_path, data, {"a": "int64", "b": "string", "c": "date"})
    if found.document.error is not None:
        assert NAME in found.document.error
        return
    for reject in found.rejects:
        if reject["byte_offset"] is not None:
            start = data[reject["byte_offset"] :][:1]
            assert start.decode(errors="replace") == reject["raw"][:1] or start > b"\x7f"
            lines = data[: reject["byte_offset"]].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            assert reject["line"] == 1 + lines.count(b"\n")


def table(chance: random.Random, form: str) -> bytes:
    """A small table of numbers, text that needs quotes, and dates."""
    rows = [
        (n, chance.choice(["x", "a,b", 'q"q', "two\nlines", "é", ""]), f"2026-01-{1 + n % 28:02d}")
        for n in range(chance.randrange(1, 9))
    ]
    if form in {"csv", "crlf"}:
        end = "\n" if form == "csv" else "\r\n"
        cells = [(n, '"' + text.replace('"', '""') + '"', day) for n, text, day in rows]
        return end.join(["a,b,c", *(",".join(map(str, row)) for row in cells), ""]).encode()
    records = [
        '{"a": %d, "b": "%s", "c": "%s"}' % (n, text.replace('"', '\\"').replace("\n", "\\n"), day)  # noqa: UP031
        for n, text, day in rows
    ]
    return ("\n".join(records) if form == "ndjson" else "[" + ", ".join(records) + "]").encode()


# --- what inference makes of real files ---------------------------------------------------------------------------


def inferred(folder: Path, files: dict[str, bytes], dataset: str = "sales") -> Contract:
    """The contract that a folder of files gives."""
    scene = Scene(folder, LakeTarget(str(folder / "lake")), dataset)
    for name, data in files.items():
        scene.put(name, data)
    with scene.pipeline() as pipeline:
        pipeline.ingest(scene.source)
        contract = infer(pipeline.parsing, dataset, pipeline.landings(dataset))
    assert contract is not None
    return contract


def types(contract: Contract) -> dict[str, str]:
    return {column.name: str(column.type) for column in contract.columns}


def test_types_are_those_that_every_value_survives(tmp_path: Path) -> None:
    header = "zero,big,long,price,day,local,zoned,flag,gaps,nothing,sci,mixed,_source"
    rows = [
        f"0{n},{10**20 + n},{(n + 1) / 7!r},{n}.50,2026-01-{n + 10},2026-01-{n + 10} 10:00:00,"
        f"2026-01-{n + 10}T10:00:00+02:00,{'true' if n % 2 else 'false'},{n if n % 3 else 'NA'},,{n}e3,{n if n % 2 else 'x'},s"
        for n in range(10)
    ]
    contract = inferred(tmp_path, {"sales_2026-01.csv": "\n".join([header, *rows, ""]).encode()})
    assert types(contract) == {
        "zero": "string",
        "big": "decimal(38,0)",
        "long": "float64",
        "price": "decimal(18,2)",
        "day": "date",
        "local": "timestamp",
        "zoned": "timestamp",
        "flag": "boolean",
        "gaps": "int64",
        "nothing": "null",
        "sci": "int64",
        "mixed": "string",
        "_source_": "string",
    }
    assert {c.name for c in contract.columns if c.nullable} == {"gaps", "nothing"}


def test_a_line_item_is_placed_by_the_date_that_its_files_name_gives(tmp_path: Path) -> None:
    def month(number: int) -> bytes:
        lines = ["orderkey,shipdate,commitdate,receiptdate,birth_date,flag"]
        lines += [
            f"{number * 1000 + n},2026-{number:02d}-{1 + n % 28:02d},2026-{number + n % 2:02d}-{1 + n % 27:02d},"
            f"2026-{number + (n % 28 > 20):02d}-{1 + (n + 7) % 28:02d},19{50 + n % 40}-{number:02d}-11,{'AR'[n % 2]}"
            for n in range(100)
        ]
        return "\n".join(lines).encode()

    contract = inferred(tmp_path, {f"sales_2026-{m:02d}.csv": month(m) for m in (1, 2, 3)})
    assert contract.record_time == "shipdate"
    assert types(contract)["birth_date"] == "date"
    assert contract.dimensions == ("flag",)


def test_a_birth_date_is_not_the_record_time(tmp_path: Path) -> None:
    lines = ["id,birth_date", *(f"{n},19{50 + n % 40}-01-11" for n in range(60))]
    contract = inferred(tmp_path, {"sales_2026-01.csv": "\n".join(lines).encode()})
    assert contract.record_time is None
    assert contract.key == ("id",)


def test_key_and_dimensions_are_found(tmp_path: Path) -> None:
    lines = ["sale_id,store,note,sold_at"]
    lines += [f"s{n},{'ABC'[n % 3]},note {n},2026-01-{1 + n % 28:02d}T10:00:00Z" for n in range(300)]
    contract = inferred(tmp_path, {"sales_2026-01.csv": "\n".join(lines).encode()})
    assert (contract.key, contract.record_time) == (("sale_id",), "sold_at")
    assert contract.dimensions == ("store",)
    assert not any(column.nullable for column in contract.columns)


@pytest.mark.parametrize(
    ("late", "kind"),
    [
        ("0042", "string"),
        ("9223372036854775808", "decimal(38,0)"),
        ("1.25", "decimal(38,2)"),
        ("1e5", "int64"),
        ("1.25e+07", "int64"),
        ("1e-5", "float64"),
        ("1.23457E+12", "float64"),
        ("1e19", "float64"),
        ("x", "int64"),
    ],
)
def test_a_value_that_comes_late_in_a_file_decides_too(tmp_path: Path, late: str, kind: str) -> None:
    lines = ["v,day", *(f"{n},2026-01-05" for n in range(20_000)), f"{late},2026-01-06", ""]
    contract = inferred(tmp_path, {"sales_2026-01.csv": "\n".join(lines).encode()})
    found = types(contract)["v"]
    assert found == kind or (kind == "decimal(38,2)" and found == "decimal(18,2)")


def test_what_is_inferred_does_not_depend_on_the_format(tmp_path: Path) -> None:
    rows = [f'{{"id": "{n:03d}", "v": {n}, "w": {n}.25, "at": "2026-01-05T10:00:00Z"}}' for n in range(50)]
    text = ["id,v,w,at", *(f"{n:03d},{n},{n}.25,2026-01-05T10:00:00Z" for n in range(50))]
    one = inferred(tmp_path / "json", {"sales_2026-01.ndjson": "\n".join(rows).encode()})
    array = inferred(tmp_path / "array", {"sales_2026-01.json": f"[{','.join(rows)}]".encode()})
    other = inferred(tmp_path / "csv", {"sales_2026-01.csv": "\n".join(text).encode()})
    assert types(one) == types(array) == types(other)
    assert one.key == array.key == other.key == ("id",)
