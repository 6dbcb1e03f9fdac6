"""The embedded engine: DuckDB in this process, over local copies where the lake is remote."""

from __future__ import annotations

import hashlib
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from quarterlake.domain.periods import Period
from quarterlake.domain.reading import EVIDENCE, Reading
from quarterlake.domain.releases import Aggregate, AggregateColumn, Build, DataFile
from quarterlake.lake import keys
from quarterlake.processing import curate_sql
from quarterlake.processing.aggregates import columns_of, user_query, write_summary
from quarterlake.processing.engines.duckdb_connections import DEFAULT_MEMORY, Connections
from quarterlake.processing.engines.duckdb_curating import curate_month, reader
from quarterlake.processing.engines.duckdb_parsing import ParsingFiles
from quarterlake.processing.engines.duckdb_tables import at_hand, distinct_values
from quarterlake.processing.engines.parse_groups import alike, together
from quarterlake.processing.faults import environment_faults
from quarterlake.processing.profiling import (
    profile_records,
    profile_small_table,
    profile_table,
    published_columns,
)
from quarterlake.processing.rejects import Reject
from quarterlake.processing.samples import Sample, file_evidence, sample_file
from quarterlake.processing.small_profiles import FEW_ROWS
from quarterlake.processing.sql import identifier, literal, literals, number, parquet, rows
from quarterlake.processing.sql_dialects import DUCKDB
from quarterlake.processing.view_sql import view_query

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from duckdb import DuckDBPyConnection

    from quarterlake.domain.contract import Contract
    from quarterlake.domain.curation import CuratedMonth
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

_BATCH = 10_000
_WORKERS = 2
"""Files or months worked on at a time: while one waits for Python or for its last row group, the engine reads the other."""
_LARGE_MONTH = 4_000_000
"""Records. Sorting a larger month keeps all cores busy, and takes memory beyond DuckDB's own count of it: one at a time."""


class DuckDBEngine:
    """See `Engine`. `memory` bounds what DuckDB keeps in memory; beyond it, it spills to the lake's scratch folder."""

    name = "duckdb"

    def __init__(self, lake: Lake, *, memory: str = DEFAULT_MEMORY, threads: int | None = None) -> None:
        self._lake = lake
        self._connections = Connections(lambda: self._scratch, memory=memory, threads=threads)
        self._parsing = ParsingFiles(lake, self._connections)

    def sample(
        self,
        manifests: Sequence[tuple[Manifest, NameTimestamp | None]],
        records: int,
        written: Reading = EVIDENCE,
    ) -> Iterator[Sample]:
        """See the port."""

        def sample_one(given: tuple[Manifest, NameTimestamp | None]) -> Sample:
            manifest, stamp = given
            name, scratch = manifest.source, self._scratch
            with self._lake.raw.local([manifest.key]) as [raw]:
                return self._connections.sparing(
                    lambda connection: sample_file(
                        connection,
                        name,
                        raw,
                        scratch,
                        dataset=manifest.dataset,
                        records=records,
                        stamp=stamp,
                        written=written,
                    )
                )

        return self._side_by_side(sample_one, manifests)

    def evidence(self, manifests: Sequence[Manifest], columns: Sequence[str]) -> dict[str, Evidence]:
        """See the port."""
        total: dict[str, Evidence] = {}
        for manifest in manifests:
            for name, found in self._file_evidence(manifest, columns).items():
                total[name] = total[name] + found if name in total else found
        return total

    def _file_evidence(self, manifest: Manifest, columns: Sequence[str]) -> dict[str, Evidence]:
        with self._lake.raw.local([manifest.key]) as [raw]:
            return self._connections.sparing(
                lambda connection: file_evidence(
                    connection, manifest.source, raw, self._scratch, columns, dataset=manifest.dataset
                )
            )

    def parse(self, requests: Iterable[ParseRequest]) -> Iterator[ParsedFile]:
        """See the port. Small files are parsed together."""
        for parsed in self._side_by_side(self._parsing.some, together(requests)):
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

    def distinct(self, parsed: Sequence[ParsedFile], columns: Sequence[str], limit: int) -> dict[str, int]:
        """See the port."""
        values: dict[str, set[object]] = {column: set() for column in columns}
        for files in alike(parsed):
            held = {column.name for column in files[0].columns}
            wanted = [name for name, found in values.items() if name in held and len(found) <= limit]
            for name, found in self._distinct_of(files, wanted, limit).items():
                values[name].update(found)
        return {name: len(found - {None}) for name, found in values.items()}

    def _distinct_of(
        self, files: Sequence[ParsedFile], wanted: Sequence[str], limit: int
    ) -> dict[str, set[object]]:
        if not wanted:
            return {}
        size = sum(file.records for file in files) * len(wanted)
        with self._lake.curated.local([file.data for file in files if file.data is not None]) as paths:
            accepted = f"SELECT {', '.join(map(identifier, wanted))} FROM {parquet(literals(paths))} WHERE _raw IS NULL"
            return self._connections.sparing(
                lambda connection: distinct_values(connection, accepted, len(paths), size, wanted, limit)
            )

    def key_ranges(
        self, contract: Contract, months: Mapping[str, Sequence[CurateInput]]
    ) -> dict[str, tuple[str, str] | None]:
        """See the port."""
        key, found = identifier(contract.key[0]), {}
        for month, inputs in months.items():
            with self._paths(inputs) as paths:
                own = curate_sql.rows_of(DUCKDB, contract, [month], inputs, reader(paths))
                query = f"SELECT CAST(min({key}) AS VARCHAR), CAST(max({key}) AS VARCHAR) FROM ({own})"
                low, high = self._rows(query)[0]
            found[month] = None if low is None else (str(low), str(high))
        return found

    def shares_keys(
        self,
        contract: Contract,
        left: tuple[str, Sequence[CurateInput]],
        right: tuple[str, Sequence[CurateInput]],
    ) -> bool:
        """See the port."""
        with self._paths([*left[1], *right[1]]) as paths:
            key = curate_sql.key_list(DUCKDB, contract)
            one, two = (
                f"SELECT {key} FROM ({curate_sql.rows_of(DUCKDB, contract, [month], inputs, reader(paths))})"
                for month, inputs in (left, right)
            )
            query = f"SELECT 1 FROM ({one}) SEMI JOIN ({two}) USING ({key}) LIMIT 1"
            return bool(self._rows(query))

    def curate(self, requests: Iterable[CurateRequest]) -> Iterator[CuratedMonth]:
        """See the port."""
        given = list(requests)
        large = any(request.records > _LARGE_MONTH for request in given)
        return self._side_by_side(self._curate_one, given, 1 if large else _WORKERS)

    def _curate_one(self, request: CurateRequest) -> CuratedMonth:
        rivals = [given for inputs in request.rivals.values() for given in inputs]
        target = self._scratch / f"{request.id}.parquet"
        with self._paths([*request.inputs, *rivals]) as paths:
            month = self._connections.sparing(
                lambda connection: curate_month(connection, request, paths, target)
            )
        self._lake.curated.adopt(target, f"{request.dataset}/{request.path}")
        return month

    def profile(self, view: PeriodView) -> tuple[TableProfile, dict[str, int]]:
        """See the port."""
        values = sum(month.rows for month in view.months) * len(view.contract.columns)

        def profiled(connection: DuckDBPyConnection) -> tuple[TableProfile, dict[str, int]]:
            with at_hand(connection, f"SELECT * FROM {identifier(view.dataset)}", values) as table:
                return profile_records(DUCKDB, view.contract, table, _asking(connection))

        return self._on_view(view, profiled)

    def aggregate(self, view: PeriodView, build: str, aggregate: UserAggregate | None) -> Aggregate:
        """See the port."""
        name = aggregate.name if aggregate else "summary"
        target = self._scratch / f"{build}-{name}.parquet"

        def written(connection: DuckDBPyConnection) -> tuple[tuple[AggregateColumn, ...], int]:
            if aggregate is None:
                write_summary(connection, view, target)
            else:
                user_query(connection, view, aggregate, target)
            count = number(connection, f"SELECT count(*) FROM {parquet(literal(target))}")
            return columns_of(connection, target), count

        columns, count = self._on_view(view, written)
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
        profiled = profile_small_table if aggregate.rows <= FEW_ROWS else profile_table
        with self._lake.aggregated.local(paths) as local:
            files = parquet(literals(local))
            return self._connections.sparing(
                lambda connection: profiled(DUCKDB, aggregate.name, columns, files, _asking(connection))
            )

    def recount(self, build: Build) -> tuple[int, int]:
        """See the port."""
        column = identifier(str(Period.parse(build.period).kind))
        total = strays = 0
        for file in (file for aggregate in build.aggregates for file in aggregate.files):
            with self._lake.aggregated.local([file.path]) as [path]:
                query = f"SELECT count(*), count(*) FILTER ({column} IS DISTINCT FROM {literal(build.period)}) FROM {parquet(literal(path))}"
                count, others = self._rows(query)[0]
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

    def _rows(self, query: str) -> list[tuple[object, ...]]:
        return self._connections.sparing(lambda connection: rows(connection, query))

    def _on_view(self, view: PeriodView, work: Callable[[DuckDBPyConnection], T]) -> T:
        """The result of `work` where a data set's name is a view of its records of a period."""
        with self._lake.curated.local([f"{view.dataset}/{file.path}" for file in view.files]) as paths:
            query = view_query(DUCKDB, view, _parquet(view, paths))

            def on_view(connection: DuckDBPyConnection) -> T:
                connection.execute(f"CREATE OR REPLACE TEMP VIEW {identifier(view.dataset)} AS {query}")
                return work(connection)

            return self._connections.sparing(on_view)


def _asking(connection: DuckDBPyConnection) -> Ask:
    return lambda queries: [rows(connection, query) for query in queries]


def _parquet(view: PeriodView, paths: Sequence[Path]) -> Callable[[Sequence[CuratedMonth]], str]:
    """Reads the local files of months of a view."""
    by_path = dict(zip((file.path for file in view.files), paths, strict=True))
    return lambda months: parquet(literals(by_path[file.path] for month in months for file in month.files))
