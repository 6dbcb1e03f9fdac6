"""Parsing many small delimited files at once: most of what one of them costs alone is the planning of its query.

Files that are written alike are read by one query into memory, and each one's records are written from there. Only a file with nothing to explain is
taken: one with a reject, or that the reader does not read right, is left to be parsed alone, so that there is one way to do that.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import duckdb

from quarterlake.domain.errors import UnreadableFileError
from quarterlake.processing.contradictions import is_swapped
from quarterlake.processing.drift import Met, meet
from quarterlake.processing.faults import environment_faults
from quarterlake.processing.parser import ParseJob, ParseOutcome, check_matched, clean_document, local_times
from quarterlake.processing.rejects import survey_records
from quarterlake.processing.relations import DROPPED, DROPPED_SCANS, Relation, relation_of
from quarterlake.processing.sources import Format, PlainSource, plain_source
from quarterlake.processing.sql import identifier, literal, literals, parquet_options, rows
from quarterlake.processing.two_paths import needs_care
from quarterlake.processing.typed_query import typed_query

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from duckdb import DuckDBPyConnection

SMALL = 1 << 18
"""A file of so many bytes, or fewer, is small."""
MOST_FILES = 128
MOST_BYTES = 1 << 23
"""How many files, and bytes, are read at once."""
MOST_RECORDS = 122_880
"""So many records at most are held in memory at once."""
_TOGETHER = "files_together"


@dataclass(frozen=True, slots=True)
class _Member:
    """A file as it will be read: its relation is that of the others but for the path."""

    job: ParseJob
    source: PlainSource
    relation: Relation
    met: Met
    records: int

    @property
    def shape(self) -> tuple[object, ...]:
        """What members of one group have in common."""
        sql = self.relation.sql.replace(literal(self.source.path), "")
        name_time = None if self.job.contract.record_time else self.job.name_time
        matched = tuple((name, column.name) for name, column in self.met.matched.items())
        return sql, self.relation.columns, matched, name_time, self.job.contract.parse_id


def parse_together(
    connection: DuckDBPyConnection, jobs: Sequence[ParseJob], scratch: Path
) -> dict[str, ParseOutcome]:
    """Parse those of the files that can be, by their jobs' ids; each gives what `parse_file` gives.

    The connection must be to an engine of one thread: several would mix up the order of records as they write.

    Raises TransientError and DiskFullError for what the machine lacks.
    """
    done: dict[str, ParseOutcome] = {}
    with ExitStack() as stack:
        groups: dict[tuple[object, ...], list[_Member]] = {}
        for job in jobs:
            if (member := _member(connection, job, scratch, stack)) is not None:
                groups.setdefault(member.shape, []).append(member)
        for members in groups.values():
            for few in _in_groups(members):
                done |= _parse(connection, few, scratch)
    connection.execute(f"DROP TABLE IF EXISTS {_TOGETHER}")
    return done


def _in_groups(members: Sequence[_Member]) -> Iterator[list[_Member]]:
    """The members of one shape in groups that may be written at once."""
    group: list[_Member] = []
    held = 0
    for member in members:
        if group and held + member.records > MOST_RECORDS:
            yield group
            group, held = [], 0
        group.append(member)
        held += member.records
    if group:
        yield group


def _member(connection: DuckDBPyConnection, job: ParseJob, scratch: Path, stack: ExitStack) -> _Member | None:
    """The file as it will be read; None for one that is parsed alone."""
    contract = job.contract
    if any(column.name.casefold() == "rowid" for column in contract.columns):
        return None  # by DuckDB's own, records are put in order
    with ExitStack() as own:
        member = _read_plainly(connection, job, scratch, own)
        if member is not None:
            stack.enter_context(own.pop_all())
        return member


def _read_plainly(
    connection: DuckDBPyConnection, job: ParseJob, scratch: Path, stack: ExitStack
) -> _Member | None:
    contract = job.contract
    try:
        source = stack.enter_context(
            plain_source(job.name, job.raw, scratch, job.reading, dataset=contract.dataset)
        )
        if source.format is not Format.DELIMITED or source.path != job.raw:
            return None
        names = [column.source for column in contract.columns]
        relation = relation_of(connection, source, names, job.reading)
        if (
            relation.dialect is None
            or relation.sql.count(literal(source.path)) != 1
            or needs_care(source, relation.dialect, job.reading) is not None
        ):
            return None
        met = meet(job.name, relation, contract, ordered=True)
        check_matched(job, met.matched)
        if met.rules or met.filled:
            return None
        return _Member(job, source, relation, met, survey_records(connection, source, relation).records)
    except UnreadableFileError:
        return None


def _parse(
    connection: DuckDBPyConnection, members: Sequence[_Member], scratch: Path
) -> dict[str, ParseOutcome]:
    if len(members) <= 1:
        return {}
    try:
        with environment_faults(scratch):
            return _read_and_written(connection, members, scratch)
    except (
        duckdb.CatalogException,
        duckdb.BinderException,
        duckdb.ParserException,
        duckdb.InternalException,
    ):
        raise
    except duckdb.Error:
        # One of them cannot be read: halves until it is alone.
        half = len(members) // 2
        return _parse(connection, members[:half], scratch) | _parse(connection, members[half:], scratch)


def _read_and_written(
    connection: DuckDBPyConnection, members: Sequence[_Member], scratch: Path
) -> dict[str, ParseOutcome]:
    """Nothing where the records are too large for this engine's memory: each file is then parsed alone, by another."""
    try:
        _read(connection, members)
        return dict(_written(connection, members, scratch))
    except duckdb.OutOfMemoryException:
        return {}


def _read(connection: DuckDBPyConnection, members: Sequence[_Member]) -> None:
    first = members[0]
    paths = literals(member.source.path for member in members)
    sql = first.relation.sql.replace(literal(first.source.path), paths)
    together = replace(first.relation, sql=sql)
    query = typed_query(together, first.job.contract, first.met, first.job.name_time, ("file_index",))
    connection.execute(f"DROP TABLE IF EXISTS {DROPPED}; DROP TABLE IF EXISTS {DROPPED_SCANS}")
    with local_times(connection, first.job.contract):
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {_TOGETHER} AS {query}")


def _written(
    connection: DuckDBPyConnection, members: Sequence[_Member], scratch: Path
) -> Iterator[tuple[str, ParseOutcome]]:
    first = members[0]
    present = [column for column in first.job.contract.columns if column.name in first.met.matched]
    options = parquet_options((column.type for column in present), compression="snappy")
    filled = ", ".join(f"count({identifier(column.name)})" for column in present)
    counted = rows(
        connection,
        f"SELECT file_index, _month, _raw IS NULL, count(*), {filled} FROM {_TOGETHER} GROUP BY ALL ORDER BY ALL",
    )
    parts: dict[int, list[tuple[object, ...]]] = {}
    for index, *part in counted:
        parts.setdefault(int(str(index)), []).append(tuple(part))
    broken = _broken(connection)
    for index, member in enumerate(members):
        if str(member.source.path) in broken:
            continue  # after a stray quote as many records may come as there should
        found = parts.get(index, [])
        numbers = [[int(str(value)) for value in part[2:]] for part in found]
        accepted = sum(number[0] for number in numbers)
        if not all(part[1] for part in found) or accepted != member.records or not accepted:
            continue  # there is something to explain
        months = {
            f"{int(str(part[0])) // 100:04d}-{int(str(part[0])) % 100:02d}": number[0]
            for part, number in zip(found, numbers, strict=True)
        }
        nulls = {
            column.name: accepted - sum(number[place] for number in numbers)
            for place, column in enumerate(present, start=1)
        }
        data = scratch / f"{member.job.id}.staged.parquet"
        _write(connection, index, data, options, several=len(months) > 1)
        if is_swapped(connection, data, member.job.contract, member.job.stamp, months):
            data.unlink()
            continue
        document = clean_document(
            member.job,
            member.relation,
            member.met,
            member.records,
            months,
            {name: count for name, count in nulls.items() if count},
        )
        yield member.job.id, ParseOutcome(document, data, None)


def _write(connection: DuckDBPyConnection, index: int, data: Path, options: str, *, several: bool) -> None:
    """One file's records in their order, by months where it has several; DuckDB's own partitions of few rows are in no order."""
    order = " ORDER BY _month, rowid" if several else ""
    query = f"SELECT * EXCLUDE (file_index) FROM {_TOGETHER} WHERE file_index = {index}{order}"
    connection.execute(f"COPY ({query}) TO {literal(data)} ({options})")


def _broken(connection: DuckDBPyConnection) -> set[str]:
    """The files in which the reader dropped a record, or a part of one."""
    if not rows(connection, f"SELECT 1 FROM duckdb_tables() WHERE table_name = '{DROPPED}'"):
        return set()
    query = f"SELECT DISTINCT file_path FROM {DROPPED} JOIN {DROPPED_SCANS} USING (scan_id, file_id)"
    return {str(path) for (path,) in rows(connection, query)}
