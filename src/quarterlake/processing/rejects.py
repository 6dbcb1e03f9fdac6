"""The records of a file that were not accepted: why, and where in it; and how many records there are at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from quarterlake.domain.errors import MisreadError, UnreadableFileError
from quarterlake.processing.cutting import STRAY, TOO_LONG
from quarterlake.processing.json_faults import record_faults
from quarterlake.processing.json_records import (
    count_array_json,
    count_broken_json,
    count_values_json,
    locate_json,
    locate_lines_json,
    survey_lines_json,
)
from quarterlake.processing.misfits import BROKEN, MISFITS, Explained, Misfit
from quarterlake.processing.record_search import RAW_CHARACTERS, Location
from quarterlake.processing.record_survey import Survey
from quarterlake.processing.records import TextShape, locate_delimited, locate_dropped, survey_delimited
from quarterlake.processing.relations import DROPPED, MOST_DROPS, Relation
from quarterlake.processing.sources import Format, PlainSource
from quarterlake.processing.sql import literal, rows
from quarterlake.processing.structure import NOT_UTF8, TOO_FEW, TOO_MANY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from duckdb import DuckDBPyConnection

_BATCH = 50_000

_DROP_REASONS = {
    "TOO MANY COLUMNS": TOO_MANY,
    "MISSING COLUMNS": TOO_FEW,
    "UNQUOTED VALUE": STRAY,
    "INVALID ENCODING": NOT_UTF8,
    "LINE SIZE OVER MAXIMUM": TOO_LONG,
}


class Reject(msgspec.Struct, frozen=True):
    """One record that was not accepted. `line` counts from 1, `byte_offset` from 0 in the uncompressed file; None where unknown.

    `record` is its number from 0 in a file that has no lines.
    """

    line: int | None
    byte_offset: int | None
    column: str | None
    reason: str
    raw: str
    record: int | None = None


def write_rejects(
    connection: DuckDBPyConnection,
    source: PlainSource,
    relation: Relation,
    surveyed: Survey,
    found: Explained,
    target: Path,
) -> dict[str, int]:
    """Write a file's rejects as Parquet, in the file's order; return their number by reason, nothing written for none."""
    rewriting = relation.rewriting
    dropped = _dropped(connection, source) if relation.dialect and rewriting is None else {}
    if not dropped and not found.by_column and not (rewriting and rewriting.counts):
        return {}
    listed = target.with_suffix(".ndjson")
    counts: dict[str, int] = {}
    encoder = msgspec.json.Encoder()
    with listed.open("wb") as file:
        for reject in _rejects(connection, source, relation, surveyed, found, dropped):
            counts[reject.reason] = counts.get(reject.reason, 0) + 1
            file.write(encoder.encode(reject) + b"\n")
    types = "{line: 'BIGINT', byte_offset: 'BIGINT', \"column\": 'VARCHAR', reason: 'VARCHAR', raw: 'VARCHAR', record: 'BIGINT'}"
    query = f"SELECT * FROM read_json({literal(listed)}, columns = {types}, format = 'newline_delimited', hive_partitioning = false) ORDER BY byte_offset, line, record"
    connection.execute(f"COPY ({query}) TO {literal(target)} (FORMAT parquet, COMPRESSION zstd)")
    listed.unlink()
    return counts


def survey_records(connection: DuckDBPyConnection, source: PlainSource, relation: Relation) -> Survey:
    """The number of records by other means than the parser: from the bytes, or from Parquet's footer."""
    if source.format is Format.PARQUET:
        footer = f"SELECT sum(num_rows) FROM parquet_file_metadata({literal(source.path)})"
        return Survey(int(str(rows(connection, footer)[0][0])))
    with source.open() as stream:
        if relation.rewriting is not None:
            return Survey(relation.rewriting.count())
        if relation.dialect is not None:
            return survey_delimited(stream, _shape(relation))
        if source.format is Format.NDJSON:
            return survey_lines_json(stream)
        if relation.marks is not None:
            return Survey(count_broken_json(source.path, relation.marks))
        count = count_array_json if source.format is Format.JSON_ARRAY else count_values_json
        try:
            return Survey(count(stream))
        except UnreadableFileError as refused:
            raise UnreadableFileError(f"{source.name}: {refused}. Send it again.") from refused


def _shape(relation: Relation) -> TextShape:
    dialect = relation.dialect
    if dialect is None:
        raise ValueError("only delimited files have a text shape")
    return TextShape(
        delimiter=dialect.delimiter.encode(),
        quote=dialect.quote.encode(),
        header=dialect.header,
        columns=len(dialect.columns),
        skip=dialect.blank,
    )


def _dropped(connection: DuckDBPyConnection, source: PlainSource) -> dict[int, str]:
    """Where DuckDB's reader dropped a record, and why, one a record though it may note several errors.

    The place may lie in the line ends before the record. Raises MisreadError for a stray quote, after which the reader may take up again in the
    middle of a record, and where it found more faults than it notes.
    """
    if not rows(connection, f"SELECT 1 FROM duckdb_tables() WHERE table_name = '{DROPPED}'"):
        return {}
    if int(str(rows(connection, f"SELECT count(*) FROM {DROPPED}")[0][0])) >= MOST_DROPS:
        raise MisreadError(f"{source.name}: too many records are broken.", "it drops too many records")
    query = (
        "SELECT line_byte_position - 1, min_by(CAST(error_type AS VARCHAR), coalesce(column_idx, 0)) "
        f"FROM {DROPPED} GROUP BY 1 ORDER BY 1"
    )
    found = {}
    for offset, kind in rows(connection, query):
        reason = TOO_LONG if kind is None else _DROP_REASONS.get(str(kind), str(kind).lower())
        if reason == STRAY:
            raise MisreadError(
                f"{source.name}: a quote is never closed.", "a stray quote may take others with it"
            )
        found[int(str(offset))] = reason
    return found


def _rejects(
    connection: DuckDBPyConnection,
    source: PlainSource,
    relation: Relation,
    surveyed: Survey,
    found: Explained,
    dropped: Mapping[int, str],
) -> Iterator[Reject]:
    if relation.rewriting is not None:
        for one in relation.rewriting.rejects():
            where = Location(one.line, one.byte_offset, one.raw)
            yield _reject(source, where, None, _said(one.reason, source))
    if dropped:
        yield from _dropped_rejects(source, relation, surveyed, dropped)
    if not found.by_column:
        return
    connection.execute(f"SELECT ordinal, failing, _raw FROM {MISFITS} ORDER BY ordinal")
    with record_faults(source) as fault_of:
        while batch := [Misfit(*row) for row in connection.fetchmany(_BATCH)]:
            places = _locate(source, relation, surveyed, [misfit.ordinal for misfit in batch], dropped)
            for misfit in batch:
                place = places.get(misfit.ordinal)
                reason = found.reason(misfit.failing)
                if misfit.failing == BROKEN and place is not None:
                    reason = fault_of(misfit.ordinal, place) or reason
                column, shown = found.column(misfit.failing), _shown(misfit, found)
                yield _reject(source, place, column, reason, shown, misfit.ordinal)


def _dropped_rejects(
    source: PlainSource, relation: Relation, surveyed: Survey, dropped: Mapping[int, str]
) -> Iterator[Reject]:
    lost = dict(dropped)
    with source.path.open("rb") as stream:
        for offset, place in locate_dropped(stream, _shape(relation), surveyed, dropped.keys()):
            yield _reject(source, place, None, _said(lost.pop(offset), source))
    if lost:
        raise MisreadError(
            f"{source.name}: DuckDB's reader dropped a record at byte {min(lost)}, where none begins.",
            "it drops what is no record",
        )


def _said(reason: str, source: PlainSource) -> str:
    return f"not {source.encoding.label}" if reason == NOT_UTF8 and not source.encoding.is_utf8 else reason


def _shown(misfit: Misfit, found: Explained) -> str:
    """What is shown of a record whose place in the file is not known."""
    if misfit.failing == BROKEN and misfit.texts[-1] is not None:
        return misfit.texts[-1]
    return msgspec.json.encode(misfit.texts[: len(found.columns)]).decode()


def _reject(
    source: PlainSource,
    place: Location | None,
    column: str | None,
    reason: str,
    shown: str = "",
    record: int | None = None,
) -> Reject:
    if place is None:
        return Reject(None, None, column, reason, shown[:RAW_CHARACTERS], record)
    offset = source.recoding.original(place.byte_offset)
    return Reject(place.line, offset, column, reason, place.raw[:RAW_CHARACTERS])


def _locate(
    source: PlainSource,
    relation: Relation,
    surveyed: Survey,
    ordinals: list[int],
    dropped: Mapping[int, str],
) -> dict[int, Location]:
    if relation.rewriting is not None:
        return relation.rewriting.locate(ordinals)
    with source.path.open("rb") as stream:
        if relation.dialect is not None:
            return locate_delimited(stream, _shape(relation), surveyed, ordinals, dropped.keys())
        if source.format is Format.NDJSON:
            return locate_lines_json(stream, surveyed, ordinals)
    return {} if source.format is Format.PARQUET else locate_json(source.path, ordinals, relation.marks)
