"""Casting text to a column's type in SQL so that no value is changed: what does not survive becomes NULL.

DuckDB's own casts are too kind for a ledger: they round `3.7` to 4 and `1.239` to 1.24, and read `007` as 7.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from quarterlake.domain.column_types import ColumnType, Kind
from quarterlake.domain.inference import DOUBLE_DIGITS, NULL_TOKENS
from quarterlake.domain.value_formats import EpochFormat, NumberFormat, TimeFormat, read_format
from quarterlake.processing.sql import literal, literals, type_name

if TYPE_CHECKING:
    from collections.abc import Sequence

_INTEGER = r"\s*[+-]?(0|[1-9][0-9]*)\s*"
_DECIMAL = r"\s*[+-]?((0|[1-9][0-9]*)|[0-9]*\.[0-9]{{0,{}}})\s*"
_FLOAT = r"\s*[+-]?((0|[1-9][0-9]*)|([0-9]+\.[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+)\s*"
_NOT_FINITE = r"\s*[+-]?([nN][aA][nN]|[iI][nN][fF]([iI][nN][iI][tT][yY])?)\s*"
_WHOLE = r"\s*[+-]?(0|[1-9][0-9]*)(\.[0-9]+)?[eE]\+?[0-9]{1,3}\s*"
_CUT_BY_A_SPREADSHEET = r"\s*[+-]?[0-9]\.[0-9]{5}E\+[0-9]+\s*"
"""What a spreadsheet leaves of a longer integer: its first six digits."""

_DAY = r"\s*[0-9]{4}[-/][0-9]{1,2}[-/][0-9]{1,2}\s*"
_LOCAL = r"\s*[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([T ][0-9]{1,2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6}0{0,6})?)?)?\s*"
_INSTANT = r"\s*[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([T ][0-9]{1,2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6}0{0,6})?)?\s?(Z|UTC|[+-][0-9]{2}(:?[0-9]{2})?)?)?\s*"
_MICRO = 6
"""The decimal places of a second that a timestamp has."""

REASONS = {
    Kind.BOOLEAN: "not true or false",
    Kind.INT64: "not an integer of 64 bits",
    Kind.FLOAT64: "not a number that a double holds",
    Kind.DATE: "not a date (YYYY-MM-DD)",
    Kind.TIMESTAMP: "not a timestamp (ISO 8601, to the microsecond)",
}


def reason_for(column_type: ColumnType, form: str = "") -> str:
    """Why a text does not fit a type, or the format that a column of it has, for people."""
    if form and column_type.is_number:
        return f"not a number written as {form} that {column_type} holds exactly"
    if form:
        return f"not a {column_type} as {form}"
    if column_type.kind is Kind.DECIMAL:
        return f"not a number that {column_type} holds exactly"
    return REASONS.get(column_type.kind, "not text")


def cast_text(text: str, column_type: ColumnType, zone: str = "UTC", form: str = "") -> str:
    """An expression for the value of a text expression, NULL where the text is none of the type.

    `zone` is the session's time zone, in which a timestamp without one is read; a local time that the zone skips (when
    clocks go forward) is none, one that comes twice is the later, of standard time. `form` is the column's format.
    """
    if form:
        return _formatted(text, column_type, zone, form)
    target = f"TRY_CAST({text} AS {type_name(column_type)})"
    match column_type.kind:
        case Kind.INT64:
            return f"CASE WHEN CAST({target} AS VARCHAR) = {text} THEN {target} WHEN regexp_full_match({text}, {literal(_INTEGER)}) OR {is_whole(text)} THEN {target} END"
        case Kind.DECIMAL:
            form = literal(_DECIMAL.format(column_type.scale))
            return f"CASE WHEN CAST({target} AS VARCHAR) = {text} THEN {target} WHEN regexp_full_match({text}, {form}) OR {is_whole(text)} THEN {target} END"
        case Kind.FLOAT64:
            return f"CASE WHEN regexp_full_match({text}, {literal(_FLOAT)}) AND isfinite({target}) AND ({_survives_double(text)}) OR regexp_full_match({text}, {literal(_NOT_FINITE)}) THEN {target} END"
        case Kind.BOOLEAN:
            return f"CASE lower(trim({text})) WHEN 'true' THEN true WHEN 'false' THEN false END"
        case Kind.DATE:
            usual = f"strlen({text}) = 10 AND {text}[5] = '-' AND {text}[1] BETWEEN '0' AND '9'"
            return f"CASE WHEN {usual} THEN {target} WHEN regexp_full_match({text}, {literal(_DAY)}) THEN {target} END"
        case Kind.TIMESTAMP:
            cases = _usual_instants(text, zone)
            if zone != "UTC":
                local = local_instant(f"TRY_CAST({text} AS TIMESTAMP)", zone)
                cases += f" WHEN regexp_full_match({text}, {literal(_LOCAL)}) THEN {local}"
            return f"CASE {cases} WHEN regexp_full_match({text}, {literal(_INSTANT)}) THEN {target} END"
        case _:
            return text


def is_whole(text: str) -> str:
    """A condition: the text is an integer of 64 bits written with an exponent, such as `1e5` or `1.2e+07`, no digit of it lost."""
    fraction = f"strlen(regexp_extract({text}, '[.]([0-9]+)', 1))"
    exponent = f"TRY_CAST(regexp_extract({text}, '[eE][+]?([0-9]+)', 1) AS INTEGER)"
    return (
        f"CASE WHEN regexp_full_match({text}, {literal(_WHOLE)}) THEN {fraction} <= {exponent} AND TRY_CAST({text} AS BIGINT) IS NOT NULL "
        f"AND NOT regexp_full_match({text}, {literal(_CUT_BY_A_SPREADSHEET)}) ELSE false END"
    )


def _usual_instants(text: str, zone: str) -> str:
    """Cases for `2026-07-15 10:30:00` and `2026-07-15T10:30:00Z`: cast without a calendar, in a third of the time."""
    utc = f"make_timestamptz(epoch_us(TRY_CAST(left({text}, 19) AS TIMESTAMP)))"
    # Where the seconds' colon stands there is an offset in 2026-07-15 10:30+05, and an era in 1-1-1 00:00:00 (BC).
    cases = [f"WHEN strlen({text}) = 20 AND {text}[17] = ':' AND suffix({text}, 'Z') THEN {utc}"]
    if zone == "UTC":
        cases.insert(0, f"WHEN strlen({text}) = 19 AND {text}[17] = ':' THEN {utc}")
    return " ".join(cases)


def _formatted(text: str, column_type: ColumnType, zone: str, form: str) -> str:
    found = read_format(form)
    match found:
        case NumberFormat():
            return _number(text, column_type, found)
        case EpochFormat():
            return _epoch(text, found)
        case TimeFormat():
            return _time(text, column_type, zone, found)


def _number(text: str, column_type: ColumnType, form: NumberFormat) -> str:
    groups = f"[{form.group_characters}]"
    whole = r"(?:0|[1-9][0-9]*)"
    if form.group:
        whole = f"(?:{whole}|[1-9][0-9]{{0,2}}(?:{groups}[0-9]{{3}})+)"
    fraction = rf"(?:{re.escape(form.decimal)}[0-9]+)?" if form.decimal else ""
    written = literal(rf"\s*[+-]?{whole}{fraction}\s*")
    bare = f"regexp_replace({text}, {literal(groups)}, '', 'g')" if form.group else text
    if form.decimal == ",":
        bare = f"replace({bare}, ',', '.')"
    return f"CASE WHEN regexp_full_match({text}, {written}) THEN {cast_text(bare, column_type)} END"


def _epoch(text: str, form: EpochFormat) -> str:
    """The instant that so many units after 1970 are, exact to the microsecond or none."""
    places = max(0, _MICRO - form.digits)
    fraction = rf"(?:\.[0-9]{{1,{places}}}0*)?" if places else ""
    written = literal(rf"\s*-?[0-9]{{1,19}}{fraction}\s*")
    number = f"CAST({text} AS DECIMAL(38, {places}))"
    micros = f"CAST({number} * {10**places} AS BIGINT)"
    if form.digits > _MICRO:
        unit = 10 ** (form.digits - _MICRO)
        micros = f"CASE WHEN CAST({text} AS HUGEINT) % {unit} = 0 THEN CAST(CAST({text} AS HUGEINT) // {unit} AS BIGINT) END"
    instant = f"TRY(make_timestamptz({micros}))"
    if form.years:
        year = f"TRY(year(make_timestamp({micros})))"
        instant = f"CASE WHEN {year} BETWEEN {form.years[0]} AND {form.years[1]} THEN {instant} END"
    return f"CASE WHEN regexp_full_match({text}, {written}) THEN {instant} END"


def _time(text: str, column_type: ColumnType, zone: str, form: TimeFormat) -> str:
    bare = f"trim({text})"
    cases = []
    if local := [variant for variant in form.variants if not variant.has_offset]:
        forms = literal("|".join(variant.form for variant in local))
        value = f"try_strptime({bare}, {literals(variant.strptime for variant in local)})"
        is_date = column_type.kind is Kind.DATE
        value = f"CAST({value} AS DATE)" if is_date else local_instant(value, zone)
        cases.append(f"WHEN regexp_full_match({bare}, {forms}) THEN {value}")
    if given := [variant for variant in form.variants if variant.has_offset]:
        forms = literal("|".join(variant.form for variant in given))
        value = f"try_strptime(regexp_replace({bare}, 'Z|UTC|GMT', '+00'), {literals(variant.strptime for variant in given)})"
        cases.append(f"WHEN regexp_full_match({bare}, {forms}) THEN {value}")
    return f"CASE {' '.join(cases)} END"


def local_instant(local: str, zone: str) -> str:
    """The instant of a local time; NULL for one that the zone skips."""
    if zone == "UTC":
        return f"make_timestamptz(epoch_us({local}))"
    instant = f"timezone({literal(zone)}, {local})"
    return f"CASE WHEN timezone({literal(zone)}, {instant}) = {local} THEN {instant} END"


def stored(
    text: str,
    column_type: ColumnType,
    zone: str = "UTC",
    form: str = "",
    nulls: Sequence[str] | None = None,
) -> str:
    """The value that a column stores for a text: like `cast_text`, and NULL in a column that holds nothing yet.

    In a text column only the declared `nulls` are missing values.
    """
    if column_type.kind is Kind.NULL:
        return "CAST(NULL AS VARCHAR)"
    value = cast_text(text, column_type, zone, form)
    return f"CASE WHEN NOT {is_null_token(text, nulls)} THEN {value} END" if nulls else value


def is_null_token(text: str, nulls: Sequence[str] | None = None) -> str:
    """A condition: the text stands for a missing value, being one of `nulls` or of the usual texts.

    By a pattern, since DuckDB makes a join of every IN with so many values.
    """
    tokens = NULL_TOKENS if nulls is None else ("", *nulls)
    return f"regexp_full_match({text}, {literal('|'.join(re.escape(token) for token in tokens))})"


def misfits(value: str, text: str, column_type: ColumnType, nulls: Sequence[str] | None = None) -> str | None:
    """A condition: `text` stands for a value, yet `value` (its cast) is NULL. None when that cannot be."""
    if column_type.kind is Kind.STRING:
        return None
    return f"CASE WHEN {value} IS NULL THEN {text} IS NOT NULL AND NOT {is_null_token(text, nulls)} ELSE false END"


def _survives_double(text: str) -> str:
    """Whether a text is a fraction (whose digits a binary64 print may fill) or an integer that comes back unchanged.

    Below the least normal number a binary64 has fewer digits, and at last none.
    """
    mantissa, value = _digits(text), f"TRY_CAST({text} AS DOUBLE)"
    fraction = f"strpos({text}, '.') > 0 OR strpos(lower({text}), 'e') > 0"
    fills = f"CASE WHEN strlen({text}) <= {DOUBLE_DIGITS} THEN true ELSE strlen({mantissa}) <= {DOUBLE_DIGITS} END"
    fills = f"CASE WHEN abs({value}) < {sys.float_info.min!r} THEN {mantissa} = {_digits(f'CAST({value} AS VARCHAR)')} ELSE {fills} END"
    return f"CASE WHEN {fraction} THEN {fills} ELSE TRY_CAST({value} AS HUGEINT) = TRY_CAST({text} AS HUGEINT) END"


def _digits(text: str) -> str:
    """The significant digits of a number's text."""
    return f"trim(regexp_replace(split_part(lower({text}), 'e', 1), '[^0-9]', '', 'g'), '0')"
