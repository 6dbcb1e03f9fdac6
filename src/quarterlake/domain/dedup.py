"""Which version of a record wins.

Only a key that the contract declares lets one version replace another. The order is total: the sequence column,
then the record time, then the order of landing, then the hash of the row, each with nulls first. So the winner does
not depend on the order in which rows are read, and rows that tie in all four are equal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SequenceValue = int | float | str | datetime | Decimal


@dataclass(frozen=True, slots=True)
class Version:
    """What decides between two records of one key. `landing` is the number of the landing that brought it."""

    sequence: SequenceValue | None
    time: datetime
    landing: int
    row_hash: str

    def rank(self) -> tuple[int, SequenceValue, datetime, int, str]:
        """Sorts versions from the oldest to the newest, for versions whose sequences are of one type; NaN is the newest."""
        if self.sequence is None:
            return (0, 0, self.time, self.landing, self.row_hash)
        if isinstance(self.sequence, float) and math.isnan(self.sequence):
            return (2, 0, self.time, self.landing, self.row_hash)
        return (1, self.sequence, self.time, self.landing, self.row_hash)


def newest(versions: Iterable[Version]) -> Version:
    """The version that wins; ValueError when there is none."""
    return max(versions, key=Version.rank)


def version_order(*, sequence: str | None, time: str, landing: str, row_hash: str) -> Sequence[str]:
    """The same order as SQL sort terms, newest first, over the given expressions."""
    terms = [sequence] if sequence else []
    return [f"{term} DESC NULLS LAST" for term in [*terms, time, landing, row_hash]]
