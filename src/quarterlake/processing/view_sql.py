"""The SQL of the view over a period's curated records, for any engine."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from quarterlake.domain.column_types import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quarterlake.domain.contract import Column
    from quarterlake.domain.curation import CuratedMonth
    from quarterlake.processing.engines.port import PeriodView
    from quarterlake.processing.sql_dialects import SqlDialect


def view_query(sql: SqlDialect, view: PeriodView, read: Callable[[Sequence[CuratedMonth]], str]) -> str:
    """A query for the period's curated records: the contract's columns, NULL where a month has none of them.

    `read` gives what stands after FROM for months of the same columns. A negative zero is a zero: which of the two a minimum
    or a group shows would depend on threads.
    """
    held = sorted((m for m in view.months if m.files), key=lambda month: (month.columns, month.month))
    if not held:
        return f"SELECT * FROM (SELECT {_typed_columns(sql, view, ())}) AS nothing WHERE false"
    selects = [
        f"SELECT {_typed_columns(sql, view, columns)} FROM {read(list(months))}"
        for columns, months in groupby(held, key=lambda month: month.columns)
    ]
    return " UNION ALL ".join(selects)


def _typed_columns(sql: SqlDialect, view: PeriodView, held: Sequence[str]) -> str:
    return ", ".join(
        f"{_typed(sql, column, held=column.name in held)} AS {sql.identifier(column.name)}"
        for column in view.contract.columns
    )


def _typed(sql: SqlDialect, column: Column, *, held: bool) -> str:
    value = f"CAST({sql.identifier(column.name) if held else 'NULL'} AS {sql.type_name(column.type)})"
    return f"{value} + 0.0" if column.type.kind is Kind.FLOAT64 else value
