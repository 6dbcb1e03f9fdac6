"""What a query gives as a relation of few costs: a copy in memory where that is cheaper than to ask again."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from quarterlake.processing.sql import fill, identifier, rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from duckdb import DuckDBPyConnection

_FEW_VALUES = 4_000_000
_MANY_FILES = 8
_COPY = "_at_hand"


@contextmanager
def at_hand(connection: DuckDBPyConnection, query: str, values: int) -> Iterator[str]:
    """What a query gives, or a copy in memory of few values: many small statements then open no files."""
    if values > _FEW_VALUES:
        yield f"({query})"
        return
    fill(connection, _COPY, query)
    try:
        yield _COPY
    finally:
        connection.execute(f"DROP TABLE {_COPY}")


@contextmanager
def read_once(connection: DuckDBPyConnection, query: str, files: int, values: int) -> Iterator[str]:
    """What a query gives, at hand where opening its many files costs more than their rows."""
    if files < _MANY_FILES:
        yield f"({query})"
        return
    with at_hand(connection, query, values) as relation:
        yield relation


def distinct_values(
    connection: DuckDBPyConnection, query: str, files: int, values: int, columns: Sequence[str], limit: int
) -> dict[str, set[object]]:
    """The distinct values of columns of a query over so many files, no more of each than one above a limit."""
    with read_once(connection, query, files, values) as records:
        return {
            name: {
                value
                for (value,) in rows(
                    connection, f"SELECT DISTINCT {identifier(name)} FROM {records} LIMIT {limit + 1}"
                )
            }
            for name in columns
        }
