"""How well what a reader gave agrees with the clean table, as the Pollock benchmark has it: of 10."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable

    from tests.pollution.pollutions import Polluted

MOST = 10


@dataclass(frozen=True)
class Read:
    """What a reader gave: the header (empty if it took none for one) and the records, as text, an empty text for nothing."""

    header: list[str]
    rows: list[list[str]]


def score(polluted: Polluted, read: Read | None) -> float:
    """One point for reading it at all, and three each for header, records and cells: precision, recall and F1.

    None stands for an error. A file without content is read right by whoever finds no record in it, or says so.
    """
    if not polluted.header and not polluted.rows:
        return MOST if read is None or not read.rows else 1
    if read is None:
        return 0
    header = 3.0 if polluted.header is None else _measures(polluted.header, read.header)
    records = _measures([tuple(row) for row in polluted.rows], [tuple(row) for row in read.rows])
    cells = _measures([c for row in polluted.rows for c in row], [c for row in read.rows for c in row])
    return 1 + header + records + cells


def _measures(expected: Collection[Hashable], given: Collection[Hashable]) -> float:
    """Precision, recall and their harmonic mean, added up."""
    if not expected:
        return 3.0 if not given else 0.0
    common = sum((Counter(expected) & Counter(given)).values())
    if not common:
        return 0.0
    precision, recall = common / len(given), common / len(expected)
    return precision + recall + 2 * precision * recall / (precision + recall)
