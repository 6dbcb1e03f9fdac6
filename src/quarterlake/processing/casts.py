"""Casting text to a column's type in SQL so that no value is changed: what does not survive becomes NULL.

DuckDB's own casts are too kind for a ledger: they round `3.7` to 4 and `1.239` to 1.24, and read `007` as 7.
"""

from __future__ import annotations

import re

from quarterlake.domain.column_types import ColumnType, Kind
from quarterlake.domain.inference import NULL_TOKENS
from quarterlake.processing.sql import literal, type_name

_INTEGER = r"\s*[+-]?(0|[1-9][0-9]*)\s*"
_DECIMAL = r"\s*[+-]?((0|[1-9][0-9]*)|[0-9]*\.[0-9]{{0,{}}})\s*"
_FLOAT = r"\s*[+-]?((0|[1-9][0-9]*)|([0-9]+\.[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+)\s*"
_NOT_FINITE = r"\s*[+-]?([nN][aA][nN]|[iI][nN][fF]([iI][nN][iI][tT][yY])?)\s*"
_DAY = r"\s*[0-9]{4}[-/][0-9]{1,2}[-/][0-9]{1,2}\s*"
_INSTANT = r"\s*[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([T ][0-9]{1,2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?\s?(Z|UTC|[+-][0-9]{2}(:?[0-9]{2})?)?)?\s*"
_NULL = "|".join(re.escape(token) for token in NULL_TOKENS)

REASONS = {
    Kind.BOOLEAN: "not true or false",
    Kind.INT64: "not an integer of 64 bits",
    Kind.FLOAT64: "not a number that a double holds",
    Kind.DATE: "not a date (YYYY-MM-DD)",
    Kind.TIMESTAMP: "not a timestamp (ISO 8601)",
}


def reason_for(column_type: ColumnType) -> str:
    """Why a text does not fit a type, for people."""
    if column_type.kind is Kind.DECIMAL:
        return f"not a number that {column_type} holds exactly"
    return REASONS.get(column_type.kind, "not text")


def cast_text(text: str, column_type: ColumnType, zone: str = "UTC") -> str:
    """An expression for the value of a text expression, NULL where the text is none of the type.

    `zone` is the session's time zone, in which a timestamp without one is read.
    """
    target = f"TRY_CAST({text} AS {type_name(column_type)})"
    match column_type.kind:
        case Kind.INT64:
            return f"CASE WHEN CAST({target} AS VARCHAR) = {text} THEN {target} WHEN regexp_full_match({text}, {literal(_INTEGER)}) THEN {target} END"
        case Kind.DECIMAL:
            form = literal(_DECIMAL.format(column_type.scale))
            return f"CASE WHEN CAST({target} AS VARCHAR) = {text} THEN {target} WHEN regexp_full_match({text}, {form}) THEN {target} END"
        case Kind.FLOAT64:
            return f"CASE WHEN regexp_full_match({text}, {literal(_FLOAT)}) AND isfinite({target}) AND ({_survives_double(text)}) OR regexp_full_match({text}, {literal(_NOT_FINITE)}) THEN {target} END"
        case Kind.BOOLEAN:
            return f"CASE lower(trim({text})) WHEN 'true' THEN true WHEN 'false' THEN false END"
        case Kind.DATE:
            usual = f"strlen({text}) = 10 AND {text}[5] = '-'"
            return f"CASE WHEN {usual} THEN {target} WHEN regexp_full_match({text}, {literal(_DAY)}) THEN {target} END"
        case Kind.TIMESTAMP:
            return f"CASE {_usual_instants(text, zone)} WHEN regexp_full_match({text}, {literal(_INSTANT)}) THEN {target} END"
        case _:
            return text


def _usual_instants(text: str, zone: str) -> str:
    """Cases for `2026-07-15 10:30:00` and `2026-07-15T10:30:00Z`: cast without a calendar, in a third of the time."""
    utc = f"make_timestamptz(epoch_us(TRY_CAST(left({text}, 19) AS TIMESTAMP)))"
    cases = [f"WHEN strlen({text}) = 20 AND suffix({text}, 'Z') THEN {utc}"]
    if zone == "UTC":
        cases.insert(
            0, f"WHEN strlen({text}) = 19 AND NOT suffix({text}, ')') THEN {utc}"
        )  # not 1-1-1 00:00:00 (BC)
    return " ".join(cases)


def stored(text: str, column_type: ColumnType, zone: str = "UTC") -> str:
    """The value that a column stores for a text: like `cast_text`, and NULL in a column that holds nothing yet."""
    return "CAST(NULL AS VARCHAR)" if column_type.kind is Kind.NULL else cast_text(text, column_type, zone)


def is_null_token(text: str) -> str:
    """A condition: the text stands for a missing value. By a pattern, since DuckDB makes a join of every IN with so many values."""
    return f"regexp_full_match({text}, {literal(_NULL)})"


def misfits(value: str, text: str, column_type: ColumnType) -> str | None:
    """A condition: `text` stands for a value, yet `value` (its cast) is NULL. None when that cannot be."""
    if column_type.kind is Kind.STRING:
        return None
    return f"CASE WHEN {value} IS NULL THEN {text} IS NOT NULL AND NOT {is_null_token(text)} ELSE false END"


def _survives_double(text: str) -> str:
    """Whether a long text is a fraction (whose digits a binary64 print may fill) or an integer that comes back unchanged."""
    return f"strpos({text}, '.') > 0 OR strpos(lower({text}), 'e') > 0 OR TRY_CAST(TRY_CAST({text} AS DOUBLE) AS HUGEINT) = TRY_CAST({text} AS HUGEINT)"
