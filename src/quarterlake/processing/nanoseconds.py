"""Timestamps of 96 bits below the microsecond, which DuckDB's reader cuts off without a word.

Another reader gives them as 64 bits of nanoseconds, modulo 2**64 as it has no more. The sum of these and that of DuckDB's microseconds differ by what was cut,
which is never negative: where the sums are equal nothing was.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from quarterlake.processing.sql import identifier, literal, rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from duckdb import DuckDBPyConnection

    from quarterlake.processing.parquet_schema import Leaf

_WRAP = 1 << 64
_HALF = 1 << 63


def cut_columns(connection: DuckDBPyConnection, path: str, columns: Sequence[Leaf]) -> list[str]:
    """Those of some columns of 96 bits, none of them in a list or map, in which DuckDB's reader cuts.

    One pass over these columns by either reader, in constant memory.
    """
    if not columns:
        return []
    sums = ", ".join(_kept(leaf.path) for leaf in columns)
    kept = rows(connection, f"SELECT {sums} FROM read_parquet({literal(path)})")[0]
    return [
        leaf.name
        for leaf, one, other in zip(columns, kept, _given(path, columns), strict=True)
        if other is not None and int(str(one or 0)) != int(other)
    ]


def _kept(path: Sequence[str]) -> str:
    """The sum, in DuckDB, of a column's microseconds as nanoseconds of 64 bits."""
    value = identifier(path[0])
    for step in path[1:]:
        value = f"struct_extract({value}, {literal(step)})"
    micros = f"epoch_us({value})"
    far = f"(CAST({micros} AS HUGEINT) * 1000 + {_HALF})"
    wrapped = f"(({far} % {_WRAP}) + {_WRAP}) % {_WRAP} - {_HALF}"
    within = f"{micros} BETWEEN {-_HALF // 1000 + 1} AND {_HALF // 1000 - 1}"
    return f"sum(CASE WHEN {within} THEN CAST({micros} * 1000 AS HUGEINT) ELSE {wrapped} END)"


def _given(path: str, columns: Sequence[Leaf]) -> list[str | None]:
    """The sums of the columns' nanoseconds by the other reader; None where the file itself says that its unit is a larger one."""
    parts = []
    for number, column in enumerate(columns):
        value = identifier(column.path[0])
        for step in column.path[1:]:
            value = f"get_field({value}, {literal(step)})"
        nanos = f"arrow_cast(arrow_cast({value}, 'Int64'), 'Decimal128(38, 0)')"
        parts.append(f"CAST(sum({nanos}) AS VARCHAR) AS s{number}, min(arrow_typeof({value})) AS t{number}")
    from deltalake import QueryBuilder

    # A path of plain letters, since a location is taken for a pattern.
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder, "file.parquet")
        link.symlink_to(Path(path).resolve())
        query = QueryBuilder()
        query.execute(f"CREATE EXTERNAL TABLE given STORED AS PARQUET LOCATION '{link}'").read_all()
        [batch] = query.execute(f"SELECT {', '.join(parts)} FROM given").read_all().to_batches()
        found = [batch.column(at)[0].as_py() for at in range(2 * len(columns))]
        return [
            total if "(ns" in str(unit) else None for total, unit in zip(found[::2], found[1::2], strict=True)
        ]
