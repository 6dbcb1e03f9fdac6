"""Counting the values of a column by form, in SQL: what `quarterlake.domain.forms` decides by."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from quarterlake.domain.forms import DIGITS, ISO, NUMBER, TIME, ZEROS, Form
from quarterlake.domain.time_forms import EPOCH_YEARS
from quarterlake.domain.value_formats import (
    APOSTROPHES,
    BLANKS,
    EPOCH_DIGITS,
    TimeFormat,
    read_format,
)
from quarterlake.processing.casts import is_null_token
from quarterlake.processing.long_form import long_form
from quarterlake.processing.sql import literal, literals, rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from duckdb import DuckDBPyConnection

_HEADS = (
    "d/M/yyyy", "M/d/yyyy", "d-M-yyyy", "M-d-yyyy", "d.M.yyyy", "yyyy/M/d", "yyyy.M.d", "yyyy-M-d",
    "d MMM yyyy", "d MMMM yyyy", "d-MMM-yyyy", "d/MMM/yyyy", "d.MMM.yyyy", "d. MMMM yyyy", "MMM d yyyy", "MMMM d yyyy", "MMM d, yyyy",
    "MMMM d, yyyy", "yyyy-MMM-d", "EEE, d MMM yyyy", "EEE d MMM yyyy", "EEE MMM d yyyy", "yyyyMMdd",
)  # fmt: skip
"""The dates that are recognised, as formats. Years of two digits are not: nothing says which century they mean."""

_SEPARATORS = f".,{BLANKS}{APOSTROPHES}"
_NUMBER = rf"[+-]?(?:[0-9]+(?:[{_SEPARATORS}][0-9]+)*)"
_FORMATTED_NUMBER = rf"[+-]?[0-9]+(?:[{_SEPARATORS}][0-9]+)+"
_GROUPED = rf"[+-]?[1-9][0-9]{{0,2}}(?:[{_SEPARATORS}][0-9]{{3}})*(?:[{_SEPARATORS}][0-9]+)?"
_CLOCK = r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?"
_ZONE = r"(?:Z|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?)"
_DATED = rf"([0-9A-Za-z][0-9A-Za-z,./ -]*?)(?:(,? |T|:)({_CLOCK})( ?[AaPp][Mm])?( ?{_ZONE})?)?"
_PARTS = ("head", "separator", "clock", "half", "zone")
_ISO = r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6}0{0,6})?)?\s?(?:Z|UTC|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
_EPOCH = r"[0-9]{9,19}(?:\.[0-9]{1,6})?"


def _head_form(pattern: str) -> tuple[str, str]:
    found = read_format(pattern)
    if not isinstance(found, TimeFormat):
        raise TypeError(pattern)
    return found.variants[0].form, found.variants[0].strptime


_HEAD_FORMS = {pattern: _head_form(pattern) for pattern in _HEADS}
_DAY_OR_MONTH = r"(?:[0-9]{1,2}|[A-Za-z]{3,9})"
_YEAR_LAST = rf"(?:[A-Za-z]{{3}},? )?{_DAY_OR_MONTH}[-/. ]{{1,2}}{_DAY_OR_MONTH}[-/., ]{{1,2}}[0-9]{{4}}"
_YEAR_FIRST = rf"[0-9]{{4}}[-/.]{_DAY_OR_MONTH}[-/.][0-9]{{1,2}}"
MAY_HAVE_FORMAT = rf"{_FORMATTED_NUMBER}|(?:{_YEAR_LAST}|{_YEAR_FIRST}|[0-9]{{8}})(?:[T:, ].*)?"
"""Finds the texts that are neither ISO times nor plain numbers and that some format might read, quickly: it may find others too."""


def gather_forms(
    connection: DuckDBPyConnection, texts: Sequence[str], relation: str, quoted: Sequence[str | None] = ()
) -> list[dict[str, Form]]:
    """How many of each text expression's values over a relation have which form; `quoted` as in `long_form`."""
    found: list[dict[str, Form]] = [{} for _ in texts]
    if not texts:
        return found
    values = f"SELECT k, trim(t) AS v, q FROM ({long_form(texts, relation, quoted)}) WHERE t IS NOT NULL AND NOT {is_null_token('t')}"
    # In steps, since DuckDB takes long to plan an expression that repeats another many times.
    parted = (
        f"SELECT k, v, CASE WHEN NOT q AND regexp_full_match(v, {literal(_NUMBER)}) THEN {_number('v')} END AS number, "
        f"regexp_extract(v, {literal(f'^{_DATED}$')}, {literals(_PARTS)}) AS p FROM ({values})"
    )
    dated = f"SELECT k, v, number, p, CASE WHEN number IS NULL OR strlen(v) = 8 OR number LIKE '%9.9.9%' THEN {_heads('p.head')} ELSE '' END AS heads FROM ({parted})"
    formed = f"SELECT k, v, {_form()} AS form FROM ({dated})"
    last = rf"^.*[{_SEPARATORS}]([0-9]*)$"
    scale = f"strlen(regexp_extract(v, {literal(last)}, 1))"
    digits = "strlen(regexp_replace(v, '[^0-9]', '', 'g'))"
    counted = rows(
        connection,
        f"SELECT k, form, count(*), max({digits} - {scale}), max({scale}) FROM ({formed}) WHERE form IS NOT NULL GROUP BY ALL ORDER BY ALL",
    )
    for place, form, count, whole, places in counted:
        found[int(str(place))][str(form)] = Form(int(str(count)), int(str(whole)), int(str(places)))
    return found


def _form() -> str:
    years = "(19|20)"
    before = "CASE p.separator WHEN 'T' THEN '''T''' ELSE p.separator END"
    hours = "CASE WHEN p.half <> '' THEN 'h:mm[:ss][ ]a' ELSE 'H:mm[:ss[.SSSSSS]]' END"
    day = f"CASE WHEN p.clock <> '' THEN concat({before}, {hours}) ELSE '' END"
    zone = "CASE WHEN p.zone <> '' THEN '[ ]X' ELSE '' END"
    iso = f"regexp_full_match(v, {literal(_ISO)}) AND TRY_CAST(v AS TIMESTAMPTZ) IS NOT NULL"
    cases = [
        f"WHEN number IS NOT NULL AND heads <> '' AND regexp_full_match(v, '{years}[0-9]{{6}}') THEN '{DIGITS} yyyyMMdd'",
        f"WHEN number IS NOT NULL AND regexp_full_match(v, '{years}[0-9]{{12}}') AND try_strptime(v, '%Y%m%d%H%M%S') IS NOT NULL THEN '{DIGITS} yyyyMMddHHmmss'",
        f"WHEN regexp_full_match(v, '[+-]?0[0-9]+') THEN '{ZEROS}'",
        f"WHEN number IS NOT NULL AND heads IN ('', 'yyyyMMdd') THEN coalesce({_epoch('v')}, number)",
        f"WHEN {iso} THEN CASE WHEN strlen(v) = 10 THEN '{TIME} {ISO}|yyyy-M-d +  + ' ELSE '{TIME} {ISO}' END",
        f"WHEN heads <> '' THEN concat('{TIME} ', heads, ' + ', {day}, ' + ', {zone})",
    ]
    return f"CASE {' '.join(cases)} END"


def _epoch(value: str) -> str:
    """The unit in which an integer, or a fraction of seconds, lies in the years of epochs, exact to the microsecond."""
    start, end = (
        int(datetime(int(year) + later, 1, 1, tzinfo=UTC).timestamp())
        for later, year in enumerate(EPOCH_YEARS.split("-"))
    )
    number = f"TRY_CAST({value} AS DECIMAL(38, 6))"
    whole = f"strpos({value}, '.') = 0"
    cases = []
    for unit, digits in EPOCH_DIGITS.items():
        exact = {0: "", 9: f" AND {whole} AND right({value}, 3) = '000'"}.get(digits, f" AND {whole}")
        within = f"{number} >= {start * 10**digits} AND {number} < {end * 10**digits}"
        cases.append(f"WHEN {within}{exact} THEN '{DIGITS} {unit}'")
    return f"CASE WHEN regexp_full_match({value}, {literal(_EPOCH)}) THEN CASE {' '.join(cases)} END END"


def _number(value: str) -> str:
    """Its separators and whether they could group thousands."""
    shape = f"regexp_replace(ltrim({value}, '+-'), '[0-9]+', '9', 'g')"
    marks = BLANKS + APOSTROPHES
    shape = f"translate({shape}, {literal(marks)}, {literal(' ' * len(BLANKS) + chr(39) * len(APOSTROPHES))})"
    groups = f"CASE WHEN regexp_full_match({value}, {literal(_GROUPED)}) THEN '+' ELSE '-' END"
    three = rf".*[{_SEPARATORS}][0-9]{{3}}"
    last = f"CASE WHEN regexp_full_match({value}, {literal(three)}) THEN '+' ELSE '-' END"
    return f"concat('{NUMBER} ', {shape}, ' ', {groups}, {last})"


def _heads(head: str) -> str:
    """The formats that read a date, between bars."""
    read = [
        f"CASE WHEN regexp_full_match({head}, {literal(form)}) THEN CASE WHEN try_strptime({head}, {literal(strptime)}) IS NOT NULL THEN {literal(pattern)} END END"
        for pattern, (form, strptime) in _HEAD_FORMS.items()
    ]
    return f"concat_ws('|', {', '.join(read)})"
