"""Which format a column's values agree on, whatever they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterlake.domain.forms import DIGITS, ISO, NUMBER, TIME, ZEROS, Decision, Form
from quarterlake.domain.number_forms import decide_numbers, separators_of
from quarterlake.domain.time_forms import decide_digits, decide_times

if TYPE_CHECKING:
    from collections.abc import Mapping


def decide(forms: Mapping[str, Form], present: int, share: float, name: str) -> Decision | None:
    """The format that a column's values agree on, of which `present` are no nulls; None where none of these forms matters.

    At least `share` of the values must be read by it. `name` is the column's, which alone lets integers be times.
    """
    needed = present * share
    if (
        _count(forms, DIGITS) >= needed
        and _count(forms, DIGITS)
        and (found := decide_digits(forms, needed, name))
    ):
        return found
    times = {form: count for form, count in forms.items() if form.startswith(TIME)}
    if sum(times[form].values for form in times if ISO not in form) and _count(times, TIME) >= needed:
        return decide_times(times, needed)
    numbers = {form: count for form, count in forms.items() if form.startswith((NUMBER, DIGITS))}
    if (
        ZEROS not in forms
        and any(separators_of(form) for form in numbers)
        and sum(f.values for f in numbers.values()) >= needed
    ):
        return decide_numbers(numbers, needed)
    return None


def _count(forms: Mapping[str, Form], kind: str) -> int:
    return sum(form.values for name, form in forms.items() if name.startswith(kind))
