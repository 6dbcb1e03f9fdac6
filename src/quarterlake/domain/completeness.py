"""Which periods are complete, and what the others still lack."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from quarterlake.domain.periods import Period, PeriodKind

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

SUBSTANTIAL_SHARE = 0.01
"""A later month closes a period when it holds at least this share of a usual month's records."""


@dataclass(frozen=True, slots=True)
class Completeness:
    """A period with the months that landed, those it still lacks, and whether anything can still come."""

    period: Period
    landed: tuple[str, ...]
    lacking: tuple[str, ...]
    closed: bool

    @property
    def is_complete(self) -> bool:
        """Whether the period may be published without the user saying so."""
        return not self.lacking and self.closed

    @property
    def waits_for(self) -> str:
        """What is missing, for people; empty when complete."""
        if self.lacking:
            return "no records for " + ", ".join(self.lacking)
        return "" if self.closed else f"open until {self.period.end:%Y-%m-%d} or until a later month lands"


def assess(
    records_by_month: Mapping[str, int],
    *,
    publish: PeriodKind,
    ingest: PeriodKind,
    now: datetime,
    named: Collection[str] = (),
) -> list[Completeness]:
    """The periods that hold any record, in order.

    A period is complete when each of its ingest periods has landed (has records, or a readable file named for it, as `named`
    says) and either the calendar is past its end or a
    later month has landed too. A stray record closes nothing: a month counts as later only when a live file's name
    says so (`named`) or when it has at least two records and `SUBSTANTIAL_SHARE` of the median month's.
    """
    months = {Period.parse(month): count for month, count in records_by_month.items() if count > 0}
    if not months:
        return []
    usual = median([c for c in months.values() if c > 1] or [0])
    substantial = [
        m for m, count in months.items() if m.name in named or count >= max(2.0, usual * SUBSTANTIAL_SHARE)
    ]
    last_start = max((month.start for month in substantial), default=None)
    periods = sorted({month.widen(publish) for month in months})
    return [
        _assess_one(period, months, ingest, named=named, now=now, last_start=last_start) for period in periods
    ]


def _assess_one(
    period: Period,
    months: Collection[Period],
    ingest: PeriodKind,
    *,
    named: Collection[str],
    now: datetime,
    last_start: datetime | None,
) -> Completeness:
    landed = tuple(month.name for month in sorted(months) if month.widen(period.kind) == period)
    arrived = {month.widen(ingest) for month in months} | {Period.parse(name) for name in named}
    lacking = tuple(part.name for part in period.split(ingest) if part not in arrived)
    closed = now >= period.end or (last_start is not None and last_start >= period.end)
    return Completeness(period, landed, lacking, closed)
