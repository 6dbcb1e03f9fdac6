"""From counted bins to a spread: mean, deviation, quantiles, and the histogram that people see."""

from __future__ import annotations

import math
import sys
from bisect import bisect_right
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from quarterlake.domain.column_types import ColumnType, Kind
from quarterlake.domain.profiles import QUANTILES, Histogram, Quantiles, Spread, Value
from quarterlake.processing.profile_sql import MICROSECONDS, WIDTHS, Bins

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SHOWN_BINS = 32
"""A histogram has no more bars than this."""
_SECOND = 1_000_000
_LARGEST = Fraction(sys.float_info.max)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_ONE = date(1970, 1, 1)


def spread_of(
    kind: ColumnType,
    bins: Bins,
    low: Any,
    high: Any,
    counted: Mapping[int, int],
    found: tuple[Fraction, Fraction] | tuple[None, None],
) -> Spread:
    """The spread of a column from its extremes, the counts of its bins, and mean and variance where they were summed up."""
    numbers = sorted(counted)
    counts = [counted[number] for number in numbers]
    edges = [_edge(bins, number) for number in numbers]
    width = _width(bins)
    mean, variance = found if found[0] is not None else _moments(bins, edges, counts, width)
    mean = min(max(mean, Fraction(low)), Fraction(high))
    return Spread(
        min=_extreme(kind, low),
        max=_extreme(kind, high),
        mean=_value(kind, mean),
        deviation=_deviation(kind, variance, sum(counts)),
        quantiles=_quantiles(kind, bins, edges, counts, (Fraction(low), Fraction(high))),
        histogram=_histogram(kind, bins, numbers, counts),
    )


def day_of(kind: ColumnType, bins: Bins, number: int) -> str:
    """The day in UTC that a bin of instants, no wider than a day, begins in."""
    day = _edge(bins, number) * MICROSECONDS[kind.kind] // MICROSECONDS[Kind.DATE]
    return _day(day)


def _edge(bins: Bins, number: int) -> Fraction:
    """Where a bin begins, in the column's unit."""
    if bins.is_time:
        return Fraction(bins.first + number * bins.width)
    return Fraction(number) / bins.scale


def _width(bins: Bins) -> Fraction:
    return Fraction(bins.width) / bins.scale


def _moments(
    bins: Bins, edges: list[Fraction], counts: list[int], width: Fraction
) -> tuple[Fraction, Fraction]:
    """Mean and variance of values of which each bin is one, or of times, which are taken to lie in the middle of their bins."""
    middle = width / 2 if bins.is_time and width > 1 else Fraction(0)
    total = sum(counts)
    mean = sum(((e + middle) * c for e, c in zip(edges, counts, strict=True)), Fraction(0)) / total
    squares = sum(((e + middle - mean) ** 2 * c for e, c in zip(edges, counts, strict=True)), Fraction(0))
    return mean, squares / (total - 1) if total > 1 else Fraction(0)


def _quantiles(
    kind: ColumnType, bins: Bins, edges: list[Fraction], counts: list[int], ends: tuple[Fraction, Fraction]
) -> Quantiles:
    """By linear interpolation (Hyndman and Fan's type 7); within a bin, values are taken to lie evenly."""
    total, reached = sum(counts), list(accumulate(counts))
    width = Fraction(0) if bins.are_values or (bins.is_time and bins.width == 1) else _width(bins)

    rounds = width > 0 and kind.kind is Kind.INT64

    def ranked(rank: int) -> Fraction:
        place = bisect_right(reached, rank)
        inside = Fraction(2 * (rank - reached[place] + counts[place]) + 1, 2 * counts[place])
        return min(max(edges[place] + width * inside, ends[0]), ends[1])

    found = []
    for share in QUANTILES:
        position = Fraction(str(share)) * (total - 1)
        below = math.floor(position)
        low, high = ranked(below), ranked(min(below + 1, total - 1))
        exact = low + (high - low) * (position - below)
        found.append(_value(kind, Fraction(round(exact)) if rounds else exact))
    return Quantiles(tuple(found), float(_seconds(kind, width)))


def _factor(kind: ColumnType, bins: Bins) -> int:
    """How many bins make a bar of the histogram."""
    if bins.is_time:
        widths = [width // MICROSECONDS[kind.kind] for width in WIDTHS]
        whole = [width // bins.width for width in widths if width and width % bins.width == 0]
        return next(
            (n for n in whole if bins.count <= n * (SHOWN_BINS - 1)), -(-bins.count // (SHOWN_BINS - 1))
        )
    factor = 1
    while bins.count > SHOWN_BINS and bins.count > factor * (SHOWN_BINS - 1):
        factor *= 2
    return factor


def _histogram(kind: ColumnType, bins: Bins, numbers: list[int], counts: list[int]) -> Histogram:
    """The bins, several to a bar; a bar begins at a multiple of its width."""
    factor = _factor(kind, bins)
    # The bins of times are numbered from the first one.
    start = bins.first // bins.width if bins.is_time else 0
    first, last = ((start + number) // factor for number in (numbers[0], numbers[-1]))
    bars = [0] * (last - first + 1)
    for number, count in zip(numbers, counts, strict=True):
        bars[(start + number) // factor - first] += count
    edges = (_edge(bins, (first + i) * factor - start) for i in range(len(bars) + 1))
    return Histogram(tuple(_value(kind, edge) for edge in edges), tuple(bars))


def _deviation(kind: ColumnType, variance: Fraction, count: int) -> float | None:
    if count < 2:  # noqa: PLR2004 - a sample of one has no deviation
        return None
    # A variance may be no double where its root is one.
    power = (variance.numerator.bit_length() - variance.denominator.bit_length()) // 2
    root = Fraction(math.sqrt(variance / Fraction(4) ** power)) * Fraction(2) ** power
    return float(min(_seconds(kind, root), _LARGEST))


def _seconds(kind: ColumnType, length: Fraction) -> Fraction:
    """A length in the column's unit; of time in seconds."""
    unit = MICROSECONDS.get(kind.kind)
    return length if unit is None else length * unit / _SECOND


def _extreme(kind: ColumnType, answered: Any) -> Value:
    """A least or greatest value, exactly as the column has it; of two zeros the positive, as neither is less."""
    if kind.kind is Kind.FLOAT64:
        return float(answered) + 0.0
    if kind.kind is Kind.DECIMAL:
        return str(answered)
    return _value(kind, Fraction(answered))


def _value(kind: ColumnType, value: Fraction) -> Value:
    if (write := _TIMES.get(kind.kind)) is not None:
        return write(math.floor(value))
    if kind.kind is Kind.INT64 and value.denominator == 1:
        return int(value)
    return float(min(max(value, -_LARGEST), _LARGEST))


def _instant(microseconds: int) -> str:
    try:
        moment = _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return f"{microseconds / _SECOND:.0f} s after 1970"
    return moment.isoformat(timespec="microseconds" if moment.microsecond else "seconds").replace(
        "+00:00", "Z"
    )


def _day(days: int) -> str:
    try:
        return (_DAY_ONE + timedelta(days=days)).isoformat()
    except OverflowError:
        return f"{days} days after 1970"


_TIMES: Mapping[Kind, Callable[[int], str]] = {Kind.DATE: _day, Kind.TIMESTAMP: _instant}
