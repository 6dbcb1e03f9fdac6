"""Profiling a table: which statements are asked of an engine, and what their answers say.

An engine gives `ask`, which answers statements of equal shape one after another or all at once.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from quarterlake.domain.column_types import ColumnType, Kind
from quarterlake.domain.profiles import MOST_FREQUENT, ColumnProfile, Frequency, Spread, TableProfile
from quarterlake.processing import profile_sql
from quarterlake.processing.profile_sql import Bins, Profiled, bins_of
from quarterlake.processing.small_profiles import counted_bins, counted_texts, values_query
from quarterlake.processing.spreads import day_of, spread_of

if TYPE_CHECKING:
    from quarterlake.domain.contract import Contract
    from quarterlake.processing.sql_dialects import SqlDialect

Row = Sequence[Any]
Ask = Callable[[Sequence[str]], Sequence[Sequence[Row]]]
"""The rows of each of some statements, which have the same columns where there are several."""

_COLUMNS_AT_ONCE = 200
_LONGEST_VALUE = 200
"""Characters; a column with a longer value is no label, and its values are not listed."""


@dataclass(slots=True)
class _Seen:
    """What is known of a column so far: its extremes as they were answered, and the bins or values that were counted."""

    column: Profiled
    present: int
    low: Any = None
    high: Any = None
    nan: int = 0
    finite: int = 0
    estimate: int = 0
    bins: Bins | None = None
    counted: list[Row] = field(default_factory=list)


def profile_table(
    sql: SqlDialect, name: str, columns: Sequence[Profiled], table: str, ask: Ask
) -> TableProfile:
    """The profile of a table with these columns."""
    rows, seen = _look(sql, columns, table, ask)
    return TableProfile(name, rows, tuple(_profile(each, rows) for each in seen))


def profile_small_table(
    sql: SqlDialect, name: str, columns: Sequence[Profiled], table: str, ask: Ask
) -> TableProfile:
    """The same profile, of a table with few rows."""
    profiles: list[ColumnProfile] = []
    rows = 0
    for some in _at_once(columns):
        [values] = ask([values_query(sql, some, table)])
        rows = len(values)
        held = zip(*values, strict=True) if values else ((),) * len(some)
        profiles += (_profile(_seen_in(*each), rows) for each in zip(some, held, strict=True))
    return TableProfile(name, rows, tuple(profiles))


def _at_once(columns: Sequence[Profiled]) -> Iterator[Sequence[Profiled]]:
    """The columns in parts that one statement looks at: each column of a statement takes memory."""
    for at in range(0, max(1, len(columns)), _COLUMNS_AT_ONCE):
        yield columns[at : at + _COLUMNS_AT_ONCE]


def _seen_in(column: Profiled, given: Sequence[Any]) -> _Seen:
    """What is known of a column whose values are all here."""
    values = [value for value in given if value is not None]
    seen = _Seen(column, len(values))
    if column.type.kind is Kind.BOOLEAN and not column.pii:
        seen.counted = [(str(value).lower(), count) for value, count in Counter(values).items()]
        return seen
    if column.type.kind is Kind.FLOAT64:
        seen.nan = sum(map(math.isnan, values))
        values = [value for value in values if math.isfinite(value)]
    if column.is_text:
        if (texts := counted_texts(values)) is not None:
            seen.counted = list(texts.items())
            return seen
        values = [len(value) for value in values]
    if values and (column.has_range or column.is_text):
        seen.finite = len(values)
        seen.bins, seen.low, seen.high, counted = counted_bins(column, values)
        seen.counted = list(counted)
    return seen


def profile_records(
    sql: SqlDialect, contract: Contract, table: str, ask: Ask
) -> tuple[TableProfile, dict[str, int]]:
    """The profile of a period's curated records, and their number by day of the record time; of that none where it is no column."""
    columns = [Profiled(column.name, column.type, column.pii) for column in contract.columns]
    rows, seen = _look(sql, columns, table, ask)
    profile = TableProfile(contract.dataset, rows, tuple(_profile(each, rows) for each in seen))
    days: Counter[str] = Counter()
    for each in seen:
        if each.column.name == contract.record_time and each.column.is_time and each.bins is not None:
            for number, count, *_ in each.counted:
                days[day_of(each.column.type, each.bins, int(number))] += int(count)
    return profile, dict(sorted(days.items()))


def _look(sql: SqlDialect, columns: Sequence[Profiled], table: str, ask: Ask) -> tuple[int, list[_Seen]]:
    """Rows, and all that is counted of each column."""
    rows, seen = _ranges(sql, columns, table, ask)
    queries: dict[str, _Seen] = {}
    for each in seen:
        if _is_listed(each):
            queries[profile_sql.frequencies_query(sql, each.column, table)] = each
        elif each.finite:
            each.bins = bins_of(each.column, Fraction(each.low), Fraction(each.high))
            queries[profile_sql.bins_query(sql, each.column, each.bins, table)] = each
    if queries:
        for each, counted in zip(queries.values(), ask(list(queries)), strict=True):
            each.counted = list(counted)
    return rows, seen


def _is_listed(seen: _Seen) -> bool:
    """Whether a column's values are counted one by one."""
    if seen.column.is_text:
        return 0 < seen.estimate <= profile_sql.CANDIDATES
    return seen.column.type.kind is Kind.BOOLEAN and not seen.column.pii and seen.present > 0


def published_columns(columns: Mapping[str, str]) -> list[Profiled]:
    """The columns of a published aggregate, from their types as Delta Lake names them; what has no type of ours gets counts alone."""
    return [Profiled(name, _published_type(kind)) for name, kind in columns.items()]


def _published_type(kind: str) -> ColumnType:
    names = {"long": "int64", "integer": "int64", "short": "int64", "byte": "int64", "double": "float64"}
    try:
        return ColumnType.parse(names.get(kind, kind))
    except ValueError:
        return ColumnType(Kind.NULL)


def _ranges(sql: SqlDialect, columns: Sequence[Profiled], table: str, ask: Ask) -> tuple[int, list[_Seen]]:
    """Rows, and what one look at each column says of it."""
    rows, seen = 0, []
    for some in _at_once(columns):
        parts = [_parts(sql, column) for column in some]
        wanted = ", ".join(["count(*)", *(part for each in parts for part in each)])
        [[answer]] = ask([f"SELECT {wanted} FROM {table}"])
        rows, answers = int(answer[0]), iter(answer[1:])
        for column, each in zip(some, parts, strict=True):
            present, *rest = itertools.islice(answers, len(each))
            seen.append(_ranged(_Seen(column, int(present)), rest))
    return rows, seen


def _parts(sql: SqlDialect, column: Profiled) -> list[str]:
    count = f"count({sql.identifier(column.name)})"
    if column.has_range:
        return [count, *profile_sql.range_parts(sql, column)]
    return [count, *profile_sql.text_parts(sql, column)] if column.is_text else [count]


def _ranged(seen: _Seen, answered: Sequence[Any]) -> _Seen:
    if not seen.present or not answered:
        return seen
    seen.finite = seen.present
    if seen.column.is_text:
        seen.estimate, seen.low, seen.high = answered
    else:
        seen.low, seen.high, *more = answered
        if more:
            seen.nan, seen.finite = more
    return seen


def _profile(seen: _Seen, rows: int) -> ColumnProfile:
    column = seen.column
    spread, lengths, distinct = None, None, None
    frequencies: tuple[Frequency, ...] = ()
    if seen.bins is not None:
        found = _spread(seen, seen.bins)
        spread, lengths = (None, found) if column.is_text else (found, None)
    elif seen.counted:
        distinct = len(seen.counted)
        frequencies = _frequencies(seen.counted)
        lengths = _lengths(seen.counted) if column.is_text else None
    return ColumnProfile(
        name=column.name,
        type=str(column.type),
        present=seen.present,
        nulls=rows - seen.present,
        pii=column.pii,
        distinct=distinct,
        nan=seen.nan,
        infinite=seen.present - seen.finite - seen.nan
        if seen.column.type.kind is Kind.FLOAT64 and not column.pii
        else 0,
        spread=spread,
        lengths=lengths,
        frequencies=frequencies,
    )


def _frequencies(counted: Sequence[Row]) -> tuple[Frequency, ...]:
    """The values, the most frequent first; none where there are too many or one is no label."""
    if len(counted) > MOST_FREQUENT or any(len(row[0]) > _LONGEST_VALUE for row in counted):
        return ()
    ordered = sorted(((str(row[0]), int(row[1])) for row in counted), key=lambda pair: (-pair[1], pair[0]))
    return tuple(Frequency(value, count) for value, count in ordered)


def _lengths(counted: Sequence[Row]) -> Spread:
    """The lengths of values whose numbers are known."""
    of_length: Counter[int] = Counter()
    for value, count, *_ in counted:
        of_length[len(value)] += int(count)
    low, high = min(of_length), max(of_length)
    bins = profile_sql.bins_of_numbers(Fraction(low), Fraction(high), whole=True)
    numbers: Counter[int] = Counter()
    for length, count in of_length.items():
        numbers[math.floor(length * bins.scale)] += count
    total = of_length.total()
    mean = Fraction(sum(length * count for length, count in of_length.items()), total)
    squares = sum(((length - mean) ** 2 * count for length, count in of_length.items()), Fraction(0))
    variance = squares / max(total - 1, 1)
    return spread_of(ColumnType(Kind.INT64), bins, low, high, numbers, (mean, variance))


def _spread(seen: _Seen, bins: Bins) -> Spread:
    kind = ColumnType(Kind.INT64) if seen.column.is_text else seen.column.type
    numbers = {int(row[0]): int(row[1]) for row in seen.counted}
    distances, squares = (sum(int(row[place] or 0) for row in seen.counted) for place in (2, 3))
    found = profile_sql.moments(bins, seen.finite, distances, squares)
    return spread_of(kind, bins, seen.low, seen.high, numbers, found)
