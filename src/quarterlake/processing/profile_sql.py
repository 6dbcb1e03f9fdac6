"""The statements that a profile is made from, for any engine.

First the range of each column, then the values of each in bins that its range gives. Binning uses powers of two, whole numbers and
comparisons alone, which every engine computes to the same bit: so counts in bins are equal, whatever the engine, its threads and its files.
Mean and deviation come from sums of whole numbers, each value's distance from the middle of the range at a resolution of 2^-62 of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from quarterlake.domain.column_types import ColumnType, Kind

if TYPE_CHECKING:
    from quarterlake.processing.sql_dialects import SqlDialect

FINE_BINS = 1024
"""A column's values are counted in no more bins than this; quantiles are as exact as these bins."""
CANDIDATES = 200
"""A text column with no more distinct values than this, by estimate, has its values counted."""
MICROSECONDS = {Kind.DATE: 86_400_000_000, Kind.TIMESTAMP: 1}
"""What the unit of a column of dates (days) and of instants is."""
_SECOND = 1_000_000
_DAYS = (1, 3, 7, 14, 28, 84, 364, 1820, 3640, 18_200, 36_400)
WIDTHS = (
    *(_SECOND * seconds for seconds in (1, 5, 15, 60, 300, 900, 3600, 10_800, 21_600, 43_200)),
    *(_SECOND * 86_400 * days for days in _DAYS),
)
"""How wide bins of instants may be, in microseconds; those of dates from one day on."""
_LARGEST = 1.7976931348623157e308
_DOUBLE_BITS = 52
HALF_BITS = 31
"""So many bits do distances have before the point, and as many behind it."""
_FINEST = 930
"""The largest power of two that a double's distance is multiplied by; beyond it, doubles would overflow."""


@dataclass(frozen=True, slots=True)
class Profiled:
    """A column to profile. `pii` says that nothing but its nulls may be looked at."""

    name: str
    type: ColumnType
    pii: bool = False

    @property
    def is_time(self) -> bool:
        """Whether it holds dates or instants."""
        return self.type.kind in MICROSECONDS

    @property
    def has_range(self) -> bool:
        """Whether it has a least and a greatest value to profile."""
        return not self.pii and (self.type.is_number or self.is_time)

    @property
    def is_looked_at(self) -> bool:
        """Whether its values may be looked at, and are of a type that says something."""
        return not self.pii and self.type.kind is not Kind.NULL

    @property
    def is_text(self) -> bool:
        """Whether it holds texts whose lengths and values are looked at."""
        return not self.pii and self.type.kind is Kind.STRING


@dataclass(frozen=True, slots=True)
class Bins:
    """How values become whole numbers: `floor(value * scale) - first` for numbers, `(value - first) // width` for times.

    `centre` and `resolution` say how sums are taken; `resolution` is None where the bins are single values, which need none.
    """

    is_time: bool
    scale: Fraction
    first: int
    width: int
    count: int
    centre: float = 0.0
    resolution: Fraction | None = None

    @property
    def are_values(self) -> bool:
        """Whether each bin is one whole number."""
        return not self.is_time and self.scale == 1 and self.resolution is None


def bins_of(column: Profiled, low: Fraction, high: Fraction) -> Bins:
    """The bins of a column's values, or of the lengths of its texts, between the least and the greatest."""
    if column.is_time:
        return bins_of_times(column.type.kind, int(low), int(high))
    whole = column.type.kind is not Kind.FLOAT64 and column.type.scale == 0
    return bins_of_numbers(low, high, whole=whole)


def bins_of_numbers(low: Fraction, high: Fraction, *, whole: bool) -> Bins:
    """The bins of finite numbers between two."""
    exponent = 0 if whole else -_FINEST
    while _bin(high, exponent) - _bin(low, exponent) >= FINE_BINS:
        exponent += max(1, (_bin(high, exponent) - _bin(low, exponent)).bit_length() - FINE_BINS.bit_length())
    if whole and exponent == 0:
        return Bins(is_time=False, scale=Fraction(1), first=int(low), width=1, count=int(high) - int(low) + 1)
    # In bins finer than doubles are, their numbers would not be exact.
    exponent = max(exponent, _magnitude(max(abs(low), abs(high))) - _DOUBLE_BITS)
    scale = Fraction(2) ** -exponent
    first = _bin(low, exponent)
    count = _bin(high, exponent) - first + 1
    centre = float((low + high) / 2)
    half = max(high - Fraction(centre), Fraction(centre) - low)
    power = HALF_BITS - _magnitude(half)
    resolution = Fraction(2) ** min(power, _FINEST)
    return Bins(
        is_time=False, scale=scale, first=first, width=1, count=count, centre=centre, resolution=resolution
    )


def bins_of_times(kind: Kind, low: int, high: int) -> Bins:
    """The bins of dates or instants between two, in the column's unit since 1970."""
    unit = MICROSECONDS[kind]
    widths = [width // unit for width in WIDTHS if width >= unit]
    width = next((w for w in widths if high // w - low // w < FINE_BINS), widths[-1])
    first = low // width * width
    return Bins(is_time=True, scale=Fraction(1), first=first, width=width, count=(high - first) // width + 1)


def _bin(value: Fraction, exponent: int) -> int:
    return (value * Fraction(2) ** -exponent).__floor__()


def _magnitude(value: Fraction) -> int:
    """The least power of two that is not less than a value; -1100 for zero."""
    if value <= 0:
        return -1100
    guess = value.numerator.bit_length() - value.denominator.bit_length()
    return next(power for power in (guess - 1, guess, guess + 1) if Fraction(2) ** power >= value)


def range_parts(sql: SqlDialect, column: Profiled) -> list[str]:
    """The least and the greatest value of a column.

    Numbers as texts, times as whole numbers since 1970. For doubles of their finite values, followed by how many values are NaN, and how many finite.
    """
    name, kind = sql.identifier(column.name), column.type.kind
    if kind is Kind.FLOAT64:
        tame = _tame(name)
        return [
            f"min(CASE WHEN {tame} THEN {name} END)",
            f"max(CASE WHEN {tame} THEN {name} END)",
            f"count(CASE WHEN isnan({name}) THEN 1 END)",
            f"count(CASE WHEN {tame} THEN 1 END)",
        ]
    if column.is_time:
        return [sql.since_1970(f"{function}({name})", kind) for function in ("min", "max")]
    return [f"CAST({function}({name}) AS {sql.text})" for function in ("min", "max")]


def text_parts(sql: SqlDialect, column: Profiled) -> list[str]:
    """About how many values a text column has, and its shortest and longest length."""
    name = sql.identifier(column.name)
    return [f"approx_count_distinct({name})", f"min(length({name}))", f"max(length({name}))"]


def _tame(name: str) -> str:
    return f"{name} BETWEEN {double(-_LARGEST)} AND {double(_LARGEST)}"


def double(value: float) -> str:
    """A double as SQL, to the bit."""
    return f"CAST('{value!r}' AS DOUBLE)"


def frequencies_query(sql: SqlDialect, column: Profiled, table: str) -> str:
    """Each value of a column as text with how often it occurs, and two nulls."""
    name = sql.identifier(column.name)
    grouped = f"SELECT {name} AS _v, count(*) AS _n FROM {table} WHERE {name} IS NOT NULL GROUP BY {name}"
    return f"SELECT CAST(_v AS {sql.text}), _n, CAST(NULL AS {sql.text}), CAST(NULL AS {sql.text}) FROM ({grouped})"


def bins_query(sql: SqlDialect, column: Profiled, bins: Bins, table: str) -> str:
    """The number of each bin as text, how many values it has, and the sums of their distances from the centre and of the squares."""
    value, where = _value(sql, column)
    if bins.is_time:
        number = sql.quotient(f"({value} - {bins.first})", str(bins.width))
    elif bins.are_values:
        number = value
    else:
        number = f"CAST(floor(CAST({value} AS DOUBLE) * {double(float(bins.scale))}) AS BIGINT)"
    sums = f"CAST(NULL AS {sql.text}) AS _t, CAST(NULL AS {sql.text}) AS _q"
    if bins.resolution is not None:
        far = f"((CAST({value} AS DOUBLE) - {double(bins.centre)}) * {double(float(bins.resolution))})"
        distance = sql.long_sum(f"CAST(floor({far} * {double(2.0**HALF_BITS)}) AS BIGINT)")
        square = sql.long_sum(f"CAST(floor({far} * {far}) AS BIGINT)")
        sums = f"{distance} AS _t, {square} AS _q"
    grouped = f"SELECT {number} AS _b, count(*) AS _n, {sums} FROM {table} WHERE {where} GROUP BY 1"
    return (
        f"SELECT CAST(_b AS {sql.text}), _n, CAST(_t AS {sql.text}), CAST(_q AS {sql.text}) FROM ({grouped})"
    )


def moments(
    bins: Bins, count: int, distances: int, squares: int
) -> tuple[Fraction, Fraction] | tuple[None, None]:
    """Mean and variance from the sums of `bins_query`; None where there were none."""
    if bins.resolution is None:
        return None, None
    total = Fraction(distances, 2**HALF_BITS)
    mean = Fraction(bins.centre) + total / bins.resolution / count
    spread = max(squares - total * total / count, Fraction(0)) / bins.resolution**2
    return mean, spread / (count - 1) if count > 1 else Fraction(0)


def _value(sql: SqlDialect, column: Profiled) -> tuple[str, str]:
    """What is counted of a column, and the condition that there is such a value."""
    name, kind = sql.identifier(column.name), column.type.kind
    if kind is Kind.FLOAT64:
        return name, _tame(name)
    value = f"length({name})" if kind is Kind.STRING else name
    return sql.since_1970(name, kind) if column.is_time else value, f"{name} IS NOT NULL"
