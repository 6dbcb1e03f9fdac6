"""Counting the forms that the texts of a column have, in SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterlake.domain.inference import EXACT_DOUBLE_DIGITS, Evidence
from quarterlake.processing.casts import is_null_token
from quarterlake.processing.sql import literal, rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from duckdb import DuckDBPyConnection

_AT_ONCE = 10
"""DuckDB's time for a query grows with the square of its expressions: 68 s for 300 columns, 2 s in tens."""
_TEXTS = "evidence_texts"

_NUMBERS = {
    "integer": r"[+-]?(0|[1-9][0-9]*)",
    "leading_zero": r"[+-]?0[0-9]+",
    "fraction": r"[+-]?([0-9]+\.[0-9]*|\.[0-9]+)",
    "exponent": r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)[eE][+-]?[0-9]+|[+-]?([nN]a[nN]|[iI]nf|[iI]nfinity)",
    "boolean": r"[tT]rue|[fF]alse|TRUE|FALSE",
}
_TIMES = {
    "date": (r"[0-9]{4}-[0-9]{2}-[0-9]{2}", "DATE"),
    "timestamp": (
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?\s?(Z|UTC|[+-][0-9]{2}(:?[0-9]{2})?)?",
        "TIMESTAMPTZ",
    ),
}
_COUNTED = ("boolean", "integer", "leading_zero", "fraction", "exponent", "date", "timestamp")
_COLUMNS = 2 + len(_COUNTED) + 4


def gather_evidence(
    connection: DuckDBPyConnection, texts: Sequence[str], relation: str, quoted: Sequence[str | None] = ()
) -> list[Evidence]:
    """The evidence for each text expression over a relation, which is read once.

    `quoted` is that of `evidence_query`.
    """
    if not texts:
        return []
    if len(texts) <= _AT_ONCE:
        return read_evidence(rows(connection, evidence_query(texts, relation, quoted))[0])
    marks = [quoted[position] if position < len(quoted) else None for position in range(len(texts))]
    slots = [f"{text} AS t{position}" for position, text in enumerate(texts)]
    slots += [f"{mark} AS q{position}" for position, mark in enumerate(marks) if mark]
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {_TEXTS} AS SELECT {', '.join(slots)} FROM {relation}")
    found: list[Evidence] = []
    for start in range(0, len(texts), _AT_ONCE):
        some = range(start, min(start + _AT_ONCE, len(texts)))
        query = evidence_query(
            [f"t{position}" for position in some], _TEXTS, [marks[p] and f"q{p}" for p in some]
        )
        found += read_evidence(rows(connection, query)[0])
    connection.execute(f"DROP TABLE {_TEXTS}")
    return found


def evidence_query(texts: Sequence[str], relation: str, quoted: Sequence[str | None] = ()) -> str:
    """A query whose single row holds, for each text expression, what `read_evidence` reads.

    `quoted` gives for a text an expression that says that its source wrote it as a string (JSON's `"12"`), which then
    counts as no number and no boolean.
    """
    forms, counts = [], []
    for position, text in enumerate(texts):
        is_quoted = quoted[position] if position < len(quoted) else None
        forms.append(f"trim({text}) AS v{position}, {_form(text, is_quoted)} AS k{position}")
        counts.extend(_counts(f"v{position}", f"k{position}"))
    return f"SELECT {', '.join(counts)} FROM (SELECT {', '.join(forms)} FROM {relation})"


def read_evidence(row: Sequence[object]) -> list[Evidence]:
    """The evidence for each text expression of an `evidence_query`, from its row."""
    numbers = [int(str(value or 0)) for value in row]
    return [Evidence(*numbers[start : start + _COLUMNS]) for start in range(0, len(numbers), _COLUMNS)]


def _form(text: str, quoted: str | None) -> str:
    """The form of a text, by name; each text is matched until the first that it has."""
    value = f"trim({text})"
    bare = f"NOT coalesce({quoted}, false) AND " if quoted else ""
    cases = [f"WHEN {text} IS NULL OR {is_null_token(text)} THEN 'null'"]
    cases += [
        f"WHEN {bare}regexp_full_match({value}, {literal(form)}) THEN '{name}'"
        for name, form in _NUMBERS.items()
    ]
    cases += [
        f"WHEN regexp_full_match({value}, {literal(form)}) AND TRY_CAST({value} AS {kind}) IS NOT NULL THEN '{name}'"
        for name, (form, kind) in _TIMES.items()
    ]
    return f"CASE {' '.join(cases)} ELSE 'other' END"


def _counts(value: str, form: str) -> list[str]:
    """The counts of `Evidence`, in the order of its fields."""
    digits = f"strlen(regexp_replace({value}, '[^0-9]', '', 'g'))"
    significant = f"strlen(ltrim(regexp_replace({value}, '[^0-9]', '', 'g'), '0'))"
    long = f"CASE WHEN {form} = 'fraction' THEN {significant} > {EXACT_DOUBLE_DIGITS} ELSE false END"
    exact = f"CASE WHEN {long} THEN CAST(TRY_CAST({value} AS DOUBLE) AS VARCHAR) = {value} ELSE false END"
    integer = f"CASE WHEN TRY_CAST({value} AS BIGINT) IS NULL THEN greatest({digits}, 20) ELSE least({digits}, 19) END"
    whole = f"strlen(ltrim(split_part({value}, '.', 1), '+-'))"
    return [
        f"count(*) FILTER ({form} <> 'null')",
        f"count(*) FILTER ({form} = 'null')",
        *(f"count(*) FILTER ({form} = '{name}')" for name in _COUNTED),
        f"count(*) FILTER ({long})",
        f"count(*) FILTER ({exact})",
        f"coalesce(max(CASE {form} WHEN 'integer' THEN {integer} WHEN 'fraction' THEN {whole} END), 0)",
        f"coalesce(max(CASE {form} WHEN 'fraction' THEN strlen({value}) - strpos({value}, '.') END), 0)",
    ]
