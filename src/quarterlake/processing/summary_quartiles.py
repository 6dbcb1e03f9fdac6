"""The quartiles of a summary: exact, interpolated linearly (Hyndman and Fan's type 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterlake.processing.summary_keys import group_by, key_names, listed, named_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterlake.processing.sql_dialects import SqlDialect
    from quarterlake.processing.summary_measures import Measure


def quartiles_query(sql: SqlDialect, dimensions: Sequence[str], measure: Measure, view: str) -> str:
    """The quartiles of one column as a list `_q`, by a hash aggregate that keeps all its values in memory."""
    values = _values(sql, dimensions, measure, view)
    return f"SELECT {listed(key_names(dimensions))}{sql.quartiles('_x')} AS _q FROM ({values}) {group_by(dimensions)}"


def spilling_quartiles_query(sql: SqlDialect, dimensions: Sequence[str], measure: Measure, view: str) -> str:
    """The same by a sort, which spills to disk: for more values than memory holds."""
    keys = key_names(dimensions)
    partition = f"PARTITION BY {', '.join(keys)}" if keys else ""
    ranked = (
        f"SELECT {listed(keys)}_x, row_number() OVER ({partition} ORDER BY _x) - 1 AS _place, "
        f"count(*) OVER ({partition}) AS _n FROM ({_values(sql, dimensions, measure, view)})"
    )
    picked = ", ".join(
        f"max(CASE WHEN _place = {place(sql, quarter)} THEN _x END) AS {name}{quarter}"
        for quarter in (1, 2, 3)
        for name, place in (("_a", _low), ("_b", _high))
    )
    return _interpolated(
        sql, keys, f"SELECT {listed(keys)}max(_n) AS _n, {picked} FROM ({ranked}) {group_by(dimensions)}"
    )


def picked_quartiles(sql: SqlDialect, position: int) -> str:
    """The quartiles of the measure at a position, from its count `_c0` and its sorted values `_l0`."""
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


def _values(sql: SqlDialect, dimensions: Sequence[str], measure: Measure, view: str) -> str:
    parts = [*named_keys(sql, dimensions), f"CAST({measure.value(sql)} AS DOUBLE) AS _x"]
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
    return f"SELECT {listed(keys)}{sql.array(quartiles)} AS _q FROM ({picked})"
