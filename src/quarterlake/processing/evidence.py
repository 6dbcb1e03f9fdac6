"""Counting the forms that the texts of a column have, in SQL."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from quarterlake.domain.inference import DOUBLE_DIGITS, EXACT_DOUBLE_DIGITS, Evidence
from quarterlake.processing.casts import is_null_token, is_whole
from quarterlake.processing.form_evidence import MAY_HAVE_FORMAT, gather_forms
from quarterlake.processing.long_form import long_form
from quarterlake.processing.sql import literal, rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from duckdb import DuckDBPyConnection

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

    `quoted` is that of `long_form`; what its source wrote as a string counts as no number and no boolean. `forms` asks for the forms of all.
    """
    found = count_forms(connection, texts, relation, quoted)
    wanted = [at for at, evidence in enumerate(found) if forms or _may_have_format(evidence)]
    marks = [quoted[at] for at in wanted] if quoted else ()
    formed = gather_forms(connection, [texts[at] for at in wanted], relation, marks)
    for at, its_forms in zip(wanted, formed, strict=True):
        found[at] = replace(found[at], forms=its_forms)
    return found


def _may_have_format(evidence: Evidence) -> bool:
    integers = evidence.integer + evidence.fraction == evidence.present > 0
    return evidence.formatted > 0 or (integers and evidence.integer_digits >= _LONG_DIGITS)


def count_forms(
    connection: DuckDBPyConnection, texts: Sequence[str], relation: str, quoted: Sequence[str | None] = ()
) -> list[Evidence]:
    """The evidence for each text expression but for the forms of numbers and times that are not plain."""
    if not texts:
        return []
    formed = f"SELECT k, trim(t) AS v, {_form('t', 'q')} AS form FROM ({long_form(texts, relation, quoted)})"
    query = f"SELECT k, {', '.join(_counts('v', 'form'))} FROM ({formed}) GROUP BY k"
    found = [Evidence()] * len(texts)
    for place, *counts in rows(connection, query):
        numbers: dict[str, Any] = dict(zip(_FIELDS, (int(str(count)) for count in counts), strict=True))
        found[int(str(place))] = Evidence(**numbers)
    return found


def _form(text: str, quoted: str) -> str:
    """The form of a text, by name; each text is matched until the first that it has."""
    value = f"trim({text})"
    bare = f"NOT {quoted} AND "
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
