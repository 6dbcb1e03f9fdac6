"""Casts and evidence, on a real DuckDB, against what Python's own exact numbers say."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from quarterlake.domain.column_types import (
    BOOLEAN,
    DATE,
    FLOAT64,
    INT64,
    NULL,
    STRING,
    TIMESTAMP,
    ColumnType,
    Kind,
    casts_exactly,
)
from quarterlake.domain.inference import DOUBLE_DIGITS, EXACT_DOUBLE_DIGITS, NULL_TOKENS, Evidence, infer_type
from quarterlake.processing.casts import cast_text, misfits, reason_for, stored
from quarterlake.processing.evidence import count_forms
from quarterlake.processing.sql import type_name

if TYPE_CHECKING:
    from collections.abc import Iterator


def decimal(precision: int, scale: int) -> ColumnType:
    return ColumnType(Kind.DECIMAL, precision, scale)


DECIMALS = [decimal(18, 0), decimal(18, 2), decimal(38, 0), decimal(38, 10), decimal(38, 38)]
TYPES = [NULL, BOOLEAN, INT64, FLOAT64, DATE, TIMESTAMP, STRING, *DECIMALS]
LEADING_ZERO = re.compile(r"\s*[+-]?0[0-9]+\s*")
NUMBER = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*", re.ASCII)

NUMERALS = st.one_of(
    st.from_regex(r"[+-]?(0|[1-9][0-9]{0,24})", fullmatch=True),
    st.from_regex(r"[+-]?0[0-9]{1,4}", fullmatch=True),
    st.from_regex(r"[+-]?[0-9]{0,20}\.[0-9]{0,20}", fullmatch=True),
    st.from_regex(r"[+-]?[0-9]{1,3}(\.[0-9]{0,3})?[eE][+-]?[0-9]{1,3}", fullmatch=True),
    st.integers(-(2**64), 2**64).map(str),
    st.floats().map(repr),
    st.decimals(-1000, 1000, places=2).map(str),
)
TIMES = st.one_of(
    st.dates().map(str),
    st.datetimes().map(str),
    st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
    st.from_regex(
        r"20[0-9]{2}-[0-3][0-9]-[0-3][0-9]([T ][0-2][0-9]:[0-6][0-9](:[0-6][0-9])?)?", fullmatch=True
    ),
    st.from_regex(r"2026-07-01[T ]10:00:00\.[0-9]{1,7} ?(Z|UTC|[+-]0[0-9]:?(00|30))?", fullmatch=True),
)
ODD = st.sampled_from(
    [
        *NULL_TOKENS,
        "true",
        "False",
        "TRUE",
        "tRuE",
        "t",
        "yes",
        "nan",
        "inf",
        "Infinity",
        "0x10",
        "1_000",
        "1,5",
        "7 ",
        " 7",
        "\t7",
        "\u0667",
        "epoch",
    ]
)
PADDED = st.builds("{}{}{}".format, st.sampled_from(["", " "]), NUMERALS | TIMES, st.sampled_from(["", " "]))
TEXTS = NUMERALS | TIMES | ODD | PADDED | st.text(max_size=6) | st.text("0123456789+-.eE_ ", max_size=8)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        opened.execute("SET TimeZone = 'UTC'")
        yield opened


def evaluate(connection: duckdb.DuckDBPyConnection, expression: str, text: str | None) -> object:
    """The value of an expression over `t`, a text."""
    found = connection.execute(f"SELECT {expression} FROM (SELECT ?::VARCHAR AS t)", [text]).fetchone()
    assert found is not None
    return found[0]


def cast(connection: duckdb.DuckDBPyConnection, text: str | None, kind: ColumnType) -> object:
    expression = cast_text("t", kind)
    if kind.kind in {Kind.DATE, Kind.TIMESTAMP}:
        expression = f"CAST({expression} AS VARCHAR)"
    return evaluate(connection, expression, text)


# What a cast may give.


@settings(deadline=None)
@given(text=TEXTS)
def test_an_integer_is_the_text_or_nothing(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    found = cast(connection, text, INT64)
    if found is not None:
        assert NUMBER.fullmatch(text)
        assert not LEADING_ZERO.fullmatch(text)
        assert found == Decimal(text.strip(" \t\n\r\x0b\x0c"))


@settings(deadline=None)
@given(text=TEXTS, kind=st.sampled_from(DECIMALS))
@example(text="-007", kind=decimal(18, 2))
@example(text=" 007", kind=decimal(18, 2))
@example(text="1_000", kind=decimal(18, 2))
def test_a_decimal_is_the_text_or_nothing(
    connection: duckdb.DuckDBPyConnection, text: str, kind: ColumnType
) -> None:
    found = cast(connection, text, kind)
    if found is not None:
        assert NUMBER.fullmatch(text)
        assert not LEADING_ZERO.fullmatch(text)
        assert "e" not in text.lower() or is_integer(text.strip())
        assert found == Decimal(text.strip())


@settings(deadline=None)
@given(text=TEXTS)
@example(text="9" * 40)
@example(text="1e400")
@example(text="007")
@example(text="1_000")
def test_a_double_is_the_nearest_to_the_text_or_nothing(
    connection: duckdb.DuckDBPyConnection, text: str
) -> None:
    found = cast(connection, text, FLOAT64)
    if found is None:
        return
    assert isinstance(found, float)
    assert not LEADING_ZERO.fullmatch(text)
    if math.isfinite(Decimal(text.strip())):
        assert NUMBER.fullmatch(text)
        assert math.isfinite(found)
        assert found == float(text)
        if re.fullmatch(r"[+-]?[0-9]+", text):
            assert int(found) == int(text)
    else:
        assert not math.isfinite(found)


@settings(deadline=None)
@given(text=TEXTS)
@example(text="epoch")
@example(text="infinity")
@example(text="26-07-01")
@example(text="1-1-1 (BC)")
def test_a_date_is_written_as_year_month_day(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    found = cast(connection, text, DATE)
    if found is not None:
        year, month, day = re.split("[-/]", text.strip())
        assert len(year) == 4
        assert found == str(date(int(year), int(month), int(day)))


@settings(deadline=None)
@given(moment=st.datetimes())
def test_a_timestamp_is_the_texts_instant(connection: duckdb.DuckDBPyConnection, moment: datetime) -> None:
    for text in (moment.isoformat(), str(moment), f"{moment.isoformat()}Z", f"{moment} UTC"):
        found = evaluate(connection, f"make_timestamp(epoch_us({cast_text('t', TIMESTAMP)}))", text)
        assert found == moment


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-07-01", "2026-07-01 00:00:00+00"),
        ("2026-07-01T10:00:00+02:00", "2026-07-01 08:00:00+00"),
        ("2026-07-01T10:00:00-0230", "2026-07-01 12:30:00+00"),
        ("2026-07-01 10:00:00.123456+02:00", "2026-07-01 08:00:00.123456+00"),
        ("2026-07-01 10:00:00 +02:00", None),
        ("2026-07-01 10:00:00.1234567", None),
        ("2026-02-30T10:00:00", None),
        ("2026-07-01T25:00:00", None),
        ("epoch", None),
        ("infinity", None),
        ("now", None),
        ("26-07-01 00:00:00", None),
        ("-2026-01-01 00:00:00", None),
    ],
)
def test_timestamps_are_iso_8601_to_the_microsecond(
    connection: duckdb.DuckDBPyConnection, text: str, instant: str | None
) -> None:
    assert cast(connection, text, TIMESTAMP) == instant


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("7", INT64, 7),
        ("+7", INT64, 7),
        ("-9223372036854775808", INT64, -(2**63)),
        ("9223372036854775808", INT64, None),
        ("007", INT64, None),
        ("3.7", INT64, None),
        ("3.0", INT64, None),
        ("1e2", INT64, 100),
        ("1.25E+07", INT64, 12_500_000),
        ("9.223372036854775807e18", INT64, 2**63 - 1),
        ("9.223372036854775808e18", INT64, None),
        ("1.25e1", INT64, None),
        ("1.0e0", INT64, None),
        ("10e-1", INT64, None),
        ("1.23457E+12", INT64, None),
        ("1.23457e+12", INT64, 1_234_570_000_000),
        ("1.23", decimal(18, 2), Decimal("1.23")),
        ("1.239", decimal(18, 2), None),
        ("-.5", decimal(18, 2), Decimal("-0.50")),
        ("0", decimal(18, 2), Decimal(0)),
        ("007", decimal(18, 2), None),
        ("1e2", decimal(18, 2), Decimal(100)),
        ("1e17", decimal(18, 2), None),
        ("1.5e-1", decimal(18, 2), None),
        ("9999999999999999.99", decimal(18, 2), Decimal("9999999999999999.99")),
        ("10000000000000000", decimal(18, 2), None),
        ("1e5", FLOAT64, 1e5),
        ("0.1", FLOAT64, 0.1),
        ("9007199254740992", FLOAT64, 9007199254740992.0),
        ("9007199254740993", FLOAT64, None),
        ("abc", FLOAT64, None),
        ("true", BOOLEAN, True),
        ("FALSE", BOOLEAN, False),
        ("1", BOOLEAN, None),
        ("t", BOOLEAN, None),
        ("2026-07-01", DATE, "2026-07-01"),
        ("2026-02-30", DATE, None),
        ("2026-07-01T00:00:00", DATE, None),
        ("007", STRING, "007"),
        (" NA", STRING, " NA"),
    ],
)
def test_casts(connection: duckdb.DuckDBPyConnection, text: str, kind: ColumnType, value: object) -> None:
    assert cast(connection, text, kind) == value


@settings(deadline=None)
@given(text=st.none() | TEXTS, kind=st.sampled_from(TYPES))
def test_a_value_is_stored_or_missing_or_a_misfit(
    connection: duckdb.DuckDBPyConnection, text: str | None, kind: ColumnType
) -> None:
    value = stored("t", kind)
    condition = misfits(f"({value})", "t", kind)
    is_misfit = condition is not None and evaluate(connection, condition, text)
    is_null = evaluate(connection, f"({value}) IS NULL", text)
    missing = text is None or (text in NULL_TOKENS and kind.kind is not Kind.STRING)
    assert is_null is (missing or bool(is_misfit))
    assert not (missing and is_misfit)


@settings(deadline=None)
@given(text=st.none() | TEXTS, old=st.sampled_from(TYPES), new=st.sampled_from(TYPES))
@example(text="NA", old=NULL, new=STRING)
def test_what_is_kept_under_a_wider_type_equals_a_fresh_parse(
    connection: duckdb.DuckDBPyConnection, text: str | None, old: ColumnType, new: ColumnType
) -> None:
    condition = misfits(f"({stored('t', old)})", "t", old)
    is_reject = condition is not None and evaluate(connection, condition, text)
    if casts_exactly(old, new) and not is_reject:
        kept = f"CAST(CAST({stored('t', old)} AS {type_name(new)}) AS VARCHAR)"
        assert evaluate(connection, kept, text) == evaluate(
            connection, f"CAST({stored('t', new)} AS VARCHAR)", text
        )


@settings(deadline=None)
@given(
    values=st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=6),
    cut=st.lists(st.integers(0, 4), min_size=6, max_size=6),
)
def test_how_an_integer_is_written_decides_neither_its_type_nor_its_value(
    connection: duckdb.DuckDBPyConnection, values: list[int], cut: list[int]
) -> None:
    """Digits, or with an exponent: as long as all of them stand there."""
    written: list[str | None] = [
        str(value)
        if not places
        else f"{'-' * (value < 0)}{Decimal(abs(value)).scaleb(-places):f}e+{places:02d}"
        for value, places in zip(values, cut, strict=False)
    ]
    plainly: list[str | None] = [str(value) for value in values]
    assert infer_type(gather(connection, written)) == infer_type(gather(connection, plainly)) == INT64
    assert [cast(connection, text or "", INT64) for text in written] == values


def test_every_type_says_what_it_is_not() -> None:
    assert reason_for(decimal(18, 2)) == "not a number that decimal(18,2) holds exactly"
    assert all(reason_for(kind).startswith("not ") for kind in TYPES)


# What the evidence says.

FORMS = {
    "integer": re.compile(r"[+-]?(0|[1-9][0-9]*)"),
    "leading_zero": re.compile(r"[+-]?0[0-9]+"),
    "fraction": re.compile(r"[+-]?([0-9]+\.[0-9]*|\.[0-9]+)"),
    "exponent": re.compile(
        r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)[eE][+-]?[0-9]+|[+-]?([nN]a[nN]|[iI]nf|[iI]nfinity)"
    ),
    "boolean": re.compile(r"[tT]rue|[fF]alse|TRUE|FALSE"),
}
CLOCK = re.compile(
    r"[T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6}0{0,6})?)?(Z|\sUTC|[+-]0[0-9]:?(00|30))?"
)


def evidence_by_hand(text: str | None) -> Evidence:
    """What one text says, told by other code than the SQL."""
    if text is None or text in NULL_TOKENS:
        return Evidence(nulls=1)
    value = text.strip(" ")
    counts: dict[str, Any] = {
        form: int(pattern.fullmatch(value) is not None) for form, pattern in FORMS.items()
    }
    if counts["exponent"] and is_integer(value):
        value = str(int(Decimal(value)))
        counts |= {"exponent": 0, "integer": 1}
    digits = re.sub("[^0-9]", "", value)
    if counts["integer"]:
        fits = -(2**63) <= int(value) < 2**63
        counts["integer_digits"] = len(digits) if fits else max(len(digits), 20)
    if counts["fraction"]:
        whole, _, decimals = value.lstrip("+-").partition(".")
        counts |= {"integer_digits": len(whole), "scale": len(decimals)}
        counts["long"] = int(len(digits.lstrip("0")) > 15)
        counts["long_exact"] = counts["long"] and int(repr(float(value)) == value)
    day, clock = value[:10], value[10:]
    if re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", day) and is_day(day):
        counts["date"] = int(not clock)
        counts["timestamp"] = int(CLOCK.fullmatch(clock) is not None)
        counts["local"] = int(counts["timestamp"] and not re.search("Z|UTC|[+-]", clock))
    counts["not_finite"] = int(counts["exponent"] and not re.search("[0-9]", value))
    if counts["integer"] or counts["fraction"] or counts["exponent"]:
        significant = re.sub("[^0-9]", "", value.lower().partition("e")[0]).strip("0")
        counts["beyond"] = int(len(significant) > DOUBLE_DIGITS)
    return Evidence(present=1, **counts)


def is_integer(text: str) -> bool:
    """Whether a number with an exponent is an integer of 64 bits whose digits all stand there."""
    found = re.fullmatch(r"[+-]?(?:0|[1-9][0-9]*)(?:\.([0-9]+))?([eE])(\+?)([0-9]{1,3})", text)
    if found is None or len(found[1] or "") > int(found[4]):
        return False
    if (found[2], found[3], len(found[1] or "")) == ("E", "+", 5) and re.match("[+-]?[0-9][.]", text):
        return False
    return -(2**63) <= int(Decimal(text)) < 2**63


def is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).year > 0
    except ValueError:
        return False


def gather(connection: duckdb.DuckDBPyConnection, texts: list[str | None]) -> Evidence:
    connection.execute("CREATE OR REPLACE TEMP TABLE texts AS SELECT unnest(?::VARCHAR[]) AS t", [texts])
    [evidence] = count_forms(connection, ["t"], "texts")
    return evidence


@settings(deadline=None)
@given(texts=st.lists(st.none() | TEXTS, max_size=8))
@example(texts=["2026-07-01T10:00:00.0000000", "1234567890123456789e-3", "-0.123456789012345678"])
def test_evidence_is_counted_as_by_hand(
    connection: duckdb.DuckDBPyConnection, texts: list[str | None]
) -> None:
    found = replace(gather(connection, texts), formatted=0)
    assert found == sum(map(evidence_by_hand, texts), Evidence())


OUT_OF_RANGE = re.compile(r"\s*[+-]?[0-9.]+[eE][+-]?[0-9]{3}\s*")
"""Some of these are beyond the doubles' range."""
NUMBERS_ALONE = st.lists(
    NUMERALS | PADDED.filter(lambda text: "-" not in text.strip()[1:]), min_size=1, max_size=4
)


@settings(deadline=None)
@given(
    texts=NUMBERS_ALONE
    | st.lists(TIMES, min_size=1, max_size=3)
    | st.lists(st.sampled_from(["true", "False"]), min_size=1)
)
@example(texts=["1.23 "])
@example(texts=["2026-07-01 "])
@example(texts=["0.1234567890123456", "9007199254740993"])
@example(texts=["9" * 38, "0.5"])
@example(texts=["inf", "0.123456789012345678"])
@example(texts=["7", "1e5", "1.5e+3"])
@example(texts=["1E-400"])
def test_a_type_whose_form_all_values_have_rejects_none(
    connection: duckdb.DuckDBPyConnection, texts: list[str | None]
) -> None:
    """The evidence and the casts agree: what counted for a type is cast to it.

    But for numbers among exponents that no double holds, those of more than 17 digits, `1e400` and `1e-400`, and for NaN and infinities among
    fractions that no double holds: these are rejects.
    """
    evidence = gather(connection, texts)
    kind = infer_type(evidence)
    if evidence.exponent and evidence.integer_digits > EXACT_DOUBLE_DIGITS:
        return
    numbers = evidence.integer + evidence.fraction + evidence.exponent
    of_form = {
        Kind.BOOLEAN: evidence.boolean,
        Kind.DATE: evidence.date,
        Kind.TIMESTAMP: evidence.date + evidence.timestamp,
    }
    if of_form.get(kind.kind, numbers) == evidence.present:
        values = [text for text in texts if text is not None and text not in NULL_TOKENS]
        rejected = [text for text in values if cast(connection, text, kind) is None]
        if evidence.exponent and evidence.long > evidence.long_exact:
            rejected = [text for text in rejected if re.search("[0-9]", text)]
        if evidence.exponent:
            rejected = [text for text in rejected if len(re.sub("[^0-9]", "", text)) <= DOUBLE_DIGITS]
        assert [text for text in rejected if not OUT_OF_RANGE.fullmatch(text)] == []


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("0.12345678901234567", 1),
        ("0.123456789012345678", 0),
        ("1.2345678901234567e-8", 1),
        ("1.23456789012345678e-8", 0),
        ("0.50000000000000000000", 1),
    ],
)
def test_more_digits_than_a_double_has_are_rejected(
    connection: duckdb.DuckDBPyConnection, text: str, kept: int
) -> None:
    assert (cast(connection, text, FLOAT64) is not None) == kept


def test_a_quoted_number_is_none(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE quoted AS SELECT * FROM (VALUES ('12', true), ('3.5', false), ('true', true)) v(t, q)"
    )
    [evidence] = count_forms(connection, ["t"], "quoted", ["q"])
    assert evidence == Evidence(present=3, fraction=1, integer_digits=1, scale=1)


def test_the_evidence_of_each_text_comes_in_its_order(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE wide AS SELECT * FROM (VALUES ('7', 'x', NULL), ('NA', '2026-07-01', '')) v(a, b, c)"
    )
    assert count_forms(connection, ["a", "b", "c"], "wide") == [
        Evidence(present=1, nulls=1, integer=1, integer_digits=1),
        Evidence(present=2, date=1),
        Evidence(nulls=2),
    ]


def test_no_rows_are_no_evidence(connection: duckdb.DuckDBPyConnection) -> None:
    assert gather(connection, []) == Evidence()
