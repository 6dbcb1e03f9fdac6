"""The zero-config aggregate: one row per combination of the contract's dimensions.

Sums are exact; mean and standard deviation come from the exact sums of x and x², so that neither threads nor file sizes change a
digit: var = (n Σx² - (Σx)²) / (n (n - 1)), the sample variance. Doubles, and numbers whose squares would leave 128 bits, are
aggregated by one thread over the sorted rows instead. Quartiles are exact, interpolated linearly (Hyndman and Fan's type 7).

Names of ours begin with an underscore (`_k0` is the first dimension), so that no column or data set has them too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterlake.domain.column_types import Kind
from quarterlake.processing.dialect import unique_names
from quarterlake.processing.sql import parquet
from quarterlake.processing.summary_keys import group_by, key_names, named_keys
from quarterlake.processing.summary_quartiles import picked_quartiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterlake.domain.contract import Column
    from quarterlake.processing.sql_dialects import SqlDialect
    from quarterlake.processing.summary_measures import Measure

EXACT = "_summary_exact"
ORDERED = "_summary_ordered"


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
    parts = [*named_keys(sql, dimensions), "count(*) AS _n"]
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
    return f"SELECT {', '.join(parts)} FROM {view} {group_by(dimensions)}"


def ordered_query(
    sql: SqlDialect, dimensions: Sequence[str], measured: Sequence[Measure], view: str
) -> str | None:
    """Sums, means and deviations of the columns that are not exact, for rows that come in a fixed order; None when there are none."""
    inexact = [(position, measure) for position, measure in enumerate(measured) if not measure.exact]
    if not inexact:
        return None
    parts = named_keys(sql, dimensions)
    for position, measure in inexact:
        value = f"CAST({measure.name(sql)} AS DOUBLE)"
        tame = f"{value} BETWEEN -1e150 AND 1e150"  # beyond it, squares are no doubles; NaN and infinities are not between
        wild = f"count(*) FILTER (WHERE {measure.name(sql)} IS NOT NULL AND NOT ({tame})) > 0"
        parts += [
            f"CASE WHEN {wild} THEN CAST('NaN' AS DOUBLE) ELSE {function}({value}) FILTER (WHERE {tame}) END AS {name}{position}"
            for name, function in (("_s", "sum"), ("_m", "avg"), ("_d", "stddev_samp"))
        ]
    return f"SELECT {', '.join(parts)} FROM {view} {group_by(dimensions)}"


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
    picked = "".join(
        f", {picked_quartiles(sql, position)} AS _p{position}" for position in range(len(measured))
    )
    return f"SELECT *{picked} FROM ({head}{lists} FROM {tail})"


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
    names, keys = _output_names(sql, period_column, dimensions, measured), key_names(dimensions)
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
