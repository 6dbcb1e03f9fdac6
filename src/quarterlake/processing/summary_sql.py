"""The zero-config aggregate: one row per combination of the contract's dimensions.

Sums are exact; mean and standard deviation come from the exact sums of x and x², so that neither threads nor file sizes change a
digit: var = (n Σx² - (Σx)²) / (n (n - 1)), the sample variance. Doubles, and numbers whose squares would leave 128 bits, are
aggregated by one thread over the sorted rows instead. Quartiles are exact, interpolated linearly (Hyndman and Fan's type 7).

Names of ours begin with an underscore (`_k0` is the first dimension), so that no column or data set has them too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quarterlake.domain.column_types import Kind
from quarterlake.domain.errors import AggregateError
from quarterlake.processing.dialect import unique_names
from quarterlake.processing.sql import parquet

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from quarterlake.domain.contract import Column, Contract
    from quarterlake.processing.sql_dialects import SqlDialect

EXACT = "_summary_exact"
ORDERED = "_summary_ordered"
_SUM_LIMIT = 10**38
_WIDE_LIMIT = 2**126
SHORT_DECIMAL = 18
"""The most digits of a decimal whose square is sure to be one too."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A number column, and whether the sums of its squares fit into 128 bits.

    None of its `count` values is larger than `largest`, in units of its last digit.
    """

    column: Column
    exact: bool
    count: int = 0
    largest: int = 0

    def name(self, sql: SqlDialect) -> str:
        """Its quoted name."""
        return sql.identifier(self.column.name)

    def value(self, sql: SqlDialect) -> str:
        """Its value; a negative zero is a zero, or which of the two is the smallest would depend on threads."""
        name = self.name(sql)
        return f"({name} + 0.0)" if self.column.type.kind is Kind.FLOAT64 else name


def measured_columns(contract: Contract) -> list[Column]:
    """The numbers that a summary describes: all but keys, PII and dimensions."""
    left_out = {*contract.key, *(contract.groups)}
    return [c for c in contract.columns if c.type.is_number and not c.pii and c.name not in left_out]


def measures(dataset: str, columns: Sequence[Column], ranges: Sequence[object]) -> list[Measure]:
    """Which columns can be summed exactly, squares included, from the row of `ranges_query`.

    Raises AggregateError where a sum could have more digits than a decimal.
    """
    count = int(str(ranges[0]))
    largest = iter(ranges[1:])
    found = []
    for column in columns:
        if column.type.kind is Kind.FLOAT64:
            found.append(Measure(column, exact=False))
            continue
        unscaled = int(str(next(largest) or 0).replace(".", ""))
        if count * unscaled >= _SUM_LIMIT:
            raise AggregateError(
                f"{dataset}/summary: the sum of the column {column.name} may need more than the 38 digits of a decimal: "
                f"{count} records as large as {len(str(unscaled))} digits. Give the column a smaller type in the contract, "
                "such as float64, or write a summary.sql of your own without it."
            )
        found.append(Measure(column, _squares_fit(column, count, unscaled), count, unscaled))
    return found


def _squares_fit(column: Column, count: int, unscaled: int) -> bool:
    short = unscaled < 10**SHORT_DECIMAL and column.type.scale <= SHORT_DECIMAL
    return short and (count * unscaled) ** 2 < _WIDE_LIMIT


def quartiles_table(position: int) -> str:
    """Where the quartiles of the measure at a position belong."""
    return f"_quartiles{position}"


def ranges_query(sql: SqlDialect, columns: Sequence[Column], view: str) -> str:
    """One row: the number of records, then the largest magnitude of each exact number as text."""
    parts = [
        "count(*)",
        *(
            f"CAST(greatest(abs(CAST(min({n}) AS DECIMAL(38, {c.type.scale}))), abs(CAST(max({n}) AS DECIMAL(38, {c.type.scale})))) AS {sql.text})"
            for c in columns
            if c.type.kind is not Kind.FLOAT64 and (n := sql.identifier(c.name))
        ),
    ]
    return f"SELECT {', '.join(parts)} FROM {view}"


def exact_query(sql: SqlDialect, dimensions: Sequence[str], measured: Sequence[Measure], view: str) -> str:
    """Counts, exact sums, extremes by combination of dimensions."""
    parts = [*_named_keys(sql, dimensions), "count(*) AS _n"]
    for position, measure in enumerate(measured):
        name = measure.name(sql)
        parts += [
            f"count({name}) AS _c{position}",
            f"min({measure.value(sql)}) AS _lo{position}",
            f"max({measure.value(sql)}) AS _hi{position}",
        ]
        if measure.column.type.kind is not Kind.FLOAT64:
            total = sql.exact_sum(measure)
            parts.append(f"CAST({total} AS DECIMAL(38, {measure.column.type.scale})) AS _s{position}")
        if measure.exact:
            parts.append(f"{sql.square_sum(measure)} AS _q{position}")
    return f"SELECT {', '.join(parts)} FROM {view} {_group_by(dimensions)}"


def ordered_query(
    sql: SqlDialect, dimensions: Sequence[str], measured: Sequence[Measure], view: str
) -> str | None:
    """Sums, means and deviations of the columns that are not exact, for rows that come in a fixed order; None when there are none."""
    inexact = [(position, measure) for position, measure in enumerate(measured) if not measure.exact]
    if not inexact:
        return None
    parts = _named_keys(sql, dimensions)
    for position, measure in inexact:
        value = f"CAST({measure.name(sql)} AS DOUBLE)"
        tame = f"{value} BETWEEN -1e150 AND 1e150"  # beyond it, squares are no doubles; NaN and infinities are not between
        wild = f"count(*) FILTER (WHERE {measure.name(sql)} IS NOT NULL AND NOT ({tame})) > 0"
        parts += [
            f"CASE WHEN {wild} THEN CAST('NaN' AS DOUBLE) ELSE {function}({value}) FILTER (WHERE {tame}) END AS {name}{position}"
            for name, function in (("_s", "sum"), ("_m", "avg"), ("_d", "stddev_samp"))
        ]
    return f"SELECT {', '.join(parts)} FROM {view} {_group_by(dimensions)}"


def quartiles_query(sql: SqlDialect, dimensions: Sequence[str], measure: Measure, view: str) -> str:
    """The quartiles of one column as a list `_q`, by a hash aggregate that keeps all its values in memory."""
    values = _values(sql, dimensions, measure, view)
    return f"SELECT {_list(_keys(dimensions))}{sql.quartiles('_x')} AS _q FROM ({values}) {_group_by(dimensions)}"


def spilling_quartiles_query(sql: SqlDialect, dimensions: Sequence[str], measure: Measure, view: str) -> str:
    """The same by a sort, which spills to disk: for more values than memory holds."""
    keys = _keys(dimensions)
    partition = f"PARTITION BY {', '.join(keys)}" if keys else ""
    ranked = (
        f"SELECT {_list(keys)}_x, row_number() OVER ({partition} ORDER BY _x) - 1 AS _place, "
        f"count(*) OVER ({partition}) AS _n FROM ({_values(sql, dimensions, measure, view)})"
    )
    picked = ", ".join(
        f"max(CASE WHEN _place = {place(sql, quarter)} THEN _x END) AS {name}{quarter}"
        for quarter in (1, 2, 3)
        for name, place in (("_a", _low), ("_b", _high))
    )
    return _interpolated(
        sql, keys, f"SELECT {_list(keys)}max(_n) AS _n, {picked} FROM ({ranked}) {_group_by(dimensions)}"
    )


def _values(sql: SqlDialect, dimensions: Sequence[str], measure: Measure, view: str) -> str:
    parts = [*_named_keys(sql, dimensions), f"CAST({measure.value(sql)} AS DOUBLE) AS _x"]
    return f"SELECT {', '.join(parts)} FROM {view} WHERE {measure.name(sql)} IS NOT NULL"


def _low(sql: SqlDialect, quarter: int) -> str:
    return sql.quotient(f"((_n - 1) * {quarter})", "4")


def _high(sql: SqlDialect, quarter: int) -> str:
    return sql.quotient(f"((_n - 1) * {quarter} + 3)", "4")


def _interpolated(sql: SqlDialect, keys: Sequence[str], picked: str) -> str:
    """The quartiles between their neighbours `_a` and `_b`."""
    quartiles = []
    for quarter in (1, 2, 3):
        shares = " ".join(
            f"WHEN {part} THEN {sql.between(f'_a{quarter}', f'_b{quarter}', part / 4)}" for part in (1, 2, 3)
        )
        quartiles.append(f"CASE (_n - 1) * {quarter} % 4 {shares} ELSE _a{quarter} END")
    return f"SELECT {_list(keys)}{sql.array(quartiles)} AS _q FROM ({picked})"


def collecting_query(
    sql: SqlDialect, dimensions: Sequence[str], measured: Sequence[Measure], view: str
) -> str:
    """All of `exact_query`, and the quartiles of each measure as `_p0`, `_p1` and so on: in one pass that keeps the values in memory."""
    exact = exact_query(sql, dimensions, measured, view)
    lists = "".join(
        f", {sql.sorted_values(f'CAST({measure.value(sql)} AS DOUBLE)')} AS _l{position}"
        for position, measure in enumerate(measured)
    )
    head, tail = exact.split(" FROM ", 1)
    picked = "".join(f", {_picked(sql, position)} AS _p{position}" for position in range(len(measured)))
    return f"SELECT *{picked} FROM ({head}{lists} FROM {tail})"


def _picked(sql: SqlDialect, position: int) -> str:
    values, number = f"_l{position}", f"_c{position}"
    quartiles = []
    for quarter in (1, 2, 3):
        low, high = (
            sql.element(values, f"{sql.quotient(f'(({number} - 1) * {quarter}{more})', '4')} + 1")
            for more in ("", " + 3")
        )
        shares = " ".join(f"WHEN {part} THEN {sql.between(low, high, part / 4)}" for part in (1, 2, 3))
        quartiles.append(f"CASE ({number} - 1) * {quarter} % 4 {shares} ELSE {low} END")
    return f"CASE WHEN {number} > 0 THEN {sql.array(quartiles)} END"


def final_query(
    sql: SqlDialect,
    period_column: str,
    period: str,
    dimensions: Sequence[str],
    measured: Sequence[Measure],
    *,
    collected: bool = False,
) -> str:
    """The summary from the tables that the other queries filled, sorted by its dimensions.

    `collected` says that EXACT was filled by `collecting_query`.
    """
    names, keys = _output_names(sql, period_column, dimensions, measured), _keys(dimensions)
    parts = [f"{sql.literal(period)} AS {names[0]}"]
    parts += [f"e.{key} AS {names[1 + i]}" for i, key in enumerate(keys)]
    parts.append(f"e._n AS {names[1 + len(dimensions)]}")
    rest = iter(names[2 + len(dimensions) :])
    joins = [_join(keys, ORDERED, "o")] if any(not m.exact for m in measured) else []
    for position, measure in enumerate(measured):
        quartiles = f"e._p{position}"
        if not collected:
            table = quartiles_table(position)
            joins.append(_join(keys, table, table))
            quartiles = f"{table}._q"
        parts += [
            f"{expression} AS {next(rest)}" for expression in _outputs(sql, position, measure, quartiles)
        ]
    # Nulls last: DuckDB's default, not Spark's.
    order = f" ORDER BY {', '.join(f'e.{key} NULLS LAST' for key in keys)}" if keys else ""
    return f"SELECT {', '.join(parts)} FROM {EXACT} e {' '.join(joins)}{order}"


def side_by_side_query(
    sql: SqlDialect,
    period_column: str,
    dimensions: Sequence[str],
    parts: Sequence[Sequence[Measure]],
    files: Sequence[str],
) -> str:
    """One summary from those of parts of its measures, given as literals of Parquet files: all have the same rows in the same order."""
    before = 2 + len(dimensions)
    names = iter(_output_names(sql, period_column, dimensions, [m for part in parts for m in part]))
    taken, relations = [], []
    for number, (part, file) in enumerate(zip(parts, files, strict=True)):
        width = len(_output_names(sql, period_column, dimensions, part))
        slots = [f"_c{position}" for position in range(width)]
        relations.append(f"{parquet(file)} AS _part{number}({', '.join(slots)})")
        taken += [f"_part{number}.{slot}" for slot in slots[before if number else 0 :]]
    columns = ", ".join(f"{slot} AS {name}" for slot, name in zip(taken, names, strict=True))
    return f"SELECT {columns} FROM {' POSITIONAL JOIN '.join(relations)}"


def _outputs(sql: SqlDialect, position: int, measure: Measure, quartiles: str) -> list[str]:
    nulls = f"e._n - e._c{position}"
    q = [sql.element(quartiles, str(i)) for i in (1, 2, 3)]
    scale = measure.column.type.scale
    total = f"o._s{position}" if measure.column.type.kind is Kind.FLOAT64 else f"e._s{position}"
    if not measure.exact:
        mean, deviation = f"o._m{position}", f"o._d{position}"
    else:
        n = f"CAST(e._c{position} AS {sql.wide_integer})"
        s, squares = _unscaled(sql, f"e._s{position}"), _unscaled(sql, f"e._q{position}")
        unit = f"CAST({10**scale} AS DOUBLE)"
        mean = f"CASE WHEN e._c{position} > 0 THEN CAST({s} AS DOUBLE) / {unit} / e._c{position} END"
        spread = f"CAST({n} * {squares} - {s} * {s} AS DOUBLE)"
        deviation = f"CASE WHEN e._c{position} > 1 THEN sqrt({spread} / (CAST(e._c{position} AS DOUBLE) * (e._c{position} - 1))) / {unit} END"
    return [nulls, total, mean, deviation, f"e._lo{position}", f"e._hi{position}", *q]


def _unscaled(sql: SqlDialect, value: str) -> str:
    """A decimal as the integer of its digits, exactly and without leaving 128 bits on the way."""
    return f"CAST(replace(CAST({value} AS {sql.text}), '.', '') AS {sql.wide_integer})"


def _output_names(
    sql: SqlDialect, period_column: str, dimensions: Sequence[str], measured: Sequence[Measure]
) -> list[str]:
    suffixes = ("nulls", "sum", "mean", "std", "min", "max", "q1", "median", "q3")
    wanted = [
        period_column,
        *dimensions,
        "count",
        *(f"{m.column.name}_{suffix}" for m in measured for suffix in suffixes),
    ]
    return [sql.identifier(name) for name in unique_names(wanted)]


def _join(keys: Sequence[str], table: str, alias: str) -> str:
    return f"LEFT JOIN {table} {alias} ON {_same(keys, 'e', alias)}"


def _same(keys: Sequence[str], left: str, right: str) -> str:
    return " AND ".join(f"{left}.{key} IS NOT DISTINCT FROM {right}.{key}" for key in keys) or "true"


def _keys(dimensions: Sequence[str]) -> list[str]:
    return [f"_k{position}" for position in range(len(dimensions))]


def _named_keys(sql: SqlDialect, dimensions: Sequence[str]) -> list[str]:
    return [f"{sql.identifier(d)} AS {key}" for d, key in zip(dimensions, _keys(dimensions), strict=True)]


def _list(names: Iterable[str]) -> str:
    return "".join(f"{name}, " for name in names)


def _group_by(dimensions: Sequence[str]) -> str:
    """The keys come first in each list of columns; by position, since a column of the data may be named like a key."""
    return (
        f"GROUP BY {', '.join(str(position + 1) for position in range(len(dimensions)))}"
        if dimensions
        else ""
    )
