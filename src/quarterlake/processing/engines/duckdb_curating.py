"""A month's records from its parsed files: those that lose to a correction left out, the others in their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterlake.domain.curation import CuratedFile, CuratedMonth
from quarterlake.processing import curate_sql
from quarterlake.processing.engines.duckdb_tables import read_once
from quarterlake.processing.sql import (
    fill,
    identifier,
    literal,
    literals,
    number,
    parquet,
    parquet_options,
    rows,
)
from quarterlake.processing.sql_dialects import DUCKDB

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from quarterlake.processing.engines.port import CurateInput, CurateRequest


def curate_month(
    connection: DuckDBPyConnection, request: CurateRequest, paths: Mapping[str, Path], target: Path
) -> CuratedMonth:
    """Write a month's file to `target`; `paths` are the local parsed files by their ids."""
    contract, read = request.contract, reader(paths)
    records = curate_sql.rows_of(DUCKDB, contract, [request.month], request.inputs, read)
    values = request.records * len(contract.columns)
    with read_once(connection, records, len(request.inputs), values) as held:
        own = f"SELECT * FROM {held}"
        lost, losing, conflicts = (
            _find_losers(connection, request, read, own) if contract.key else ({}, "", 0)
        )
        equal = 0 if contract.key else number(connection, curate_sql.equal_rows(DUCKDB, contract, own))
        query = _ordered_rows(request, own, without_losers=bool(lost))
        connection.execute(
            f"COPY ({query}) TO {literal(target)} ({parquet_options(c.type for c in contract.columns)})"
        )
    written = number(
        connection, f"SELECT coalesce(sum(num_rows), 0) FROM parquet_file_metadata({literal(target)})"
    )
    return CuratedMonth(
        month=request.month,
        id=request.id,
        content=request.content(losing),
        files=(CuratedFile(request.path, target.stat().st_size, written),),
        inputs=request.accepted(lost),
        columns=tuple(c.name for c in contract.columns),
        rivals=tuple(sorted(request.rivals)),
        key_id=request.key_id,
        key_range=request.key_range,
        conflicts=conflicts,
        equal_rows=equal,
    )


def reader(paths: Mapping[str, Path]) -> curate_sql.Reader:
    """Reads local parsed files, by their ids."""

    def read(inputs: Sequence[CurateInput]) -> curate_sql.Scan:
        numbers = [str(given.manifest.sequence) for given in inputs]
        landing = (
            numbers[0] if len(numbers) == 1 else f"[{', '.join(numbers)}][CAST(file_index AS BIGINT) + 1]"
        )
        files = literals(paths[given.parsed.id] for given in inputs)
        return curate_sql.Scan(parquet(files, numbered=True), landing, "file_row_number")

    return read


def _find_losers(
    connection: DuckDBPyConnection, request: CurateRequest, read: curate_sql.Reader, own: str
) -> tuple[dict[int, int], str, int]:
    """How many records of each landing lose, what identifies them all, and how many keys have versions that differ; `own` are the month's records."""
    contract = request.ranked_by
    if request.rivals:
        own = curate_sql.rows_of(DUCKDB, contract, [request.month], request.inputs, read)
    rivals = [
        curate_sql.rows_of(DUCKDB, contract, [month], inputs, read)
        for month, inputs in request.rivals.items()
    ]
    everything = curate_sql.tagged(own, rivals)
    fill(connection, curate_sql.REPEATED, curate_sql.repeated_keys(DUCKDB, contract, everything))
    if not rows(connection, f"SELECT 1 FROM {curate_sql.REPEATED} LIMIT 1"):
        return {}, "", 0
    fill(connection, curate_sql.LOSERS, curate_sql.losers(DUCKDB, contract, everything))
    counted = rows(connection, f"SELECT _landing, count(*) FROM {curate_sql.LOSERS} GROUP BY 1")
    lost = {int(str(landing)): int(str(count)) for landing, count in counted}
    identity = curate_sql.losers_hash(DUCKDB, request.landings)
    losing = str(rows(connection, f"SELECT {identity} FROM {curate_sql.LOSERS}")[0][0]) if lost else ""
    conflicts = 0
    if not contract.key_declared:
        conflicts = number(connection, curate_sql.conflicting_keys(DUCKDB, contract, own))
    return lost, losing, conflicts


def _ordered_rows(request: CurateRequest, own: str, *, without_losers: bool) -> str:
    """The rows that are written. `_source` is looked up after the sort, which would be a third slower with it."""
    columns = ", ".join(identifier(c.name) for c in request.contract.columns)
    kept = f"({own}) ANTI JOIN {curate_sql.LOSERS} USING (_landing, _row)" if without_losers else f"({own})"
    order = ", ".join(f"{term} NULLS FIRST" for term in curate_sql.write_order(DUCKDB, request.contract))
    source = curate_sql.source_of(DUCKDB, request.inputs)
    return f"SELECT {columns}, {source} AS _source FROM (SELECT {columns}, _landing FROM {kept} ORDER BY {order})"
