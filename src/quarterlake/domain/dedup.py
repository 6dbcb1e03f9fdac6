"""Which version of a record wins.

Only a key that the contract declares lets one version replace another. The order is total: the sequence column,
then the record time, then the order of landing, then the row's values, column by column, each with nulls first. So the
winner does not depend on the order in which rows are read, and rows that tie in all of them are equal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Value = bool | int | float | str | date | datetime | Decimal
Rank = tuple[int, Value]


@dataclass(frozen=True, slots=True)
class Version:
    """What decides between two records of one key. `landing` is the number of the landing that brought it."""

    sequence: Value | None
    time: datetime
    landing: int
    values: tuple[Value | None, ...] = ()

    def rank(self) -> tuple[Rank, datetime, int, tuple[Rank, ...]]:
        """Sorts versions from the oldest to the newest, for versions whose values are of the same types."""
        return (_rank(self.sequence), self.time, self.landing, tuple(map(_rank, self.values)))


def _rank(value: Value | None) -> Rank:
    """Null before everything, NaN after it."""
    if value is None:
        return (0, 0)
    if isinstance(value, float) and math.isnan(value):
        return (2, 0)
    return (1, value)


def newest(versions: Iterable[Version]) -> Version:
    """The version that wins; ValueError when there is none."""
    return max(versions, key=Version.rank)


def version_order(*, sequence: str | None, time: str, landing: str, values: Sequence[str]) -> Sequence[str]:
    """The same order as SQL sort terms, newest first, over the given expressions."""
    terms = [sequence] if sequence else []
    return [f"{term} DESC NULLS LAST" for term in [*terms, time, landing, *values]]
