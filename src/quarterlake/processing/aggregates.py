"""Aggregates on DuckDB: the view over a period, the summary, and users' SQL."""

from __future__ import annotations

import re
from contextlib import nullcontext
from typing import TYPE_CHECKING

import duckdb

from quarterlake.domain.errors import AggregateError
from quarterlake.domain.releases import AggregateColumn
from quarterlake.processing import summary_sql
from quarterlake.processing.published_sql import published_query
from quarterlake.processing.sql import fill, identifier, literal, one_thread, parquet, rows
from quarterlake.processing.sql_dialects import DUCKDB
from quarterlake.processing.summary_measures import Measure, measured_columns, measures
from quarterlake.processing.summary_quartiles import quartiles_query, spilling_quartiles_query

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from quarterlake.processing.engines.port import PeriodView
    from quarterlake.processing.user_sql import UserAggregate

_PARQUET = "FORMAT parquet, COMPRESSION zstd"
_BYTES_A_VALUE = 48
"""What `quantile_disc` was seen to take for a value at its peak: the value, twice while its buffer grows, on each of two threads."""
_MEASURES_AT_ONCE = 16
"""Each takes memory for its aggregates, its table of quartiles and that table's join: 24 of 3,000 combinations fit into 400 MB, 32 do not."""

_DELTA_TYPES = {
    "BOOLEAN": "boolean",
    "TINYINT": "byte",
    "SMALLINT": "short",
    "INTEGER": "integer",
    "BIGINT": "long",
    "FLOAT": "float",
    "DOUBLE": "double",
    "VARCHAR": "string",
    "DATE": "date",
    "TIMESTAMP WITH TIME ZONE": "timestamp",
    "BLOB": "binary",
}
_STORED_AS = {
    "TINYINT": "BIGINT",
    "SMALLINT": "BIGINT",
    "INTEGER": "BIGINT",
    "UTINYINT": "BIGINT",
    "USMALLINT": "BIGINT",
    "UINTEGER": "BIGINT",
    "UBIGINT": "BIGINT",
    "HUGEINT": "BIGINT",
    "UHUGEINT": "BIGINT",
    "FLOAT": "DOUBLE",
    "TIMESTAMP": "TIMESTAMPTZ",
    "TIMESTAMP_S": "TIMESTAMPTZ",
    "TIMESTAMP_MS": "TIMESTAMPTZ",
    "TIMESTAMP_NS": "TIMESTAMPTZ",
    "TIME": "VARCHAR",
    "UUID": "VARCHAR",
    "BIGNUM": "VARCHAR",
    "INTERVAL": "VARCHAR",
    '"NULL"': "VARCHAR",
}
"""DuckDB types that are stored as others, so that every engine publishes the same: integers of 64 bits, doubles, decimals of 38 digits."""


def write_summary(connection: DuckDBPyConnection, view: PeriodView, target: Path) -> None:
    """Write the zero-config aggregate of a period; quartiles of more values than memory holds are sorted on disk.

    Raises AggregateError where a sum could have more digits than a decimal.
    """
    columns = measured_columns(view.contract)
    ranges = rows(connection, summary_sql.ranges_query(DUCKDB, columns, identifier(view.dataset)))[0]
    measured = measures(view.dataset, columns, ranges)
    in_memory = int(str(ranges[0])) * _BYTES_A_VALUE <= _memory_limit(connection)
    if len(measured) <= _MEASURES_AT_ONCE:
        _write_measures(connection, view, measured, target, in_memory=in_memory)
        return
    parts = [measured[at : at + _MEASURES_AT_ONCE] for at in range(0, len(measured), _MEASURES_AT_ONCE)]
    paths = [target.with_suffix(f".{number}.parquet") for number in range(len(parts))]
    try:
        for part, path in zip(parts, paths, strict=True):
            _write_measures(connection, view, part, path, in_memory=in_memory)
        query = summary_sql.side_by_side_query(
            DUCKDB, view.period_column, view.contract.groups, parts, [literal(path) for path in paths]
        )
        connection.execute(f"COPY ({query}) TO {literal(target)} ({_PARQUET})")
    finally:
        for path in paths:
            path.unlink(missing_ok=True)


def _write_measures(
    connection: DuckDBPyConnection,
    view: PeriodView,
    measured: Sequence[Measure],
    target: Path,
    *,
    in_memory: bool,
) -> None:
    """The summary of some of the measures."""
    table, dimensions = identifier(view.dataset), view.contract.groups
    fill(connection, summary_sql.EXACT, summary_sql.exact_query(DUCKDB, dimensions, measured, table))
    ordered = summary_sql.ordered_query(DUCKDB, dimensions, measured, table)
    if ordered:
        with one_thread(connection):
            fill(connection, summary_sql.ORDERED, ordered)
    quartiles = quartiles_query if in_memory else spilling_quartiles_query
    for position, measure in enumerate(measured):
        fill(connection, summary_sql.quartiles_table(position), quartiles(DUCKDB, dimensions, measure, table))
    query = summary_sql.final_query(DUCKDB, view.period_column, view.period, dimensions, measured)
    connection.execute(f"COPY ({query}) TO {literal(target)} ({_PARQUET})")


def user_query(
    connection: DuckDBPyConnection, view: PeriodView, aggregate: UserAggregate, target: Path
) -> None:
    """Write a user's aggregate of a period, its rows sorted by all columns.

    Raises AggregateError where the engine refuses it, or where its result has a column named like the period's or two of one name.
    """
    try:
        described = rows(connection, f"SELECT column_name, column_type FROM (DESCRIBE {aggregate.duckdb})")
        columns = [(str(name), str(kind)) for name, kind in described]
        query = published_query(DUCKDB, view, aggregate, aggregate.duckdb, columns, _stored_as)
        with one_thread(connection) if aggregate.order_sensitive else nullcontext():
            connection.execute(f"COPY ({query}) TO {literal(target)} ({_PARQUET})")
    except (duckdb.OutOfMemoryException, duckdb.IOException):
        raise
    except duckdb.Error as refused:
        message = str(refused).split("\n\nLINE")[0].strip()
        named = re.search(r'"([^"]+)"', message)
        where = aggregate.position_of(named[1] if named else "")
        raise AggregateError(
            f"{where}: the engine refuses it: {message}. Mend the SQL and run again."
        ) from refused


def _stored_as(kind: str) -> str | None:
    """The type that a published table holds for one of DuckDB's, None for a nested one."""
    if kind.startswith("DECIMAL("):
        return f"DECIMAL(38,{kind.rpartition(',')[2]}"
    return None if kind.endswith(("]", ")")) else _STORED_AS.get(kind, kind)


def columns_of(connection: DuckDBPyConnection, path: Path) -> tuple[AggregateColumn, ...]:
    """The columns of a Parquet file with their types as Delta Lake names them."""
    described = rows(
        connection,
        f"SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM {parquet(literal(path))})",
    )
    return tuple(AggregateColumn(str(name), delta_type(str(kind))) for name, kind in described)


def delta_type(kind: str) -> str:
    """A DuckDB type as Delta Lake names it; KeyError for one that is never written."""
    return kind.lower() if kind.startswith("DECIMAL(") else _DELTA_TYPES[kind]


def _memory_limit(connection: DuckDBPyConnection) -> int:
    text = str(rows(connection, "SELECT current_setting('memory_limit')")[0][0])
    number, unit = text.split()
    return int(float(number) * {"bytes": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}[unit])
