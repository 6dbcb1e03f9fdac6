"""Counting the forms that the texts of a column have, in SQL."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from quarterlake.domain.inference import DOUBLE_DIGITS, EXACT_DOUBLE_DIGITS, Evidence
from quarterlake.processing.casts import is_null_token, is_whole
from quarterlake.processing.form_evidence import MAY_HAVE_FORMAT, gather_forms
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
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6}0{0,6})?)?\s?(Z|UTC|[+-][0-9]{2}(:?[0-9]{2})?)?",
        "TIMESTAMPTZ",
    ),
}
_OFFSET = r"(Z|UTC|:.*[+-][0-9]{2}(:?[0-9]{2})?)$"
_COUNTED = ("boolean", "integer", "leading_zero", "fraction", "exponent", "date", "timestamp")
_FIELDS = [field.name for field in fields(Evidence) if field.name != "forms"]
_COLUMNS = len(_FIELDS)
_NOT_FINITE = "[+-]?([nN]a[nN]|[iI]nf|[iI]nfinity)"
_LONG_DIGITS = 8
"""Integers of so many digits may be dates or epochs."""


def gather_evidence(
    connection: DuckDBPyConnection,
    texts: Sequence[str],
    relation: str,
    quoted: Sequence[str | None] = (),
    *,
    forms: bool = False,
) -> list[Evidence]:
    """The evidence for each text expression over a relation, which is read once, and again for columns that may have a format.

    `quoted` is that of `evidence_query`; `forms` asks for the forms of all.
    """
    found = _counted(connection, texts, relation, quoted)
    return [
        replace(evidence, forms=gather_forms(connection, text, relation, mark))
        if forms or _may_have_format(evidence)
        else evidence
        for evidence, text, mark in zip(found, texts, _filled(quoted, len(texts)), strict=True)
    ]


def _may_have_format(evidence: Evidence) -> bool:
    integers = evidence.integer + evidence.fraction == evidence.present > 0
    return evidence.formatted > 0 or (integers and evidence.integer_digits >= _LONG_DIGITS)


def _filled(quoted: Sequence[str | None], count: int) -> list[str | None]:
    return [quoted[position] if position < len(quoted) else None for position in range(count)]


def _counted(
    connection: DuckDBPyConnection, texts: Sequence[str], relation: str, quoted: Sequence[str | None]
) -> list[Evidence]:
    if not texts:
        return []
    if len(texts) <= _AT_ONCE:
        return read_evidence(rows(connection, evidence_query(texts, relation, quoted))[0])
    if relation.isidentifier():  # a table, which may be asked again and again
        return _counted_by_parts(connection, texts, relation, quoted)
    marks = _filled(quoted, len(texts))
    slots = [f"{text} AS t{position}" for position, text in enumerate(texts)]
    slots += [f"{mark} AS q{position}" for position, mark in enumerate(marks) if mark]
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {_TEXTS} AS SELECT {', '.join(slots)} FROM {relation}")
    names = [f"t{position}" for position in range(len(texts))]
    found = _counted_by_parts(connection, names, _TEXTS, [mark and f"q{at}" for at, mark in enumerate(marks)])
    connection.execute(f"DROP TABLE {_TEXTS}")
    return found


def _counted_by_parts(
    connection: DuckDBPyConnection, texts: Sequence[str], table: str, quoted: Sequence[str | None]
) -> list[Evidence]:
    found: list[Evidence] = []
    marks = _filled(quoted, len(texts))
    for at in range(0, len(texts), _AT_ONCE):
        some = slice(at, at + _AT_ONCE)
        found += read_evidence(rows(connection, evidence_query(texts[some], table, marks[some]))[0])
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
    found = []
    for start in range(0, len(numbers), _COLUMNS):
        counts: dict[str, Any] = dict(zip(_FIELDS, numbers[start : start + _COLUMNS], strict=True))
        found.append(Evidence(**counts))
    return found


def _form(text: str, quoted: str | None) -> str:
    """The form of a text, by name; each text is matched until the first that it has."""
    value = f"trim({text})"
    bare = f"NOT coalesce({quoted}, false) AND " if quoted else ""
    cases = [f"WHEN {text} IS NULL OR {is_null_token(text)} THEN 'null'"]
    cases += [
        f"WHEN {bare}regexp_full_match({value}, {literal(form)}) THEN {_named(name, value)}"
        for name, form in _NUMBERS.items()
    ]
    cases += [
        f"WHEN regexp_full_match({value}, {literal(form)}) AND TRY_CAST({value} AS {kind}) IS NOT NULL THEN '{name}'"
        for name, (form, kind) in _TIMES.items()
    ]
    cases.append(f"WHEN regexp_full_match({value}, {literal(MAY_HAVE_FORMAT)}) THEN 'formatted'")
    return f"CASE {' '.join(cases)} ELSE 'other' END"


def _named(form: str, value: str) -> str:
    return (
        f"CASE WHEN {is_whole(value)} THEN 'integer' ELSE '{form}' END" if form == "exponent" else f"'{form}'"
    )


def _counts(value: str, form: str) -> list[str]:
    """The counts of `Evidence`, in the order of its fields."""
    digits = f"strlen(regexp_replace({value}, '[^0-9]', '', 'g'))"
    significant = f"strlen(ltrim(regexp_replace({value}, '[^0-9]', '', 'g'), '0'))"
    long = f"CASE WHEN {form} = 'fraction' THEN {significant} > {EXACT_DOUBLE_DIGITS} ELSE false END"
    exact = f"CASE WHEN {long} THEN CAST(TRY_CAST({value} AS DOUBLE) AS VARCHAR) = {value} ELSE false END"
    short = f"TRY_CAST({value} AS BIGINT)"
    integer = f"CASE WHEN {short} IS NULL THEN greatest({digits}, 20) ELSE strlen(ltrim(CAST({short} AS VARCHAR), '-')) END"
    local = (
        f"CASE WHEN {form} = 'timestamp' THEN NOT regexp_matches({value}, {literal(_OFFSET)}) ELSE false END"
    )
    not_finite = f"CASE WHEN {form} = 'exponent' THEN regexp_full_match({value}, {literal(_NOT_FINITE)}) ELSE false END"
    mantissa = f"trim(regexp_replace(split_part(lower({value}), 'e', 1), '[^0-9]', '', 'g'), '0')"
    number = f"{form} IN ('integer', 'fraction', 'exponent') AND strlen({value}) > {DOUBLE_DIGITS}"
    beyond = f"CASE WHEN {number} THEN strlen({mantissa}) > {DOUBLE_DIGITS} ELSE false END"
    whole = f"strlen(ltrim(split_part({value}, '.', 1), '+-'))"
    return [
        f"count(*) FILTER ({form} <> 'null')",
        f"count(*) FILTER ({form} = 'null')",
        *(f"count(*) FILTER ({form} = '{name}')" for name in _COUNTED),
        f"count(*) FILTER ({long})",
        f"count(*) FILTER ({exact})",
        f"coalesce(max(CASE {form} WHEN 'integer' THEN {integer} WHEN 'fraction' THEN {whole} END), 0)",
        f"coalesce(max(CASE {form} WHEN 'fraction' THEN strlen({value}) - strpos({value}, '.') END), 0)",
        f"count(*) FILTER ({not_finite})",
        f"count(*) FILTER ({local})",
        f"count(*) FILTER ({form} = 'formatted')",
        f"count(*) FILTER ({beyond})",
    ]
