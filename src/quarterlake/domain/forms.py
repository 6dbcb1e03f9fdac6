"""Which format a column's values agree on, where they are no ISO times and no plain numbers.

The values are counted by *form*: a short text that says how one is written. A form tells which formats read it:

- `number 9.9,9 +-`: separators in their order; then whether thousands could be grouped so (`+`: one to three digits before the
  first separator, no leading zero, three between separators) and whether exactly three digits come last;
- `time d/M/yyyy|M/d/yyyy + H:mm[:ss] + [ ][X]`: the formats of the date that read it, those of the time of day and of the offset;
- `digits yyyyMMdd`, `digits epoch_ms`: integers that could be times;
- `zeros`: integers such as `007`, which make a column text.

A format is taken only when the whole column agrees on it and no other reading is left; a column that could be read in two
ways stays text, and says so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from quarterlake.domain.column_types import (
    DATE,
    INT64,
    INT64_DIGITS,
    STRING,
    TIMESTAMP,
    ColumnType,
    decimal_for,
)
from quarterlake.domain.value_formats import NumberFormat, read_format

if TYPE_CHECKING:
    from collections.abc import Mapping

EPOCH_YEARS = "1990-2099"
"""An integer is taken for an epoch only where it lies in these years: the units' ranges do not overlap then."""

NUMBER, TIME, DIGITS = "number", "time", "digits"
ZEROS = "zeros"
"""The form of integers such as `007`, which are none."""
ISO = "iso"
"""The form of dates and timestamps that need no format."""

_CANDIDATES = [
    NumberFormat(group, decimal)
    for group in ("", ",", ".", " ", "'")
    for decimal in (".", ",")
    if group != decimal
]
_RIVALS = (
    ("d/M/yyyy", "M/d/yyyy"),
    ("d-M-yyyy", "M-d-yyyy"),
)
_CHOOSE = "name one as the property's quarterlake.format to choose"
_TIME_WORDS = frozenset(
    {
        "time",
        "timestamp",
        "ts",
        "date",
        "datetime",
        "at",
        "epoch",
        "day",
        "when",
        "unixtime",
        "created",
        "updated",
    }
)
_JOINED = re.compile(
    r".*(timestamp|datetime)|"
    r"(?:order|ship|due|birth|start|end|event|trade|invoice|payment|sale|sales|booking|created?|updated?|modified)(date|time)"
)
"""Names of times without a mark between their words; not `candidate`."""
_DAY_WORDS = frozenset({"date", "day", "datetime", "on", "yyyymmdd", "ymd"})


class Form(NamedTuple):
    """Values of one form: how many, and their most digits before and after the last separator."""

    values: int
    whole: int = 0
    scale: int = 0

    def plus(self, other: Form) -> Form:
        """Both together."""
        return Form(self.values + other.values, max(self.whole, other.whole), max(self.scale, other.scale))


def merged(left: Mapping[str, Form], right: Mapping[str, Form]) -> dict[str, Form]:
    """The forms of two parts of a column."""
    both = dict(left)
    for name, form in right.items():
        both[name] = both[name].plus(form) if name in both else form
    return both


@dataclass(frozen=True, slots=True)
class Decision:
    """What a column's forms say: its type and format, or with `STRING` why it is text, and how it might be read."""

    type: ColumnType
    format: str = ""
    note: str = ""
    alternatives: tuple[str, ...] = ()


def decide(forms: Mapping[str, Form], present: int, share: float, name: str) -> Decision | None:
    """The format that a column's values agree on, of which `present` are no nulls; None where none of these forms matters.

    At least `share` of the values must be read by it. `name` is the column's, which alone lets integers be times.
    """
    needed = present * share
    if _count(forms, DIGITS) >= needed and _count(forms, DIGITS) and (found := _digits(forms, needed, name)):
        return found
    times = {form: count for form, count in forms.items() if form.startswith(TIME)}
    if sum(times[form].values for form in times if ISO not in form) and _count(times, TIME) >= needed:
        return _times(times, needed)
    numbers = {form: count for form, count in forms.items() if form.startswith((NUMBER, DIGITS))}
    if (
        ZEROS not in forms
        and any(_separators(form) for form in numbers)
        and sum(f.values for f in numbers.values()) >= needed
    ):
        return _numbers(numbers, needed)
    return None


def plain_forms(
    integer: int, fraction: int, date: int, timestamp: int, *, whole: int, scale: int
) -> dict[str, Form]:
    """The forms of values that were only counted, all of them plain: as many of each as given."""
    found = {
        f"{NUMBER} 9 --": Form(integer, whole),
        f"{NUMBER} 9.9 --": Form(fraction, whole, scale),
        f"{TIME} {ISO}|yyyy-M-d +  + ": Form(date),
        f"{TIME} {ISO}": Form(timestamp),
    }
    return {name: form for name, form in found.items() if form.values}


def number_reading(form: str, number: NumberFormat) -> str | None:
    """How a format reads a number's form: `integer`, `fraction`, or None where it does not."""
    if form.startswith(DIGITS):
        return "integer"
    separators, flags = _separators(form), form[-2:]
    groups = flags[0] == "+"
    if not separators:
        return "integer"
    if set(separators) == {number.group} and flags == "++":
        return "integer"
    if separators[-1] != number.decimal or not set(separators[:-1]) <= {number.group}:
        return None
    return "fraction" if len(separators) == 1 or groups else None


def rival_of(format_text: str) -> tuple[str, str] | None:
    """How a format orders day and month, and the other order that its dates could be meant in; None where there is none."""
    for one, other in _RIVALS:
        for own, rival in ((one, other), (other, one)):
            if format_text.startswith(own):
                return own, rival
    return None


def only_as(forms: Mapping[str, Form], rival: str, own: str) -> int:
    """How many values are dates in one order of day and month, and none in the other."""
    heads = {form: _parts(form)[0] for form in forms if form.startswith(TIME)}
    return sum(forms[form].values for form, read in heads.items() if rival in read and own not in read)


def grouped_by_points(forms: Mapping[str, Form]) -> int:
    """How many values are numbers in which a point can only separate thousands: `1.234,56`, `1.234.567`."""
    found = 0
    for form, counted in forms.items():
        separators = _separators(form)
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
        note=f"text, since its points may be of thousands or of decimals ({thousands} or {plain}), and other columns have decimal commas; {_CHOOSE}",
        alternatives=(str(thousands), str(plain)),
    )


def named_like_time(name: str) -> bool:
    """Whether a column is named like a point in time, as `created_at`, `eventTime` or `ts`."""
    return not _words(name).isdisjoint(_TIME_WORDS)


def _words(name: str) -> set[str]:
    words = {word.casefold() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)}
    whole = re.sub(r"[^a-z]", "", name.casefold())
    joined = _JOINED.fullmatch(whole)
    return words | {whole} | ({joined[1] or joined[2]} if joined else set())


def _count(forms: Mapping[str, Form], kind: str) -> int:
    return sum(form.values for name, form in forms.items() if name.startswith(kind))


def _separators(form: str) -> str:
    """The separators of a number's form: `.,` for `number 9.9,9 +-`."""
    return form[len(NUMBER) + 1 : -3].replace("9", "") if form.startswith(NUMBER) else ""


def _digits(forms: Mapping[str, Form], needed: float, name: str) -> Decision | None:
    found = {
        form.removeprefix(f"{DIGITS} "): count for form, count in forms.items() if form.startswith(DIGITS)
    }
    for kind, count in found.items():
        whole_column = count.values == sum(form.values for form in forms.values())
        if kind.startswith("epoch") and whole_column and named_like_time(name):
            years = f"{kind} {EPOCH_YEARS}"
            return Decision(
                TIMESTAMP, years, f"integers in the range of {years}, in a column named like a time"
            )
        if (
            kind.startswith("yyyy")
            and count.values >= needed
            and not _words(name).isdisjoint(_DAY_WORDS | _TIME_WORDS)
        ):
            return Decision(
                DATE if kind == "yyyyMMdd" else TIMESTAMP,
                kind,
                "integers that are dates, in a column named like one",
            )
    return None


def _numbers(forms: Mapping[str, Form], needed: float) -> Decision | None:
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
            note=f"text, since its separators may be of thousands or of decimals ({' or '.join(ways)}); {_CHOOSE}",
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
    return read >= needed and not any("." in _separators(form) for form in others)


def _times(forms: Mapping[str, Form], needed: float) -> Decision | None:
    dates: dict[str, int] = {}
    days: dict[str, int] = {}
    offset = ""
    ways: dict[frozenset[str], int] = {}
    for form, counted in forms.items():
        heads, day, zone = _parts(form)
        days[day] = days.get(day, 0) + counted.values
        offset = offset or zone
        ways[heads] = ways.get(heads, 0) + counted.values
        for head in heads:
            dates[head] = dates.get(head, 0) + counted.values
    for one, other in _RIVALS:
        ambiguous = _rivalry(one, other, ways, days, offset)
        if ambiguous is not None and sum(n for heads, n in ways.items() if heads & {one, other}) >= needed:
            return ambiguous
    if dates.get(ISO, 0) >= needed:
        return None
    best = max(dates, key=lambda head: (dates[head], head))
    if dates[best] < needed:
        return Decision(STRING, note="text, since its dates are written in several ways")
    return _time_decision(best, days, offset)


def _rivalry(
    one: str, other: str, ways: Mapping[frozenset[str], int], days: Mapping[str, int], offset: str
) -> Decision | None:
    """Why two orders of day and month cannot be told apart, None where one of them alone is spoken for."""
    only_one = sum(count for heads, count in ways.items() if one in heads and other not in heads)
    only_other = sum(count for heads, count in ways.items() if other in heads and one not in heads)
    either = any(one in heads and other in heads for heads in ways)
    if only_one and only_other:
        return Decision(STRING, note=f"text, since some of its dates are {one} and others {other}; {_CHOOSE}")
    if either and not only_one and not only_other:
        full = tuple(_time_decision(head, days, offset).format for head in (one, other))
        return Decision(
            STRING,
            note=f"text, since no date in it tells {one} from {other}; {_CHOOSE}",
            alternatives=full,
        )
    return None


def _time_decision(head: str, days: Mapping[str, int], offset: str) -> Decision:
    with_time = [day for day in days if day]
    if not with_time:
        return Decision(DATE, head, f"dates as {head}, which its values agree on")
    if len(with_time) > 1:
        return Decision(STRING, note="text, since its times are written in several ways")
    pattern = with_time[0] + (f"[{offset}]" if offset else "")
    pattern = head + (f"[{pattern}]" if "" in days else pattern)
    read_format(pattern)
    return Decision(TIMESTAMP, pattern, f"times as {pattern}, which its values agree on")


def _parts(form: str) -> tuple[frozenset[str], str, str]:
    head, _, rest = form.removeprefix(f"{TIME} ").partition(" + ")
    day, _, zone = rest.partition(" + ")
    return frozenset(head.split("|")), day, zone
