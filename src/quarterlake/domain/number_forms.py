"""The format of numbers that a column's forms agree on: what separates thousands, and what decimals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterlake.domain.column_types import INT64, INT64_DIGITS, STRING, ColumnType, Kind, decimal_for
from quarterlake.domain.forms import CHOOSE, DIGITS, NUMBER, Decision, Form
from quarterlake.domain.value_formats import NumberFormat, read_format

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_CANDIDATES = [
    NumberFormat(group, decimal)
    for group in ("", ",", ".", " ", "'")
    for decimal in (".", ",")
    if group != decimal
]
_THOUSAND = 3


def number_reading(form: str, number: NumberFormat) -> str | None:
    """How a format reads a number's form: `integer`, `fraction`, or None where it does not."""
    if form.startswith(DIGITS):
        return "integer"
    separators, flags = separators_of(form), form[-2:]
    groups = flags[0] == "+"
    if not separators:
        return "integer"
    if set(separators) == {number.group} and flags == "++":
        return "integer"
    if separators[-1] != number.decimal or not set(separators[:-1]) <= {number.group}:
        return None
    return "fraction" if len(separators) == 1 or groups else None


def grouped_by_points(forms: Mapping[str, Form]) -> int:
    """How many values are numbers in which a point can only separate thousands: `1.234,56`, `1.234.567`."""
    found = 0
    for form, counted in forms.items():
        separators = separators_of(form)
        found += counted.values * (
            separators.startswith(".") and (len(set(separators)) > 1 or len(separators) > 1)
        )
    return found


def only_thousands(forms: Mapping[str, Form]) -> Decision | None:
    """What a column is, beside others with decimal commas, whose every point may separate thousands: text, as `1.234` may be meant either way."""
    thousands, plain = NumberFormat(".", ""), NumberFormat("", ".")
    if not all(number_reading(form, NumberFormat(".", ",")) == "integer" for form in forms):
        return None
    return Decision(
        STRING,
        note=f"text, since its points may be of thousands or of decimals ({thousands} or {plain}), and other columns have decimal commas; {CHOOSE}",
        alternatives=(str(thousands), str(plain)),
    )


def has_decimal_commas(formats: Iterable[str]) -> bool:
    """Whether one of some columns' formats has decimal commas, so that a point elsewhere in their file may separate thousands."""
    found = [read_format(text) for text in formats if text]
    return any(isinstance(form, NumberFormat) and form.decimal == "," for form in found)


def may_be_thousands(kind: ColumnType, format_text: str) -> bool:
    """Whether a plain column has no more than the three decimals that a group of thousands has."""
    return kind.kind is Kind.DECIMAL and kind.scale == _THOUSAND and not format_text


def decide_numbers(forms: Mapping[str, Form], needed: float) -> Decision | None:
    """The format that reads all of some forms of numbers, or why none does; None where they are plain, which at least `needed` values must be."""
    plain = NumberFormat("", ".")
    readings: dict[NumberFormat, tuple[str, ...]] = {}
    for candidate in _CANDIDATES:
        each = [number_reading(form, candidate) for form in forms]
        if all(each):
            readings[candidate] = tuple(filter(None, each))
    if plain in readings or (not readings and _mostly_plain(forms, plain, needed)):
        return None
    if not readings:
        told = all(any(number_reading(form, one) for one in _CANDIDATES) for form in forms)
        note = "text, since its numbers are written in several ways"
        return Decision(STRING, note=note) if told else None
    if len(set(readings.values())) > 1:
        ways = tuple(
            str(NumberFormat(candidate.group, candidate.decimal if "fraction" in read else ""))
            for candidate, read in sorted(readings.items(), key=lambda item: len(item[0].group), reverse=True)
        )
        simplest = dict(
            zip((readings[c] for c in sorted(readings, key=lambda c: -len(c.group))), ways, strict=True)
        )
        ways = tuple(simplest.values())
        return Decision(
            STRING,
            note=f"text, since its separators may be of thousands or of decimals ({' or '.join(ways)}); {CHOOSE}",
            alternatives=ways,
        )
    chosen, read = min(readings.items(), key=lambda item: len(item[0].group))
    whole = scale = 0
    for form, reading in zip(forms, read, strict=True):
        counted = forms[form]
        integer = reading == "integer"
        whole = max(whole, counted.whole + counted.scale if integer else counted.whole)
        scale = max(scale, 0 if integer else counted.scale)
    number = NumberFormat(chosen.group, chosen.decimal if "fraction" in read else "")
    if not number.decimal:
        kind = INT64 if whole < INT64_DIGITS else decimal_for(whole, 0)
    else:
        kind = decimal_for(whole, scale)
    if kind is None:
        return Decision(STRING, note="text, since its numbers have more digits than a decimal")
    return Decision(kind, str(number), f"numbers as {number}, which its values agree on")


def _mostly_plain(forms: Mapping[str, Form], plain: NumberFormat, needed: float) -> bool:
    """Whether enough values are plain numbers, and the others do not say that a point means anything else."""
    others = [form for form in forms if number_reading(form, plain) is None]
    read = sum(counted.values for form, counted in forms.items() if form not in others)
    return read >= needed and not any("." in separators_of(form) for form in others)


def separators_of(form: str) -> str:
    """The separators of a number's form: `.,` for `number 9.9,9 +-`."""
    return form[len(NUMBER) + 1 : -3].replace("9", "") if form.startswith(NUMBER) else ""
