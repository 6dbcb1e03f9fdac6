"""SQL text from names and values: the only place where either is quoted."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from quarterlake.domain.column_types import ColumnType, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import duckdb

_TYPES = {
    Kind.NULL: "VARCHAR",
    Kind.BOOLEAN: "BOOLEAN",
    Kind.INT64: "BIGINT",
    Kind.FLOAT64: "DOUBLE",
    Kind.DATE: "DATE",
    Kind.TIMESTAMP: "TIMESTAMPTZ",
    Kind.STRING: "VARCHAR",
}


def identifier(name: str) -> str:
    """A name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str | Path) -> str:
    """A text as a SQL string literal."""
    return "'" + str(value).replace("'", "''") + "'"


def literals(values: Iterable[str | Path]) -> str:
    """Texts as a SQL list."""
    return "[" + ", ".join(map(literal, values)) + "]"


def parquet(files: str, *, numbered: bool = False) -> str:
    """The records of Parquet files, given as a literal; `numbered` by `file_row_number`.

    DuckDB takes a folder such as `year=2024` above them for a column, in place of theirs, where it is not told otherwise.
    """
    return f"read_parquet({files}, hive_partitioning = false{', file_row_number = true' if numbered else ''})"


def type_name(column_type: ColumnType) -> str:
    """A column type as DuckDB writes it."""
    return str(column_type).upper() if column_type.kind is Kind.DECIMAL else _TYPES[column_type.kind]


_GROUP_ROWS = 122_880
"""The rows of a row group as DuckDB writes them."""
_GROUP_VALUES = 64 * _GROUP_ROWS


def parquet_options(column_types: Iterable[ColumnType], *, compression: str = "zstd") -> str:
    """How Parquet is written: the V2 encodings (half the size and time here) unless a column is a double.

    DuckDB's V2 writes doubles as BYTE_STREAM_SPLIT, which Spark's vectorised reader refuses (measured on 4.2.1).
    DuckDB keeps a whole row group in memory, so those of wide tables have fewer rows.
    """
    types = list(column_types)
    version = "V1" if any(t.kind is Kind.FLOAT64 for t in types) else "V2"
    level = ", COMPRESSION_LEVEL 1" if compression == "zstd" else ""
    wide = (
        f", ROW_GROUP_SIZE {_GROUP_VALUES // len(types)}" if len(types) * _GROUP_ROWS > _GROUP_VALUES else ""
    )
    return f"FORMAT parquet, COMPRESSION {compression}{level}, PARQUET_VERSION {version}{wide}"


def rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple[object, ...]]:
    """All rows of a query, for results known to be small."""
    return connection.execute(query).fetchall()


@contextmanager
def one_thread(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """While it lasts, the connection runs on one thread: rows are then aggregated in the order in which they are stored."""
    threads = rows(connection, "SELECT current_setting('threads')")[0][0]
    connection.execute("SET threads = 1")
    try:
        yield
    finally:
        connection.execute(f"SET threads = {threads}")


def fill(connection: duckdb.DuckDBPyConnection, table: str, query: str) -> None:
    """Make a temporary table of what a query gives."""
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS {query}")


def number(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    """The one number that a query gives."""
    return int(str(rows(connection, query)[0][0]))
