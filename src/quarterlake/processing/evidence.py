"""Counting the forms that the texts of a column have, in SQL."""

from __future__ import annotations

from collections.abc import Sequence

from quarterlake.domain.inference import EXACT_DOUBLE_DIGITS, NULL_TOKENS, Evidence
from quarterlake.processing.sql import literal

_FORMS = {
    "integer": r"[+-]?(0|[1-9][0-9]*)",
    "leading_zero": r"[+-]?0[0-9]+",
    "fraction": r"[+-]?([0-9]+\.[0-9]*|\.[0-9]+)",
    "exponent": r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)[eE][+-]?[0-9]+|[+-]?([nN]a[nN]|[iI]nf|[iI]nfinity)",
    "boolean": r"[tT]rue|[fF]alse|TRUE|FALSE",
    "date": r"[0-9]{4}-[0-9]{2}-[0-9]{2}",
    "timestamp": r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?\s?(Z|UTC|[+-][0-9]{2}(:?[0-9]{2})?)?",
}
_NULLS = ", ".join(map(literal, NULL_TOKENS))
_COUNTS = 13


def evidence_query(texts: Sequence[str], relation: str, quoted: Sequence[str | None] = ()) -> str:
    """A query whose single row holds, for each text expression, what `read_evidence` reads.

    `quoted` gives for a text an expression that says that its source wrote it as a string (JSON's `"12"`), which then
    counts as no number and no boolean.
    """
    parts: list[str] = []
    for position, text in enumerate(texts):
        is_quoted = quoted[position] if position < len(quoted) else None
        parts.extend(_counts(text, is_quoted))
    return f"SELECT {', '.join(parts)} FROM {relation}"


def read_evidence(row: Sequence[object]) -> list[Evidence]:
    """The evidence for each text expression of an `evidence_query`, from its row."""
    numbers = [int(str(value or 0)) for value in row]
    return [Evidence(*numbers[start : start + _COUNTS]) for start in range(0, len(numbers), _COUNTS)]


def _counts(text: str, quoted: str | None) -> list[str]:
    value = f"trim({text})"
    present = f"{text} IS NOT NULL AND {text} NOT IN ({_NULLS})"
    bare = f" AND NOT ({quoted})" if quoted else ""

    def form(name: str) -> str:
        return f"regexp_full_match({value}, {literal(_FORMS[name])})"

    def count(condition: str) -> str:
        return f"count(*) FILTER ({present} AND {condition})"

    digits = f"strlen(regexp_replace({value}, '[^0-9]', '', 'g'))"
    fraction = f"{form('fraction')}{bare}"
    long = f"{fraction} AND strlen(ltrim(regexp_replace({value}, '[^0-9]', '', 'g'), '0')) > {EXACT_DOUBLE_DIGITS}"
    point = f"strpos({value}, '.')"
    integer_digits = (
        f"CASE WHEN {form('integer')} THEN CASE WHEN TRY_CAST({value} AS BIGINT) IS NULL THEN greatest({digits}, 20) ELSE least({digits}, 19) END "
        f"WHEN {form('fraction')} THEN strlen(ltrim(split_part({value}, '.', 1), '+-')) END"
    )
    return [
        f"count(*) FILTER ({present})",
        f"count(*) FILTER (NOT ({present}))",
        count(f"{form('boolean')}{bare}"),
        count(f"{form('integer')}{bare}"),
        count(f"{form('leading_zero')}{bare}"),
        count(fraction),
        count(f"{form('exponent')}{bare}"),
        count(f"{form('date')} AND TRY_CAST({value} AS DATE) IS NOT NULL"),
        count(f"{form('timestamp')} AND TRY_CAST({value} AS TIMESTAMPTZ) IS NOT NULL"),
        count(long),
        count(f"{long} AND CAST(TRY_CAST({value} AS DOUBLE) AS VARCHAR) = {value}"),
        f"coalesce(max({integer_digits}) FILTER ({present}{bare}), 0)",
        f"coalesce(max(CASE WHEN {form('fraction')} THEN strlen({value}) - {point} END) FILTER ({present}{bare}), 0)",
    ]
