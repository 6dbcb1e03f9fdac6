"""Periods: months, quarters and years, half-open and in UTC.

A period's name (`2026-07`, `2026-Q3`, `2026`) is what partitions, keys and releases carry.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import lru_cache

from quarterlake.domain.errors import UsageError

MIN_YEAR = 1
MAX_YEAR = 9998  # so that every period's end is still a datetime

_NAME = re.compile(r"([0-9]{4})(?:-(?:([0-9]{2})|[Qq]([1-4])))?")


class PeriodKind(StrEnum):
    """The lengths that a period can have."""

    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"

    @property
    def months(self) -> int:
        """How many months it spans."""
        return _MONTHS[self]


_MONTHS = {PeriodKind.MONTH: 1, PeriodKind.QUARTER: 3, PeriodKind.YEAR: 12}


@dataclass(frozen=True, order=True, slots=True)
class Period:
    """A calendar month, quarter or year in UTC: `start` belongs to it, `end` does not.

    Periods sort by start, then from short to long: the kinds' names sort that way too. Make one with `parse`
    or `of`; the constructor takes only a start that is one and raises ValueError otherwise.
    """

    start: datetime
    kind: PeriodKind

    def __post_init__(self) -> None:
        if self.start != _begin(_utc(self.start), self.kind):
            raise ValueError(f"{self.start.isoformat()} does not begin a {self.kind}; use Period.of")

    @classmethod
    def parse(cls, text: str) -> Period:
        """The period that is named `text`: `2026-07`, `2026-Q3` (or `q3`) or `2026`.

        Raises:
            UsageError: `text` names no period.
        """
        return _parse(text)

    @classmethod
    def of(cls, instant: datetime | date, kind: PeriodKind) -> Period:
        """The period of this kind that `instant` lies in; a date stands for its midnight in UTC.

        Raises:
            ValueError: a datetime has no time zone, or its year in UTC is outside 1 to 9998.
        """
        return cls(_begin(_utc(instant), kind), kind)

    @property
    def end(self) -> datetime:
        """The first instant after the period."""
        return _month_start(_months_since_zero(self.start) + self.kind.months)

    @property
    def name(self) -> str:
        """`2026-07`, `2026-Q3` or `2026`; `parse` reads it back."""
        year, month = self.start.year, self.start.month
        if self.kind is PeriodKind.MONTH:
            return f"{year:04d}-{month:02d}"
        if self.kind is PeriodKind.QUARTER:
            return f"{year:04d}-Q{(month + 2) // 3}"
        return f"{year:04d}"

    def __str__(self) -> str:
        return self.name

    def contains(self, instant: datetime | date) -> bool:
        """Whether `instant` lies in the period; a date stands for its midnight in UTC.

        Raises:
            ValueError: a datetime has no time zone.
        """
        return self.start <= _aware(instant) < self.end

    def next(self) -> Period:
        """The period of the same kind right after this one.

        Raises:
            ValueError: it would lie after the year 9998.
        """
        return self._moved(1)

    def previous(self) -> Period:
        """The period of the same kind right before this one.

        Raises:
            ValueError: it would lie before the year 1.
        """
        return self._moved(-1)

    def split(self, kind: PeriodKind) -> tuple[Period, ...]:
        """The periods of this kind that it consists of, in order: a quarter's three months.

        Raises:
            ValueError: `kind` is larger than the period.
        """
        if kind.months > self.kind.months:
            raise ValueError(f"the {self.kind} {self} cannot be split into {kind}s; use widen")
        first = _months_since_zero(self.start)
        return tuple(
            Period(_month_start(month), kind) for month in range(first, first + self.kind.months, kind.months)
        )

    def widen(self, kind: PeriodKind) -> Period:
        """The period of this kind that it lies in: a month's quarter.

        Raises:
            ValueError: `kind` is smaller than the period.
        """
        if kind.months < self.kind.months:
            raise ValueError(f"the {self.kind} {self} does not lie in one {kind}; use split")
        return Period.of(self.start, kind)

    def _moved(self, steps: int) -> Period:
        return Period(_month_start(_months_since_zero(self.start) + steps * self.kind.months), self.kind)


@lru_cache(maxsize=4096)
def _parse(text: str) -> Period:
    found = _NAME.fullmatch(text)
    if found is None:
        raise _no_period(text)
    year, month, quarter = found.groups()
    first_month = int(month or 3 * int(quarter or 1) - 2)
    kind = PeriodKind.MONTH if month else PeriodKind.QUARTER if quarter else PeriodKind.YEAR
    try:
        return Period(datetime(int(year), first_month, 1, tzinfo=UTC), kind)
    except ValueError:
        raise _no_period(text) from None


def _no_period(text: str) -> UsageError:
    return UsageError(
        f"{text!r} names no period: write a month as 2026-07, a quarter as 2026-Q3 or a year as 2026 "
        f"(years {MIN_YEAR:04d} to {MAX_YEAR})"
    )


def _aware(instant: datetime | date) -> datetime:
    if not isinstance(instant, datetime):
        return datetime(instant.year, instant.month, instant.day, tzinfo=UTC)
    if instant.utcoffset() is None:
        raise ValueError(f"{instant.isoformat()} has no time zone, so its period is unknown; give it one")
    return instant


def _utc(instant: datetime | date) -> datetime:
    try:
        return _aware(instant).astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{instant.isoformat()} is out of range in UTC; {_RANGE}") from None


def _begin(instant: datetime, kind: PeriodKind) -> datetime:
    months = _months_since_zero(instant)
    return _month_start(months - months % kind.months, last_year=MAX_YEAR)


def _months_since_zero(instant: datetime) -> int:
    return instant.year * 12 + instant.month - 1


def _month_start(months: int, last_year: int = MAX_YEAR + 1) -> datetime:
    year, month = divmod(months, 12)
    if not MIN_YEAR <= year <= last_year:
        raise ValueError(f"no period begins in the year {year}; {_RANGE}")
    return datetime(year, month + 1, 1, tzinfo=UTC)


_RANGE = f"periods lie in the years {MIN_YEAR} to {MAX_YEAR}"
