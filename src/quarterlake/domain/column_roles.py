"""Which columns are the record time, a key and dimensions, by their names and values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quarterlake.domain.column_types import ColumnType, Kind
from quarterlake.domain.inference import TYPED_SHARE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DIMENSION_VALUES = 50
DIMENSION_COMBINATIONS = 10_000
ROWS_A_VALUE = 2


@dataclass(frozen=True, slots=True)
class TimeCandidate:
    """A column that could be the record time.

    `in_name` is the share of sampled values inside the period that the file's name gives, `near_name` of those within a quarter of it; both None when no name has a timestamp.
    """

    name: str
    type: ColumnType
    nulls: int
    in_name: float | None = None
    near_name: float | None = None


_TIME_NAMES = (
    r"(event|record|observation)_?(time|timestamp|at|date)",
    r"timestamp|time_?stamp|ts|datetime|date_?time",
    r"(order(ed)?|occurred|happened|measured|observed|sold|shipped|departed)_?(at|time|on|date)",
    r"created_?(at|on|time|date)?",
    r"date|time|day",
    r".*(_at|_ts|_time|time_.*|_timestamp|_on)",
    r".*_?date",
)


def choose_record_time(candidates: Sequence[TimeCandidate]) -> tuple[str | None, str]:
    """The column that puts a record into a period, and why; None for the timestamp in the file's name.

    The file's name decides first: a column whose values do not lie near it (a birth date) is not the record time, and
    among several the one that agrees best is. Then never null before null, the usual names, and timestamps before dates.
    """
    near = [c for c in candidates if c.near_name is None or c.near_name >= TYPED_SHARE]
    if not near:
        if candidates:
            return (
                None,
                "record time: the file's name, since no time column's values lie near the timestamp in it",
            )
        return None, "record time: the file's name, since no column is a date or a timestamp"
    best = min(near, key=_time_rank)
    others = ", ".join(c.name for c in near if c is not best)
    why = f"record time: {best.name}"
    if best.in_name is not None:
        why += f", {best.in_name:.0%} of whose sampled values lie in the period of the file's name"
    if others:
        why += f" (other candidates: {others}; name one in a contract if this is wrong)"
    return best.name, why


def _time_rank(candidate: TimeCandidate) -> tuple[float, bool, int, bool]:
    name = candidate.name.casefold()
    rank = next((i for i, form in enumerate(_TIME_NAMES) if re.fullmatch(form, name)), len(_TIME_NAMES))
    agreement = -round(candidate.in_name or 0.0, 1)
    return agreement, candidate.nulls > 0, rank, candidate.type.kind is not Kind.TIMESTAMP


_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_ANY_KEY = frozenset({"id", "uuid", "guid", "key", "record_id", "event_id", "row_id"})
_KEY_ENDS = ("_id", "id", "_uuid", "_guid", "_key", "key", "_no", "_number")
_REFERS = re.compile(r".+_(id|uuid|guid|key|no|number)")


def looks_like_key(name: str, dataset: str) -> bool:
    """Whether a column is named like the identifier of its data set's records, not of something they refer to.

    How its words are set apart does not matter: `order_id`, `orderId`, `Order ID`.
    """
    words, plural = _joined(name), dataset.rstrip("0123456789_")
    singular = f"{plural[:-3]}y" if plural.endswith("ies") else plural.removesuffix("s")
    if words in _ANY_KEY or words in {
        f"{one}{end}" for one in (dataset, plural, singular) for end in _KEY_ENDS
    }:
        return True
    tpc = rf"{re.escape(dataset[:1])}_{re.escape(singular)}(key|id)"  # TPC's o_orderkey
    return bool(re.fullmatch(tpc, words))


def looks_like_reference(name: str) -> bool:
    """Whether a column is named like an identifier, if only of something that records refer to."""
    return bool(_REFERS.fullmatch(_joined(name)))


def _joined(name: str) -> str:
    """The words of a name, in lower case, with underscores between."""
    return "_".join(_WORDS.findall(name)).lower()


def choose_dimensions(distinct: Mapping[str, int], rows: int) -> tuple[str, ...]:
    """The columns that the zero-config summary groups by, of those whose distinct values are given.

    Those with the fewest values first, while the product of the counts (a null is a value) stays below
    `DIMENSION_COMBINATIONS`; a column must repeat its values, or a summary would list the records again.
    """
    chosen: list[str] = []
    combinations = 1
    for name, values in sorted(distinct.items(), key=lambda item: (item[1], item[0])):
        repeats = values * ROWS_A_VALUE <= rows
        if (
            1 <= values <= DIMENSION_VALUES
            and repeats
            and combinations * (values + 1) <= DIMENSION_COMBINATIONS
        ):
            chosen.append(name)
            combinations *= values + 1
    return tuple(chosen)
