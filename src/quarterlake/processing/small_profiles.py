"""Profiling a table of few rows in this process: one statement reads them all.

A statement a column costs milliseconds, and a published aggregate may have hundreds of columns. What is counted, and how, is what
`profile_sql` has the engines count.
"""

from __future__ import annotations

import math
from collections import Counter
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from quarterlake.domain.column_types import Kind
from quarterlake.processing.profile_sql import CANDIDATES, HALF_BITS, Bins, Profiled, bins_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterlake.processing.sql_dialects import SqlDialect

FEW_ROWS = 2_000
"""A table of no more rows is read whole: beyond some 4,000, statements are faster."""


def values_query(sql: SqlDialect, columns: Sequence[Profiled], table: str) -> str:
    """All values, a column each, as `seen_in` takes them: decimals as texts, times as whole numbers since 1970, those of no use as booleans."""
    return f"SELECT {', '.join(_selected(sql, column) for column in columns)} FROM {table}"


def _selected(sql: SqlDialect, column: Profiled) -> str:
    name = sql.identifier(column.name)
    if column.is_time and not column.pii:
        return sql.since_1970(name, column.type.kind)
    if column.type.kind is Kind.DECIMAL and not column.pii:
        return f"CAST({name} AS {sql.text})"
    return name if column.is_looked_at else f"CASE WHEN {name} IS NOT NULL THEN true END"


def counted_texts(values: Sequence[str]) -> Counter[str] | None:
    """Each text with how often it occurs; None where there are too many."""
    counts = Counter(values)
    return counts if len(counts) <= CANDIDATES else None


def counted_bins(
    column: Profiled, values: Sequence[Any]
) -> tuple[Bins, Any, Any, list[tuple[int, int, int, int]]]:
    """The bins of finite values, the least and the greatest value, and a row a bin as `bins_query` gives them."""
    numbers = [Decimal(value) for value in values] if column.type.kind is Kind.DECIMAL else values
    low, high = min(numbers), max(numbers)
    bins = bins_of(column, Fraction(low), Fraction(high))
    counts: Counter[int] = Counter(_number(bins, value) for value in numbers)
    distances = squares = 0
    if bins.resolution is not None:
        resolution = float(bins.resolution)
        for value in numbers:
            far = (float(value) - bins.centre) * resolution
            distances += math.floor(far * 2.0**HALF_BITS)
            squares += math.floor(far * far)
    (number, count), *others = counts.items()
    return bins, low, high, [(number, count, distances, squares), *((n, c, 0, 0) for n, c in others)]


def _number(bins: Bins, value: Any) -> int:
    if bins.is_time:
        return (int(value) - bins.first) // bins.width
    return int(value) if bins.are_values else math.floor(float(value) * float(bins.scale))
