"""Parsing one raw file: typed Parquet, rejects with their place, and the counts that the ledger needs.

It runs in any process that has DuckDB: in the embedded engine, and in a cluster's workers. A bad record never
fails it: it goes to the rejects with line, byte offset, column, reason and raw text.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb
import msgspec

from quarterlake.domain.drift import Drift, DriftKind, DriftPolicy
from quarterlake.domain.errors import ContractError, MisreadError, UnreadableFileError
from quarterlake.domain.parsed import ParsedFile, StoredColumn
from quarterlake.domain.reading import EVIDENCE, Reading
from quarterlake.processing.contradictions import refuse_contradicted, refuse_swapped
from quarterlake.processing.drift import (
    DriftError,
    Met,
    counted,
    meet,
    type_drift,
    without_misfits,
)
from quarterlake.processing.faults import reading
from quarterlake.processing.json_fields import no_object
from quarterlake.processing.misfits import Explained, explain_misfits
from quarterlake.processing.rejects import survey_records, write_rejects
from quarterlake.processing.relations import DROPPED, DROPPED_SCANS, Relation, SourceColumn, relation_of
from quarterlake.processing.sources import Format, PlainSource, plain_source
from quarterlake.processing.sql import identifier, literal, parquet, parquet_options, rows
from quarterlake.processing.two_paths import holds_another_table, read_either_way
from quarterlake.processing.typed_query import typed_query

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from quarterlake.domain.contract import Column, Contract
    from quarterlake.domain.naming import NameTimestamp

_ORDERED = frozenset({Format.DELIMITED, Format.PARQUET})
"""The formats whose columns have an order."""


@dataclass(frozen=True, slots=True)
class ParseJob:
    """What to parse: `raw` is the local copy of the file that the user knows as `name`.

    `name_time` is the instant (ISO 8601, UTC) that the file's name gives, for contracts without a record time, `stamp` the timestamp
    in that name. A replay `is_ours`: how the contract says that files are written is not said of it.
    """

    id: str
    origin: str
    name: str
    sha256: str
    raw: Path
    name_time: str | None
    contract: Contract
    stamp: NameTimestamp | None = None
    is_ours: bool = False

    @property
    def reading(self) -> Reading:
        """What is said of how the file is written."""
        return EVIDENCE if self.is_ours else self.contract.reading


@dataclass(frozen=True, slots=True)
class ParseOutcome:
    """The document, whose keys are still empty, and the local files that belong under them."""

    document: ParsedFile
    data: Path | None
    rejects: Path | None


def parse_file(connection: DuckDBPyConnection, job: ParseJob, scratch: Path) -> ParseOutcome:
    """Parse one file under one contract; a file that cannot be read gives a document with `error`, never a raise.

    Raises TransientError and DiskFullError only, for what the machine lacks.
    """
    try:
        with (
            plain_source(job.name, job.raw, scratch, job.reading, dataset=job.contract.dataset) as source,
            reading(job.name, source.path),
        ):
            names = [column.source for column in job.contract.columns]
            relation = relation_of(connection, source, names, job.reading)
            return read_either_way(
                source,
                relation,
                job.reading,
                scratch,
                lambda found: _parse(connection, job, source, found, scratch),
            )
    except UnreadableFileError as refused:
        document = ParsedFile(
            id=job.id,
            origin=job.origin,
            sha256=job.sha256,
            parse_id=job.contract.parse_id,
            drift=refused.drift if isinstance(refused, DriftError) else (),
            error=str(refused),
            named=job.name,
        )
        return ParseOutcome(document, None, None)


def _parse(
    connection: DuckDBPyConnection, job: ParseJob, source: PlainSource, relation: Relation, scratch: Path
) -> ParseOutcome:
    contract = job.contract
    if not relation.columns:
        return _nothing(connection, job, source, relation)
    met = meet(job.name, relation, contract, ordered=source.format in _ORDERED)
    matched = met.matched
    check_matched(job, matched)
    staged = scratch / f"{job.id}.staged.parquet"
    connection.execute(f"DROP TABLE IF EXISTS {DROPPED}; DROP TABLE IF EXISTS {DROPPED_SCANS}")
    present = [column for column in contract.columns if column.name in matched]
    # Written once and read once or twice: what zstd saves in size it takes in time.
    options = parquet_options((column.type for column in present), compression="snappy")
    query = typed_query(relation, contract, met, job.name_time)
    with local_times(connection, contract):
        staged_rows = rows(connection, f"COPY ({query}) TO {literal(staged)} ({options})")[0][0]

    months, nulls = _accepted(connection, staged, present)
    found = Explained.nothing()
    if int(str(staged_rows)) > sum(months.values()):
        found = explain_misfits(
            connection, staged, present, contract.record_time, met.rules, contract.timezone
        )
        refuse_contradicted(connection, job.name, staged, present, found.misfits)
    refuse_swapped(connection, job.name, staged, contract, job.stamp, months)
    misfitting = [
        *type_drift(job.name, contract, found.misfits),
        *_filled(connection, staged, met, present),
    ]
    drift = (*without_misfits(met.drift, misfitting), *misfitting)
    rejects = scratch / f"{job.id}.rejects.parquet"
    surveyed = survey_records(connection, source, relation)
    _refuse_other_table(job, source, relation, blank=surveyed.blank)
    counts = write_rejects(connection, source, relation, surveyed, found, rejects)
    rejected = sum(counts.values())
    records = surveyed.records
    if records != sum(months.values()) + rejected:
        raise MisreadError(
            f"{job.name}: {records} records counted in its bytes, but the parser gave {sum(months.values())} rows and {rejected} rejects. "
            "The file is left out until this is understood; please report it with the file.",
            "its rows and rejects are not as many as the records in the file's bytes",
        )
    data = _by_month(connection, staged, months, options)
    document = msgspec.structs.replace(
        clean_document(job, relation, met, records, months, nulls),
        rejected=rejected,
        misfits=found.misfits,
        reject_counts=counts,
        drift=counted(drift, found.ruled),
    )
    return ParseOutcome(document, data if months else None, rejects if rejected else None)


def clean_document(
    job: ParseJob,
    relation: Relation,
    met: Met,
    records: int,
    months: Mapping[str, int],
    nulls: Mapping[str, int],
) -> ParsedFile:
    """The document of a file whose records are all accepted."""
    contract = job.contract
    present = [column for column in contract.columns if column.name in met.matched]
    return ParsedFile(
        id=job.id,
        origin=job.origin,
        sha256=job.sha256,
        parse_id=contract.parse_id,
        records=records,
        months=months,
        columns=tuple(StoredColumn(c.name, c.type, c.format, c.nulls) for c in present),
        nulls=nulls,
        unknown=met.unknown,
        missing=tuple(c.name for c in contract.columns if c.name not in met.matched),
        dialect=relation.described,
        drift=met.drift,
    )


def _nothing(
    connection: DuckDBPyConnection, job: ParseJob, source: PlainSource, relation: Relation
) -> ParseOutcome:
    """A file of no records, which says nothing of columns: none of the contract's is missing."""
    if survey_records(connection, source, relation).records:
        raise no_object(job.name)
    met = Met({}, (), (), (), frozenset())
    document = clean_document(job, relation, met, 0, {}, {})
    return ParseOutcome(msgspec.structs.replace(document, missing=()), None, None)


def _refuse_other_table(job: ParseJob, source: PlainSource, relation: Relation, *, blank: bool) -> None:
    dialect = relation.dialect
    if not blank or dialect is None:
        return
    with source.open() as stream:
        if holds_another_table(stream, dialect, job.reading):
            raise MisreadError(f"{job.name} holds more than one table.", "another table follows a blank line")


@contextmanager
def local_times(connection: DuckDBPyConnection, contract: Contract) -> Iterator[None]:
    """While it lasts, a timestamp without a zone is read in the contract's. Raises ContractError for a zone that does not exist."""
    if contract.timezone == "UTC":
        yield
        return
    try:
        connection.execute(f"SET TimeZone = {literal(contract.timezone)}")
    except duckdb.Error as unknown:
        raise ContractError(
            f"Contract of {contract.dataset}: there is no time zone {contract.timezone!r}. Use a name such as Europe/Berlin or UTC."
        ) from unknown
    try:
        yield
    finally:
        connection.execute("SET TimeZone = 'UTC'")


def check_matched(job: ParseJob, matched: Mapping[str, SourceColumn]) -> None:
    """Raise UnreadableFileError where a file lacks the columns without which none of its records counts."""
    contract = job.contract
    if contract.record_time is not None and contract.record_time not in matched:
        raise UnreadableFileError(
            f"{job.name} lacks the column {contract.record_time}, which puts the records of {contract.dataset} into periods."
        )
    if contract.record_time is None and job.name_time is None:
        raise UnreadableFileError(
            f"{job.name} has no record time: no timestamp column, and no timestamp in its name. Put one into the name "
            f"(such as {contract.dataset}_2026-07.csv) or name a column in contracts/{contract.dataset}.odcs.yaml.",
        )
    if absent := [key for key in contract.key if key not in matched and contract.key_declared]:
        raise UnreadableFileError(f"{job.name} lacks the key column {absent[0]} of {contract.dataset}.")


def _accepted(
    connection: DuckDBPyConnection, staged: Path, columns: list[Column]
) -> tuple[dict[str, int], dict[str, int]]:
    counted = ", ".join(f"count({identifier(column.name)})" for column in columns)
    found = rows(
        connection,
        f"SELECT _month, count(*), {counted} FROM {parquet(literal(staged))} WHERE _raw IS NULL GROUP BY 1 ORDER BY 1",
    )
    months = {
        f"{int(str(month)) // 100:04d}-{int(str(month)) % 100:02d}": int(str(count))
        for month, count, *_ in found
    }
    nulls = {
        column.name: sum(int(str(row[1])) - int(str(row[position])) for row in found)
        for position, column in enumerate(columns, start=2)
    }
    return months, {name: count for name, count in nulls.items() if count}


def _filled(connection: DuckDBPyConnection, staged: Path, met: Met, columns: list[Column]) -> list[Drift]:
    """The columns in which misfits became null, with their numbers."""
    names = [column.name for column in columns if column.name in met.filled]
    if not names:
        return []
    counts = ", ".join(f"count(*) FILTER (_filled[{position}])" for position in range(1, len(names) + 1))
    found = rows(connection, f"SELECT {counts} FROM {parquet(literal(staged))} WHERE _raw IS NULL")[0]
    return [
        Drift(DriftKind.TYPE, DriftPolicy.NULL_FILL, name, records=int(str(count)))
        for name, count in zip(names, found, strict=True)
        if count
    ]


def _by_month(connection: DuckDBPyConnection, staged: Path, months: Mapping[str, int], options: str) -> Path:
    """The staged file itself when it holds one month, else one sorted by month, so that reading a month skips the others."""
    if len(months) <= 1:
        return staged
    data = staged.with_suffix(".sorted.parquet")
    query = f"SELECT * EXCLUDE (file_row_number) FROM {parquet(literal(staged), numbered=True)} WHERE _raw IS NULL ORDER BY _month, file_row_number"
    connection.execute(f"COPY ({query}) TO {literal(data)} ({options})")
    staged.unlink()
    return data
