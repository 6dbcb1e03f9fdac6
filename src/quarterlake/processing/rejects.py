"""The records that did not fit: which column, why, and where in the file; and how many records there are at all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from quarterlake.processing.casts import misfits, reason_for, stored
from quarterlake.processing.evidence import evidence_query, read_evidence
from quarterlake.processing.json_records import count_array_json, count_lines_json, locate_lines_json
from quarterlake.processing.records import TextShape, count_delimited, locate_delimited
from quarterlake.processing.relations import DROPPED, Relation
from quarterlake.processing.sources import Format, PlainSource
from quarterlake.processing.sql import literal, rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from quarterlake.domain.column_types import ColumnType
    from quarterlake.domain.inference import Evidence
    from quarterlake.processing.record_search import Location

_MISFITS = "misfit_records"
_BATCH = 50_000
_RAW_LIMIT = 4_096
"""At most this many characters of a rejected record are kept; its place says where the rest lies."""

_DROP_REASONS = {
    "TOO MANY COLUMNS": "more fields than the header",
    "MISSING COLUMNS": "fewer fields than the header",
    "UNQUOTED VALUE": "text after a closing quote, or a quote that is never closed",
    "INVALID ENCODING": "not UTF-8",
    "LINE SIZE OVER MAXIMUM": "a record longer than the reader's limit",
}


class Reject(msgspec.Struct, frozen=True):
    """One record that was not accepted. `line` counts from 1, `byte_offset` from 0 in the uncompressed file; None where unknown."""

    line: int | None
    byte_offset: int | None
    column: str | None
    reason: str
    raw: str


class Misfit(NamedTuple):
    """A record that the reader could cut into fields but that did not fit: its place among those, and its texts."""

    ordinal: int
    column: int
    texts: list[str | None]


@dataclass(frozen=True, slots=True)
class Explained:
    """What is known of a file's misfits: their evidence by column, their number by column and reason."""

    columns: Sequence[tuple[str, ColumnType]]
    misfits: Mapping[str, Evidence]
    by_column: Mapping[int, int]
    otherwise: str

    def reason(self, column: int) -> str:
        """The reason of a misfit whose first failing column is at this place, -1 for none."""
        return reason_for(self.columns[column][1]) if column >= 0 else self.otherwise


def explain_misfits(
    connection: DuckDBPyConnection,
    staged: Path,
    columns: Sequence[tuple[str, ColumnType]],
    relation: Relation,
) -> Explained:
    """Find the first failing column of each flagged row of a staged file, and what the failing values look like."""
    otherwise = "not a JSON object" if relation.broken else "no record time"
    flagged = f"read_parquet({literal(staged)}, file_row_number = true)"
    failing = {
        position: condition
        for position, (_, kind) in enumerate(columns)
        if (text := f"_raw[{position + 1}]") and (condition := misfits(stored(text, kind), text, kind))
    }
    cases = " ".join(f"WHEN {condition} THEN {position}" for position, condition in failing.items())
    first = f"CASE {cases} ELSE -1 END" if cases else "-1"
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {_MISFITS} AS SELECT file_row_number AS ordinal, {first} AS failing, _raw FROM {flagged} "
        "WHERE _raw IS NOT NULL",
    )
    by_column = {
        int(str(c)): int(str(n))
        for c, n in rows(connection, f"SELECT failing, count(*) FROM {_MISFITS} GROUP BY 1 ORDER BY 1")
    }
    evidence: dict[str, Evidence] = {}
    if by_column and failing:
        any_of = rows(
            connection,
            f"SELECT {', '.join(f'bool_or({condition})' for condition in failing.values())} FROM {_MISFITS}",
        )[0]
        failed = {
            position: condition
            for (position, condition), fails in zip(failing.items(), any_of, strict=True)
            if fails
        }
        evidence = _evidence(connection, columns, failed)
    return Explained(columns, evidence, by_column, otherwise)


def _evidence(
    connection: DuckDBPyConnection, columns: Sequence[tuple[str, ColumnType]], failed: Mapping[int, str]
) -> dict[str, Evidence]:
    if not failed:
        return {}
    texts = [f"CASE WHEN {condition} THEN _raw[{position + 1}] END" for position, condition in failed.items()]
    found = read_evidence(rows(connection, evidence_query(texts, _MISFITS))[0])
    return {columns[position][0]: replace(e, nulls=0) for position, e in zip(failed, found, strict=True)}


def write_rejects(
    connection: DuckDBPyConnection,
    source: PlainSource,
    relation: Relation,
    found: Explained,
    target: Path,
) -> dict[str, int]:
    """Write a file's rejects as Parquet, in the file's order; return their number by reason, nothing written for none."""
    dropped = dict(_dropped(connection)) if relation.dialect else {}
    if not dropped and not found.by_column:
        return {}
    listed = target.with_suffix(".ndjson")
    counts: dict[str, int] = {}
    encoder = msgspec.json.Encoder()
    with listed.open("wb") as file:
        for reject in _rejects(connection, source, relation, found, dropped):
            counts[reject.reason] = counts.get(reject.reason, 0) + 1
            file.write(encoder.encode(reject) + b"\n")
    types = (
        "{line: 'BIGINT', byte_offset: 'BIGINT', \"column\": 'VARCHAR', reason: 'VARCHAR', raw: 'VARCHAR'}"
    )
    query = f"SELECT * FROM read_json({literal(listed)}, columns = {types}, format = 'newline_delimited') ORDER BY byte_offset, line"
    connection.execute(f"COPY ({query}) TO {literal(target)} (FORMAT parquet, COMPRESSION zstd)")
    listed.unlink()
    return counts


def count_records(connection: DuckDBPyConnection, source: PlainSource, relation: Relation) -> int:
    """The number of records by other means than the parser: from the bytes, or from Parquet's footer."""
    if source.format is Format.PARQUET:
        return int(
            str(
                rows(connection, f"SELECT sum(num_rows) FROM parquet_file_metadata({literal(source.path)})")[
                    0
                ][0]
            )
        )
    with source.path.open("rb") as stream:
        if relation.dialect is not None:
            return count_delimited(stream, _shape(relation))
        return count_lines_json(stream) if source.format is Format.NDJSON else count_array_json(stream)


def _shape(relation: Relation) -> TextShape:
    dialect = relation.dialect
    if dialect is None:
        raise ValueError("only delimited files have a text shape")
    return TextShape(
        delimiter=dialect.delimiter.encode(),
        quote=dialect.quote.encode(),
        header=dialect.header,
        columns=len(dialect.columns),
    )


def _dropped(connection: DuckDBPyConnection) -> Iterator[tuple[int, Reject]]:
    """The records that DuckDB's reader dropped, one a record though it may note several errors, by byte offset."""
    if not rows(connection, f"SELECT 1 FROM duckdb_tables() WHERE table_name = '{DROPPED}'"):
        return
    query = (
        "SELECT line_byte_position - 1, min(line), min_by(CAST(error_type AS VARCHAR), column_idx), min_by(csv_line, column_idx) "
        f"FROM {DROPPED} GROUP BY 1 ORDER BY 1"
    )
    for offset, line, kind, raw in rows(connection, query):
        reason = _DROP_REASONS.get(str(kind), str(kind).lower())
        yield int(str(offset)), Reject(int(str(line)), int(str(offset)), None, reason, str(raw)[:_RAW_LIMIT])


def _rejects(
    connection: DuckDBPyConnection,
    source: PlainSource,
    relation: Relation,
    found: Explained,
    dropped: Mapping[int, Reject],
) -> Iterator[Reject]:
    yield from dropped.values()
    connection.execute(f"SELECT ordinal, failing, _raw FROM {_MISFITS} ORDER BY ordinal")
    while batch := [Misfit(*row) for row in connection.fetchmany(_BATCH)]:
        places = _locate(source, relation, [misfit.ordinal for misfit in batch], dropped)
        for misfit in batch:
            place = places.get(misfit.ordinal)
            raw = place.raw if place else msgspec.json.encode(misfit.texts).decode()
            column = found.columns[misfit.column][0] if misfit.column >= 0 else None
            yield Reject(
                line=place.line if place else None,
                byte_offset=place.byte_offset if place else None,
                column=column,
                reason=found.reason(misfit.column),
                raw=raw[:_RAW_LIMIT],
            )


def _locate(
    source: PlainSource, relation: Relation, ordinals: list[int], dropped: Mapping[int, Reject]
) -> dict[int, Location]:
    with source.path.open("rb") as stream:
        if relation.dialect is not None:
            return locate_delimited(stream, _shape(relation), ordinals, dropped.keys())
        return locate_lines_json(stream, ordinals) if source.format is Format.NDJSON else {}
