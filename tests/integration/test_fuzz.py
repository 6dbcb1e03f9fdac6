"""Whatever bytes come: no crash, no hang, the ledger balances, and what is rejected is where the reject says it is."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.integration.test_formats import NAME, Parsed, opened_connection, parse

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import duckdb

__all__ = ["opened_connection"]

COLUMNS = {"a": "int64", "b": "string", "c": "date"}
QUICK: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}

BITS = [
    *(
        b"a",
        b"1",
        b"2026-01-05",
        b"x y",
        b"\xc3\xa9",
        b"\xe9",
        b"\xff",
        b"\x00",
        b"#",
        b"TOTAL",
        b"sep=;",
        b"NA",
    ),
    *(b",", b";", b"\t", b"|", b" ", b'"', b"'", b"\\", b'""', b'\\"', b"{", b"[", b"}", b"]", b":"),
    *(b"\n", b"\r\n", b"\r", b"\n\n", b"a,b,c\n", b"1,x,2026-01-05\n", b",,\n", b'1,"x\ny",2026-01-05\n'),
]
SOUP = st.lists(st.sampled_from(BITS), max_size=60).map(b"".join)
DAMAGE = st.sampled_from([*BITS, b"", b'"x', b'"z,', b"\r\n\r\n", b"a;b;c\n", b"b,c,d\n4,5,6\n"])


def balanced(found: Parsed, data: bytes, encoding: str | None = None) -> None:
    """`parse` sees that the counts add up; here are the places."""
    if found.document.error is not None:
        assert NAME in found.document.error
        assert "counted in its bytes" not in found.document.error, "refused because the two counts differ"
        return
    for reject in found.rejects:
        if reject["byte_offset"] is None or not reject["raw"] or encoding is not None:
            continue
        start = data[reject["byte_offset"] :]
        assert start[:1].decode(errors="replace") == reject["raw"][:1] or start[:1] > b"\x7f"


@settings(max_examples=100, **QUICK)
@given(data=SOUP)
@example(data=b"a,b,c\n\n\n1,x,2026-01-05\n,,\n\nd,e\n1,2\n3,4\n")
@example(data=b"'a','b'\r'1','x''y'\r'2','z'x\r")
def test_a_soup_of_what_files_are_made_of(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, data: bytes
) -> None:
    balanced(parse(connection, tmp_path, data, COLUMNS), data, "any")


@settings(max_examples=60, **QUICK)
@given(data=st.binary(max_size=300))
def test_any_bytes(connection: duckdb.DuckDBPyConnection, tmp_path: Path, data: bytes) -> None:
    balanced(parse(connection, tmp_path, data, COLUMNS), data, "any")


@settings(max_examples=100, **QUICK)
@given(
    seed=st.integers(0, 1 << 30),
    form=st.sampled_from(
        [(",", '"', '"'), (";", '"', '"'), ("\t", "'", "'"), ("|", '"', "\\"), (" ", '"', '"')]
    ),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    around=st.tuples(
        st.sampled_from(["", "Report\n\n", "# one\n# two\n", "\n\n"]),
        st.sampled_from(["", "\n", "TOTAL;9\n", "\nd,e\n1,2\n3,4\n", "a,b,c\n"]),
    ),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1", "utf-32-le"]),
    damage=st.lists(st.tuples(st.floats(0, 1), DAMAGE, st.integers(0, 3)), max_size=3),
)
def test_damaged_tables_of_every_form(
    connection: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    seed: int,
    form: tuple[str, str, str],
    end: str,
    around: tuple[str, str],
    encoding: str,
    damage: list[tuple[float, bytes, int]],
) -> None:
    text = around[0] + table(random.Random(seed), *form) + around[1]  # noqa: S311
    data = text.replace("\n", end).encode(encoding)
    for share, piece, gone in damage:
        place = round(share * len(data))
        data = data[:place] + piece + data[place + gone :]
    balanced(
        parse(connection, tmp_path, data, COLUMNS), data, None if encoding.startswith("utf-8") else encoding
    )


JSON_FORMS: list[Callable[[list[Any]], str]] = [
    json.dumps,
    lambda records: json.dumps(records, indent=2),
    lambda records: "".join(map(json.dumps, records)),
    lambda records: "\n".join(json.dumps(record, indent=1) for record in records),
    lambda records: "[\n" + ",\n".join(map(json.dumps, records)) + "\n]",
    lambda records: "\n".join(map(json.dumps, records)),
    lambda records: json.dumps({"data": records, "next": None}),
    lambda records: json.dumps({"data": records, "count": len(records)}, indent=2),
]
JSON_DAMAGE = st.sampled_from(
    [b"", b"{", b"}", b"[", b"]", b'"', b",", b":", b"\\", b"\n", b'{"a": 1}', b"}, {", b"x", b"]}", b"\xff"]
)


@settings(max_examples=200, **QUICK)
@given(
    form=st.sampled_from(JSON_FORMS),
    count=st.integers(1, 6),
    nested=st.booleans(),
    damage=st.lists(st.tuples(st.floats(0, 1), JSON_DAMAGE, st.integers(0, 4)), min_size=1, max_size=3),
    cut=st.floats(0, 1) | st.none(),
)
def test_damaged_json_of_every_form(
    connection: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    form: Callable[[list[Any]], str],
    count: int,
    damage: list[tuple[float, bytes, int]],
    cut: float | None,
    *,
    nested: bool,
) -> None:
    records: list[Any] = [{"a": n, "b": f"x {n}", "c": "2026-01-05"} for n in range(count)]
    if nested:
        records = [{**record, "of": [{"a": 1}, {"a": 2}]} for record in records]
    data = form(records).encode()
    for share, piece, gone in damage:
        place = round(share * len(data))
        data = data[:place] + piece + data[place + gone :]
    data = data[: round(cut * len(data))] if cut is not None else data
    balanced(parse(connection, tmp_path, data, COLUMNS), data)


def table(chance: random.Random, delimiter: str, quote: str, escape: str) -> str:
    """A small table of numbers, text that needs quotes, and dates."""
    lines = [delimiter.join("abc")]
    for n in range(chance.randrange(0, 9)):
        text = chance.choice(["x", f"a{delimiter}b", f"q{quote}q", "two\nlines", "é", "", "NA", "\\"])
        written = quote + text.replace(quote, escape + quote) + quote
        lines.append(delimiter.join([str(n), written if text != "x" else text, f"2026-01-{1 + n:02d}"]))
    return "\n".join([*lines, ""])
