"""The format of dates and times that a column's forms agree on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from quarterlake.domain.column_types import DATE, STRING, TIMESTAMP
from quarterlake.domain.forms import CHOOSE, DIGITS, ISO, TIME, Decision, Form
from quarterlake.domain.value_formats import read_format

if TYPE_CHECKING:
    from collections.abc import Mapping

EPOCH_YEARS = "1990-2099"
"""An integer is taken for an epoch only where it lies in these years: the units' ranges do not overlap then."""
_RIVALS = (
    ("d/M/yyyy", "M/d/yyyy"),
    ("d-M-yyyy", "M-d-yyyy"),
)
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


def named_like_time(name: str) -> bool:
    """Whether a column is named like a point in time, as `created_at`, `eventTime` or `ts`."""
    return not _words(name).isdisjoint(_TIME_WORDS)


def decide_digits(forms: Mapping[str, Form], needed: float, name: str) -> Decision | None:
    """What the integers of a column with this name are, if times: epochs where all its values are, dates where at least `needed` are."""
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


def decide_times(forms: Mapping[str, Form], needed: float) -> Decision | None:
    """The format that at least `needed` values of some forms of times agree on, or why there is none; None where they need none."""
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
        return Decision(STRING, note=f"text, since some of its dates are {one} and others {other}; {CHOOSE}")
    if either and not only_one and not only_other:
        full = tuple(_time_decision(head, days, offset).format for head in (one, other))
        return Decision(
            STRING,
            note=f"text, since no date in it tells {one} from {other}; {CHOOSE}",
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


def _words(name: str) -> set[str]:
    words = {word.casefold() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)}
    whole = re.sub(r"[^a-z]", "", name.casefold())
    joined = _JOINED.fullmatch(whole)
    return words | {whole} | ({joined[1] or joined[2]} if joined else set())


def _parts(form: str) -> tuple[frozenset[str], str, str]:
    head, _, rest = form.removeprefix(f"{TIME} ").partition(" + ")
    day, _, zone = rest.partition(" + ")
    return frozenset(head.split("|")), day, zone
