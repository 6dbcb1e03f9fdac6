"""The embedded engine: DuckDB in this process, over local copies where the lake is remote."""

from __future__ import annotations

import hashlib
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from quarterlake.domain.curation import CuratedFile, CuratedMonth
from quarterlake.domain.periods import Period
from quarterlake.domain.reading import EVIDENCE, Reading
from quarterlake.domain.releases import Aggregate, Build, DataFile
from quarterlake.lake import keys
from quarterlake.processing import curate_sql
from quarterlake.processing.aggregates import columns_of, user_query, write_summary
from quarterlake.processing.engines.duckdb_connections import Connections
from quarterlake.processing.faults import environment_faults
from quarterlake.processing.parser import ParseJob, ParseOutcome, parse_file
from quarterlake.processing.parsing import stamp_of
from quarterlake.processing.profiling import (
    profile_records,
    profile_small_table,
    profile_table,
    published_columns,
)
from quarterlake.processing.rejects import Reject
from quarterlake.processing.replays import readable
from quarterlake.processing.samples import Sample, file_evidence, sample_file
from quarterlake.processing.small_files import MOST_BYTES, MOST_FILES, SMALL, parse_together
from quarterlake.processing.small_profiles import FEW_ROWS
from quarterlake.processing.sql import identifier, literal, literals, parquet, parquet_options, rows
from quarterlake.processing.sql_dialects import DUCKDB
from quarterlake.processing.view_sql import view_query

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from duckdb import DuckDBPyConnection

    from quarterlake.domain.contract import Contract
    from quarterlake.domain.inference import Evidence
    from quarterlake.domain.landings import Manifest
    from quarterlake.domain.naming import NameTimestamp
    from quarterlake.domain.parsed import ParsedFile
    from quarterlake.domain.profiles import TableProfile
    from quarterlake.lake.location import Lake
    from quarterlake.processing.engines.port import CurateInput, CurateRequest, ParseRequest, PeriodView
    from quarterlake.processing.profiling import Ask
    from quarterlake.processing.user_sql import UserAggregate

R = TypeVar("R")
T = TypeVar("T")

DEFAULT_MEMORY = "400MB"
_BATCH = 10_000
_WORKERS = 2
"""Files or months worked on at a time: while one waits for Python or for its last row group, the engine reads the other."""
_LARGE_MONTH = 4_000_000
"""Records. Sorting a larger month keeps all cores busy, and takes memory beyond DuckDB's own count of it: one at a time."""
_FEW_VALUES = 4_000_000
_MANY_FILES = 8
_COPY = "_at_hand"
_WRITERS = 8


class DuckDBEngine:
    """See `Engine`. `memory` bounds what DuckDB keeps in memory; beyond it, it spills to the lake's scratch folder."""

    name = "duckdb"

    def __init__(self, lake: Lake, *, memory: str = DEFAULT_MEMORY, threads: int | None = None) -> None:
        self._lake = lake
        self._connections = Connections(lambda: self._scratch, memory=memory, threads=threads)

    def sample(
        self,
        manifests: Sequence[tuple[Manifest, NameTimestamp | None]],
        records: int,
        written: Reading = EVIDENCE,
    ) -> Iterator[Sample]:
        """See the port."""

        def sample_one(given: tuple[Manifest, NameTimestamp | None]) -> Sample:
            manifest, stamp = given
            with self._lake.raw.local([manifest.key]) as [raw], environment_faults(self._scratch):
                return sample_file(
                    self._connections.in_thread(),
                    manifest.source,
                    raw,
                    self._scratch,
                    records=records,
                    stamp=stamp,
                    written=written,
                )

        return self._side_by_side(sample_one, manifests)

    def evidence(self, manifests: Sequence[Manifest], columns: Sequence[str]) -> dict[str, Evidence]:
        """See the port."""
        total: dict[str, Evidence] = {}
        for manifest in manifests:
            with self._lake.raw.local([manifest.key]) as [raw], environment_faults(self._scratch):
                for name, found in file_evidence(
                    self._connections.shared(), manifest.source, raw, self._scratch, columns
                ).items():
                    total[name] = total[name] + found if name in total else found
        return total

    def parse(self, requests: Iterable[ParseRequest]) -> Iterator[ParsedFile]:
        """See the port. Small files are parsed together."""
        for parsed in self._side_by_side(self._parse_some, _together(requests)):
            yield from parsed

    def _side_by_side(
        self, work: Callable[[R], T], requests: Iterable[R], workers: int = _WORKERS
    ) -> Iterator[T]:
        """The results in order; after a failure what has not begun is not begun."""
        with ThreadPoolExecutor(workers) as pool:
            try:
                yield from pool.map(work, requests)
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def _parse_some(self, requests: Sequence[ParseRequest]) -> list[ParsedFile]:
        if len(requests) == 1:
            return [self._parse_one(requests[0])]
        with (
            self._lake.raw.local([request.manifest.key for request in requests]) as paths,
            environment_faults(self._scratch),
        ):
            jobs = [_job(request, raw) for request, raw in zip(requests, paths, strict=True)]
            with self._connections.of_one_thread() as connection:
                outcomes = parse_together(connection, jobs, self._scratch)
        placed = dict(zip(outcomes, self._place_all(requests, outcomes), strict=True))
        return [
            placed[request.id] if request.id in placed else self._parse_one(request) for request in requests
        ]

    def _parse_one(self, request: ParseRequest) -> ParsedFile:
        manifest = request.manifest
        with (
            self._lake.raw.local([manifest.key]) as [landed],
            environment_faults(self._scratch),
            readable(manifest, landed, request.withheld, self._scratch) as raw,
        ):
            outcome = parse_file(self._connections.in_thread(), _job(request, raw), self._scratch)
        return self._placed(request, outcome)

    def _place_all(
        self, requests: Sequence[ParseRequest], outcomes: Mapping[str, ParseOutcome]
    ) -> list[ParsedFile]:
        """Several at a time: most of a small file's time is waiting for the disk or the network."""
        by_id = {request.id: request for request in requests}
        with ThreadPoolExecutor(_WRITERS) as pool:
            return list(pool.map(lambda item: self._placed(by_id[item[0]], item[1]), outcomes.items()))

    def _placed(self, request: ParseRequest, outcome: ParseOutcome) -> ParsedFile:
        placed = {}
        for field, path, suffix in (
            ("data", outcome.data, "parquet"),
            ("rejects", outcome.rejects, "rejects.parquet"),
        ):
            if path is not None:
                placed[field] = keys.parsed(request.manifest.dataset, request.id, suffix)
                self._lake.curated.adopt(path, placed[field])
        return msgspec.structs.replace(outcome.document, **placed)

    def distinct(self, parsed: Sequence[ParsedFile], columns: Sequence[str], limit: int) -> dict[str, int]:
        """See the port."""
        values: dict[str, set[object]] = {column: set() for column in columns}
        for files in _alike(parsed):
            held = {column.name for column in files[0].columns}
            wanted = [name for name, found in values.items() if name in held and len(found) <= limit]
            if not wanted:
                continue
            keys_of = [file.data for file in files if file.data is not None]
            with self._lake.curated.local(keys_of) as paths, environment_faults(self._scratch):
                connection = self._connections.shared()
                accepted = f"SELECT {', '.join(map(identifier, wanted))} FROM {parquet(literals(paths))} WHERE _raw IS NULL"
                size = sum(file.records for file in files) * len(wanted)
                with _read_once(connection, accepted, len(paths), size) as records:
                    for name in wanted:
                        query = f"SELECT DISTINCT {identifier(name)} FROM {records} LIMIT {limit + 1}"
                        values[name].update(value for (value,) in rows(connection, query))
        return {name: len(found - {None}) for name, found in values.items()}

    def key_ranges(
        self, contract: Contract, months: Mapping[str, Sequence[CurateInput]]
    ) -> dict[str, tuple[str, str] | None]:
        """See the port."""
        key, found = identifier(contract.key[0]), {}
        for month, inputs in months.items():
            with self._paths(inputs) as paths, environment_faults(self._scratch):
                own = curate_sql.rows_of(DUCKDB, contract, [month], inputs, _reader(paths))
                query = f"SELECT CAST(min({key}) AS VARCHAR), CAST(max({key}) AS VARCHAR) FROM ({own})"
                low, high = rows(self._connections.shared(), query)[0]
            found[month] = None if low is None else (str(low), str(high))
        return found

    def shares_keys(
        self,
        contract: Contract,
        left: tuple[str, Sequence[CurateInput]],
        right: tuple[str, Sequence[CurateInput]],
    ) -> bool:
        """See the port."""
        with self._paths([*left[1], *right[1]]) as paths, environment_faults(self._scratch):
            key = curate_sql.key_list(DUCKDB, contract)
            one, two = (
                f"SELECT {key} FROM ({curate_sql.rows_of(DUCKDB, contract, [month], inputs, _reader(paths))})"
                for month, inputs in (left, right)
            )
            query = f"SELECT 1 FROM ({one}) SEMI JOIN ({two}) USING ({key}) LIMIT 1"
            return bool(rows(self._connections.shared(), query))

    def curate(self, requests: Iterable[CurateRequest]) -> Iterator[CuratedMonth]:
        """See the port."""
        given = list(requests)
        large = any(request.records > _LARGE_MONTH for request in given)
        return self._side_by_side(self._curate_one, given, 1 if large else _WORKERS)

    def _curate_one(self, request: CurateRequest) -> CuratedMonth:
        contract = request.contract
        rivals = [given for inputs in request.rivals.values() for given in inputs]
        target = self._scratch / f"{request.id}.parquet"
        with ExitStack() as stack:
            paths = stack.enter_context(self._paths([*request.inputs, *rivals]))
            stack.enter_context(environment_faults(self._scratch))
            connection, read = self._connections.in_thread(), _reader(paths)
            records = curate_sql.rows_of(DUCKDB, contract, [request.month], request.inputs, read)
            values = request.records * len(contract.columns)
            held = stack.enter_context(_read_once(connection, records, len(request.inputs), values))
            own = f"SELECT * FROM {held}"
            lost, losing, conflicts = (
                _find_losers(connection, request, read, own) if contract.key else ({}, "", 0)
            )
            equal = 0 if contract.key else _number(connection, curate_sql.equal_rows(DUCKDB, contract, own))
            query = _ordered_rows(request, own, without_losers=bool(lost))
            connection.execute(
                f"COPY ({query}) TO {literal(target)} ({parquet_options(c.type for c in contract.columns)})"
            )
            written = _number(
                connection, f"SELECT coalesce(sum(num_rows), 0) FROM parquet_file_metadata({literal(target)})"
            )
        size = target.stat().st_size
        self._lake.curated.adopt(target, f"{request.dataset}/{request.path}")
        return CuratedMonth(
            month=request.month,
            id=request.id,
            content=request.content(losing),
            files=(CuratedFile(request.path, size, written),),
            inputs=request.accepted(lost),
            columns=tuple(c.name for c in contract.columns),
            rivals=tuple(sorted(request.rivals)),
            key_id=request.key_id,
            key_range=request.key_range,
            conflicts=conflicts,
            equal_rows=equal,
        )

    def profile(self, view: PeriodView) -> tuple[TableProfile, dict[str, int]]:
        """See the port."""
        with self._view(view) as connection:
            values = sum(month.rows for month in view.months) * len(view.contract.columns)
            with _at_hand(connection, f"SELECT * FROM {identifier(view.dataset)}", values) as table:
                return profile_records(DUCKDB, view.contract, table, _asking(connection))

    def aggregate(self, view: PeriodView, build: str, aggregate: UserAggregate | None) -> Aggregate:
        """See the port."""
        name = aggregate.name if aggregate else "summary"
        target = self._scratch / f"{build}-{name}.parquet"
        with self._view(view) as connection:
            if aggregate is None:
                write_summary(connection, view, target)
            else:
                user_query(connection, view, aggregate, target)
            columns = columns_of(connection, target)
            count = int(str(rows(connection, f"SELECT count(*) FROM {parquet(literal(target))}")[0][0]))
        with target.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = target.stat().st_size
        path = f"{keys.aggregate_table(view.dataset, name)}/{keys.aggregate_file(view.period, build, digest)}"
        self._lake.aggregated.adopt(self._moved(target), path)
        return Aggregate(
            name, aggregate.sql if aggregate else None, columns, (DataFile(path, size, digest, count),)
        )

    def profile_aggregate(self, aggregate: Aggregate) -> TableProfile:
        """See the port."""
        columns = published_columns({column.name: column.type for column in aggregate.columns})
        paths = [file.path for file in aggregate.files]
        with self._lake.aggregated.local(paths) as local, environment_faults(self._scratch):
            connection, files = self._connections.shared(), parquet(literals(local))
            profiled = profile_small_table if aggregate.rows <= FEW_ROWS else profile_table
            return profiled(DUCKDB, aggregate.name, columns, files, _asking(connection))

    def recount(self, build: Build) -> tuple[int, int]:
        """See the port."""
        column = identifier(str(Period.parse(build.period).kind))
        total = strays = 0
        for file in (file for aggregate in build.aggregates for file in aggregate.files):
            with self._lake.aggregated.local([file.path]) as [path], environment_faults(self._scratch):
                query = f"SELECT count(*), count(*) FILTER ({column} IS DISTINCT FROM {literal(build.period)}) FROM {parquet(literal(path))}"
                count, others = rows(self._connections.shared(), query)[0]
            total, strays = total + int(str(count)), strays + int(str(others))
        return total, strays

    def rejects(self, parsed: Sequence[ParsedFile]) -> Iterator[tuple[ParsedFile, Reject]]:
        """See the port."""
        for file in parsed:
            if file.rejects is None:
                continue
            with self._lake.curated.local([file.rejects]) as [path], environment_faults(self._scratch):
                cursor = (
                    self._connections.shared()
                    .cursor()
                    .execute(
                        f'SELECT line, byte_offset, "column", reason, raw, record FROM {parquet(literal(path))}'
                    )
                )
                while batch := cursor.fetchmany(_BATCH):
                    yield from ((file, Reject(*row)) for row in batch)

    def close(self) -> None:
        """Let go of DuckDB's memory."""
        self._connections.close()

    @property
    def _scratch(self) -> Path:
        return self._lake.curated.scratch

    def _moved(self, path: Path) -> Path:
        """The file in the scratch folder of the zone that adopts it: zones may lie on different disks."""
        return Path(shutil.move(path, self._lake.aggregated.scratch / path.name))

    @contextmanager
    def _paths(self, inputs: Sequence[CurateInput]) -> Iterator[dict[str, Path]]:
        files = {given.parsed.id: given.parsed.data for given in inputs if given.parsed.data is not None}
        with self._lake.curated.local(list(files.values())) as paths:
            yield dict(zip(files, paths, strict=True))

    @contextmanager
    def _view(self, view: PeriodView) -> Iterator[DuckDBPyConnection]:
        with ExitStack() as stack:
            paths = stack.enter_context(
                self._lake.curated.local([f"{view.dataset}/{file.path}" for file in view.files])
            )
            stack.enter_context(environment_faults(self._scratch))
            connection = self._connections.shared()
            connection.execute(
                f"CREATE OR REPLACE TEMP VIEW {identifier(view.dataset)} AS {view_query(DUCKDB, view, _parquet(view, paths))}"
            )
            yield connection


@contextmanager
def _at_hand(connection: DuckDBPyConnection, query: str, values: int) -> Iterator[str]:
    """What a query gives, or a copy in memory of few values: many small statements then open no files."""
    if values > _FEW_VALUES:
        yield f"({query})"
        return
    _fill(connection, _COPY, query)
    try:
        yield _COPY
    finally:
        connection.execute(f"DROP TABLE {_COPY}")


@contextmanager
def _read_once(connection: DuckDBPyConnection, query: str, files: int, values: int) -> Iterator[str]:
    """What a query gives, at hand where opening its many files costs more than their rows."""
    if files < _MANY_FILES:
        yield f"({query})"
        return
    with _at_hand(connection, query, values) as relation:
        yield relation


def _asking(connection: DuckDBPyConnection) -> Ask:
    return lambda queries: [rows(connection, query) for query in queries]


def _alike(parsed: Sequence[ParsedFile]) -> Iterator[list[ParsedFile]]:
    """Files that hold records, those of the same columns together, as many as may be open at once."""
    groups: dict[object, list[ParsedFile]] = {}
    for file in parsed:
        if file.data is not None:
            groups.setdefault(file.columns, []).append(file)
    for files in groups.values():
        for at in range(0, len(files), MOST_FILES):
            yield files[at : at + MOST_FILES]


def _job(request: ParseRequest, raw: Path) -> ParseJob:
    manifest = request.manifest
    return ParseJob(
        request.id,
        request.origin,
        manifest.source,
        manifest.sha256,
        raw,
        request.name_time,
        request.contract,
        stamp_of(manifest) if manifest.replay is None else None,
        is_ours=manifest.replay is not None,
    )


def _together(requests: Iterable[ParseRequest]) -> Iterator[list[ParseRequest]]:
    """Requests in their order: small files in groups, every other alone."""
    group: list[ParseRequest] = []
    size = 0
    for request in requests:
        manifest = request.manifest
        if manifest.replay is not None or manifest.size > SMALL:
            yield [request]
            continue
        if len(group) == MOST_FILES or size + manifest.size > MOST_BYTES:
            yield group
            group, size = [], 0
        group.append(request)
        size += manifest.size
    if group:
        yield group


def _parquet(view: PeriodView, paths: Sequence[Path]) -> Callable[[Sequence[CuratedMonth]], str]:
    """Reads the local files of months of a view."""
    by_path = dict(zip((file.path for file in view.files), paths, strict=True))
    return lambda months: parquet(literals(by_path[file.path] for month in months for file in month.files))


def _reader(paths: Mapping[str, Path]) -> curate_sql.Reader:
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
    _fill(connection, curate_sql.REPEATED, curate_sql.repeated_keys(DUCKDB, contract, everything))
    if not rows(connection, f"SELECT 1 FROM {curate_sql.REPEATED} LIMIT 1"):
        return {}, "", 0
    _fill(connection, curate_sql.LOSERS, curate_sql.losers(DUCKDB, contract, everything))
    counted = rows(connection, f"SELECT _landing, count(*) FROM {curate_sql.LOSERS} GROUP BY 1")
    lost = {int(str(landing)): int(str(count)) for landing, count in counted}
    identity = curate_sql.losers_hash(DUCKDB, request.landings)
    losing = str(rows(connection, f"SELECT {identity} FROM {curate_sql.LOSERS}")[0][0]) if lost else ""
    conflicts = 0
    if not contract.key_declared:
        conflicts = _number(connection, curate_sql.conflicting_keys(DUCKDB, contract, own))
    return lost, losing, conflicts


def _ordered_rows(request: CurateRequest, own: str, *, without_losers: bool) -> str:
    """The rows that are written. `_source` is looked up after the sort, which would be a third slower with it."""
    columns = ", ".join(identifier(c.name) for c in request.contract.columns)
    kept = f"({own}) ANTI JOIN {curate_sql.LOSERS} USING (_landing, _row)" if without_losers else f"({own})"
    order = ", ".join(f"{term} NULLS FIRST" for term in curate_sql.write_order(DUCKDB, request.contract))
    source = curate_sql.source_of(DUCKDB, request.inputs)
    return f"SELECT {columns}, {source} AS _source FROM (SELECT {columns}, _landing FROM {kept} ORDER BY {order})"


def _fill(connection: DuckDBPyConnection, table: str, query: str) -> None:
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS {query}")


def _number(connection: DuckDBPyConnection, query: str) -> int:
    return int(str(rows(connection, query)[0][0]))
