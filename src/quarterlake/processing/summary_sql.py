"""The zero-config aggregate: one row per combination of the contract's dimensions.

Sums are exact; mean and standard deviation come from the exact sums of x and x², so that neither threads nor file sizes change a
digit: var = (n Σx² - (Σx)²) / (n (n - 1)), the sample variance. Doubles, and numbers whose squares would leave 128 bits, are
aggregated by one thread over the sorted rows instead. Quartiles are exact, interpolated linearly (Hyndman and Fan's type 7).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from quarterlake.domain.column_types import Kind
from quarterlake.processing.dialect import unique_names
from quarterlake.processing.sql import identifier, literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterlake.domain.contract import Column, Contract

EXACT = "summary_exact"
ORDERED = "summary_ordered"
_HUGEINT_LIMIT = 2**126
_SHORT_DECIMAL = 18


@dataclass(frozen=True, slots=True)
class Measure:
    """A number column, and whether the sums of its squares fit into 128 bits."""

    column: Column
    exact: bool

    @property
    def name(self) -> str:
        """Its quoted name."""
        return identifier(self.column.name)


def measured_columns(contract: Contract) -> list[Column]:
    """The numbers that a summary describes: all but keys, PII and dimensions."""
    left_out = {*contract.key, *(contract.dimensions or ())}
    return [c for c in contract.columns if c.type.is_number and not c.pii and c.name not in left_out]


def ranges_query(columns: Sequence[Column], view: str) -> str:
    """One row: the number of records, then the largest magnitude of each exact number as text."""
    parts = [
        "count(*)",
        *(
            f"CAST(greatest(abs(CAST(min({n}) AS DECIMAL(38, {c.type.scale}))), abs(CAST(max({n}) AS DECIMAL(38, {c.type.scale})))) AS VARCHAR)"
            for c in columns
            if c.type.kind is not Kind.FLOAT64 and (n := identifier(c.name))
        ),
    ]
    return f"SELECT {', '.join(parts)} FROM {view}"


def measures(columns: Sequence[Column], ranges: Sequence[object]) -> list[Measure]:
    """Which columns can be summed exactly, squares included, from the row of `ranges_query`."""
    count = int(str(ranges[0]))
    largest = iter(ranges[1:])
    return [
        Measure(
            c, exact=c.type.kind is not Kind.FLOAT64 and _fits(c, count, Decimal(str(next(largest) or 0)))
        )
        for c in columns
    ]


def _fits(column: Column, count: int, largest: Decimal) -> bool:
    unscaled = int(largest.scaleb(column.type.scale))
    short = unscaled < 10**_SHORT_DECIMAL
    return short and (count * unscaled) ** 2 < _HUGEINT_LIMIT


def exact_query(dimensions: Sequence[str], measured: Sequence[Measure], view: str) -> str:
    """Counts, exact sums, extremes by combination of dimensions."""
    parts = [*map(identifier, dimensions), "count(*) AS n"]
    for position, measure in enumerate(measured):
        name = measure.name
        parts += [
            f"count({name}) AS c{position}",
            f"min({name}) AS lo{position}",
            f"max({name}) AS hi{position}",
        ]
        if measure.column.type.kind is not Kind.FLOAT64:
            parts.append(f"CAST(sum({name}) AS DECIMAL(38, {measure.column.type.scale})) AS s{position}")
        if measure.exact:
            parts.append(f"sum({_square(measure)}) AS q{position}")
    return f"SELECT {', '.join(parts)} FROM {view} {_group_by(dimensions)}"


def _square(measure: Measure) -> str:
    kind = measure.column.type
    if kind.kind is Kind.INT64:
        return f"CAST({measure.name} AS HUGEINT) * {measure.name}"
    short = f"CAST({measure.name} AS DECIMAL({_SHORT_DECIMAL}, {kind.scale}))"
    return f"{short} * {short}"


def ordered_query(dimensions: Sequence[str], measured: Sequence[Measure], view: str) -> str | None:
    """Sums, means and deviations of the columns that are not exact, to be run by one thread; None when there are none."""
    inexact = [(position, measure) for position, measure in enumerate(measured) if not measure.exact]
    if not inexact:
        return None
    parts = [*map(identifier, dimensions)]
    for position, measure in inexact:
        value = f"CAST({measure.name} AS DOUBLE)"
        tame = f"{value} BETWEEN -1e150 AND 1e150"  # beyond it, squares are no doubles; NaN and infinities are not between
        wild = f"count(*) FILTER ({measure.name} IS NOT NULL AND NOT ({tame})) > 0"
        parts += [
            f"CASE WHEN {wild} THEN CAST('NaN' AS DOUBLE) ELSE sum({value}) FILTER ({tame}) END AS s{position}",
            f"CASE WHEN {wild} THEN CAST('NaN' AS DOUBLE) ELSE avg({value}) FILTER ({tame}) END AS m{position}",
            f"CASE WHEN {wild} THEN CAST('NaN' AS DOUBLE) ELSE stddev_samp({value}) FILTER ({tame}) END AS d{position}",
        ]
    return f"SELECT {', '.join(parts)} FROM {view} {_group_by(dimensions)}"


def quartiles_query(dimensions: Sequence[str], measure: Measure, view: str) -> str:
    """The quartiles of one column as a list `q`, by a hash aggregate that keeps all its values in memory."""
    value = f"CAST({measure.name} AS DOUBLE)"
    return f"SELECT {_list(dimensions)}quantile_cont({value}, [0.25, 0.5, 0.75]) AS q FROM {view} {_group_by(dimensions)}"


def spilling_quartiles_query(dimensions: Sequence[str], measure: Measure, view: str) -> str:
    """The same by a sort, which spills to disk: for more values than memory holds."""
    value = f"CAST({measure.name} AS DOUBLE)"
    partition = f"PARTITION BY {', '.join(map(identifier, dimensions))} " if dimensions else ""
    ranked = (
        f"SELECT {_list(dimensions)}{value} AS x, row_number() OVER ({partition}ORDER BY {value}) - 1 AS place, "
        f"count(*) OVER ({partition.strip()}) - 1 AS last FROM {view} WHERE {measure.name} IS NOT NULL"
    )
    picked = []
    for share in ("0.25", "0.5", "0.75"):
        at = f"CAST(last AS DOUBLE) * {share}"
        low, high = (
            f"max(CASE WHEN place = CAST({function}({at}) AS BIGINT) THEN x END)"
            for function in ("floor", "ceil")
        )
        fraction = f"max({at} - floor({at}))"
        picked.append(f"CASE WHEN {low} = {high} THEN {low} ELSE {low} + ({high} - {low}) * {fraction} END")
    return f"SELECT {_list(dimensions)}[{', '.join(picked)}] AS q FROM ({ranked}) {_group_by(dimensions)}"


def final_query(
    period_column: str, period: str, dimensions: Sequence[str], measured: Sequence[Measure]
) -> str:
    """The summary from the tables that the other queries filled, sorted by its dimensions."""
    names = _output_names(period_column, dimensions, measured)
    parts = [f"{literal(period)} AS {names[0]}"]
    parts += [f"e.{identifier(d)} AS {names[1 + i]}" for i, d in enumerate(dimensions)]
    parts.append(f"e.n AS {names[1 + len(dimensions)]}")
    rest = iter(names[2 + len(dimensions) :])
    joins = [_join(dimensions, ORDERED, "o")] if any(not m.exact for m in measured) else []
    for position, measure in enumerate(measured):
        table = f"quartiles{position}"
        joins.append(_join(dimensions, table, table))
        parts += [f"{expression} AS {next(rest)}" for expression in _outputs(position, measure, table)]
    order = ", ".join(f"e.{identifier(d)}" for d in dimensions)
    return f"SELECT {', '.join(parts)} FROM {EXACT} e {' '.join(joins)}" + (
        f" ORDER BY {order}" if dimensions else ""
    )


def _outputs(position: int, measure: Measure, quartiles: str) -> list[str]:
    nulls = f"e.n - e.c{position}"
    q = [f"{quartiles}.q[{i}]" for i in (1, 2, 3)]
    scale = measure.column.type.scale
    total = f"o.s{position}" if measure.column.type.kind is Kind.FLOAT64 else f"e.s{position}"
    if not measure.exact:
        mean, deviation = f"o.m{position}", f"o.d{position}"
    else:
        n = f"CAST(e.c{position} AS HUGEINT)"
        s, squares = _unscaled(f"e.s{position}"), _unscaled(f"e.q{position}")
        unit = f"CAST({10**scale} AS DOUBLE)"
        mean = f"CASE WHEN e.c{position} > 0 THEN CAST({s} AS DOUBLE) / {unit} / e.c{position} END"
        spread = f"CAST({n} * {squares} - {s} * {s} AS DOUBLE)"
        deviation = f"CASE WHEN e.c{position} > 1 THEN sqrt({spread} / (CAST(e.c{position} AS DOUBLE) * (e.c{position} - 1))) / {unit} END"
    return [nulls, total, mean, deviation, f"e.lo{position}", f"e.hi{position}", *q]


def _unscaled(value: str) -> str:
    """A decimal as the integer of its digits, exactly and without leaving 128 bits on the way."""
    return f"CAST(replace(CAST({value} AS VARCHAR), '.', '') AS HUGEINT)"


def _output_names(period_column: str, dimensions: Sequence[str], measured: Sequence[Measure]) -> list[str]:
    suffixes = ("nulls", "sum", "mean", "std", "min", "max", "q1", "median", "q3")
    wanted = [
        period_column,
        *dimensions,
        "count",
        *(f"{m.column.name}_{suffix}" for m in measured for suffix in suffixes),
    ]
    return [identifier(name) for name in unique_names(wanted)]


def _join(dimensions: Sequence[str], table: str, alias: str) -> str:
    matched = " AND ".join(
        f"e.{identifier(d)} IS NOT DISTINCT FROM {alias}.{identifier(d)}" for d in dimensions
    )
    return f"LEFT JOIN {table} {alias} ON {matched or 'true'}"


def _list(dimensions: Sequence[str]) -> str:
    return "".join(f"{identifier(d)}, " for d in dimensions)


def _group_by(dimensions: Sequence[str]) -> str:
    return f"GROUP BY {', '.join(map(identifier, dimensions))}" if dimensions else ""
