"""The second engine: Apache Spark through Spark Connect.

Files are parsed by the embedded parser in Spark's Python workers, one file a task; months and aggregates are Spark SQL over
Parquet. What is small and already published is read in this process.
"""

from __future__ import annotations

import hashlib
import secrets
from contextlib import ExitStack, nullcontext
from typing import TYPE_CHECKING

import msgspec

from quarterlake.domain.inference import Evidence
from quarterlake.domain.parsed import ParsedFile
from quarterlake.domain.reading import EVIDENCE, Reading
from quarterlake.domain.releases import Aggregate, AggregateColumn, DataFile
from quarterlake.lake import keys
from quarterlake.processing import curate_sql
from quarterlake.processing.engines import spark_aggregating
from quarterlake.processing.engines.spark_curating import SparkCurator
from quarterlake.processing.engines.spark_faults import spark_faults
from quarterlake.processing.engines.spark_reading import SparkReader, parsed_schema
from quarterlake.processing.engines.spark_tasks import Answer, Task, Workers
from quarterlake.processing.engines.spark_writing import write_parquet
from quarterlake.processing.samples import Sample
from quarterlake.processing.sql_dialects import SPARK
from quarterlake.processing.view_sql import view_query

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from pyspark.sql.session import SparkSession

    from quarterlake.domain.contract import Contract
    from quarterlake.domain.curation import CuratedMonth
    from quarterlake.domain.landings import Manifest
    from quarterlake.domain.naming import NameTimestamp
    from quarterlake.domain.profiles import TableProfile
    from quarterlake.domain.releases import Build
    from quarterlake.lake.location import Lake
    from quarterlake.processing.engines.port import (
        CurateInput,
        CurateRequest,
        Engine,
        ParseRequest,
        PeriodView,
    )
    from quarterlake.processing.rejects import Reject
    from quarterlake.processing.user_sql import UserAggregate


class SparkEngine:
    """See `Engine`. `connect` opens a session, which happens with the first work for it; `perform` is what its workers run.

    `embedded` reads what is small: rejects, and staged aggregates.
    """

    name = "spark"

    def __init__(
        self,
        lake: Lake,
        embedded: Engine,
        *,
        connect: Callable[[], AbstractContextManager[SparkSession]],
        perform: Callable[[str, Task], Answer],
    ) -> None:
        self._lake = lake
        self._embedded = embedded
        self._connect = connect
        self._perform = perform
        self._open = ExitStack()
        self._session: SparkSession | None = None

    def sample(
        self,
        manifests: Sequence[tuple[Manifest, NameTimestamp | None]],
        records: int,
        written: Reading = EVIDENCE,
    ) -> Iterator[Sample]:
        """See the port."""
        tasks = [Task("sample", (manifest, stamp, records, written)) for manifest, stamp in manifests]
        return (msgspec.json.decode(found, type=Sample) for found in self._run(tasks))

    def evidence(self, manifests: Sequence[Manifest], columns: Sequence[str]) -> dict[str, Evidence]:
        """See the port."""
        total: dict[str, Evidence] = {}
        for answer in self._run([Task("evidence", (manifest, tuple(columns))) for manifest in manifests]):
            for name, found in msgspec.json.decode(answer, type=dict[str, Evidence]).items():
                total[name] = total[name] + found if name in total else found
        return total

    def parse(self, requests: Iterable[ParseRequest]) -> Iterator[ParsedFile]:
        """See the port."""
        # The largest first, so that none of them is left for the end.
        ordered = sorted(requests, key=lambda request: -request.manifest.size)
        tasks = [Task("parse", (request,)) for request in ordered]
        return (msgspec.json.decode(found, type=ParsedFile) for found in self._run(tasks))

    def distinct(self, parsed: Sequence[ParsedFile], columns: Sequence[str], limit: int) -> dict[str, int]:
        """See the port."""
        counts = dict.fromkeys(columns, 0)
        holding: dict[str, list[ParsedFile]] = {}
        for file in parsed:
            if file.data is not None:
                holding.setdefault(parsed_schema(file), []).append(file)
        with spark_faults():
            reader = SparkReader(self._spark, self._lake.curated)
            views = {reader.records(files): {c.name for c in files[0].columns} for files in holding.values()}
            queries = [_distinct(number, name, views, limit) for number, name in enumerate(columns)]
            found = self._spark.sql(" UNION ALL ".join(queries)).collect() if queries and views else []
        return counts | {columns[number]: int(count) for number, count in found}

    def key_ranges(
        self, contract: Contract, months: Mapping[str, Sequence[CurateInput]]
    ) -> dict[str, tuple[str, str] | None]:
        """See the port."""
        if not months:
            return {}
        with spark_faults():
            key = SPARK.identifier(contract.key[0])
            inputs = [given for held in months.values() for given in held]
            reader = SparkReader(self._spark, self._lake.curated)
            rows = curate_sql.rows_of(SPARK, contract, months, inputs, reader.parsed)
            found = self._spark.sql(
                f"SELECT _month, CAST(min({key}) AS STRING), CAST(max({key}) AS STRING) FROM ({rows}) GROUP BY _month"
            ).collect()
        ranges = {month: (low, high) for month, low, high in found if low is not None}
        return {month: ranges.get(curate_sql.month_number(month)) for month in months}

    def shares_keys(
        self,
        contract: Contract,
        left: tuple[str, Sequence[CurateInput]],
        right: tuple[str, Sequence[CurateInput]],
    ) -> bool:
        """See the port."""
        with spark_faults():
            key = curate_sql.key_list(SPARK, contract)
            one, two = (f"SELECT {key} FROM ({self._rows(contract, *side)})" for side in (left, right))
            query = f"SELECT 1 FROM ({one}) LEFT SEMI JOIN ({two}) USING ({key}) LIMIT 1"
            return bool(self._spark.sql(query).collect())

    def curate(self, requests: Iterable[CurateRequest]) -> Iterator[CuratedMonth]:
        """See the port."""
        with spark_faults():
            yield from SparkCurator(self._spark, self._lake.curated).curate(requests)

    def profile(self, view: PeriodView) -> tuple[TableProfile, dict[str, int]]:
        """See the port."""
        with spark_faults():
            return spark_aggregating.profile(self._spark, view, self._view(view))

    def aggregate(self, view: PeriodView, build: str, aggregate: UserAggregate | None) -> Aggregate:
        """See the port."""
        name = aggregate.name if aggregate else "summary"
        table = keys.aggregate_table(view.dataset, name)
        store = self._lake.aggregated
        mistakes = spark_aggregating.users_mistakes(aggregate) if aggregate else nullcontext()
        with spark_faults(), mistakes:
            records = self._view(view)
            result = (
                spark_aggregating.summary(self._spark, view, records)
                if aggregate is None
                else spark_aggregating.user_aggregate(self._spark, view, records, aggregate)
            )
            columns = tuple(
                AggregateColumn(column, spark_aggregating.delta_type(kind)) for column, kind in result.dtypes
            )
            folder = f"{table}/{view.period}-{build[:16]}-{secrets.token_hex(8)}"
            written = [item.key for item in write_parquet(result, store, folder)]
        from pyarrow.parquet import read_metadata

        files = []
        with store.local(written) as paths:
            for key, path in zip(written, paths, strict=True):
                with path.open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
                files.append(DataFile(key, path.stat().st_size, digest, read_metadata(path).num_rows))
        return Aggregate(name, aggregate.sql if aggregate else None, columns, tuple(files))

    def profile_aggregate(self, aggregate: Aggregate) -> TableProfile:
        """See the port."""
        return self._embedded.profile_aggregate(aggregate)

    def recount(self, build: Build) -> tuple[int, int]:
        """See the port."""
        return self._embedded.recount(build)

    def rejects(self, parsed: Sequence[ParsedFile]) -> Iterator[tuple[ParsedFile, Reject]]:
        """See the port."""
        return self._embedded.rejects(parsed)

    def close(self) -> None:
        """Close the session, and stop the server if it is ours."""
        self._open.close()
        self._session = None
        self._embedded.close()

    @property
    def _spark(self) -> SparkSession:
        if self._session is None:
            self._session = self._open.enter_context(self._connect())
        return self._session

    def _run(self, tasks: Sequence[Task]) -> Iterator[bytes]:
        if not tasks:
            return
        with spark_faults():
            yield from Workers(self._spark, self._lake.absolute_url, self._perform).run(tasks)

    def _rows(self, contract: Contract, month: str, inputs: Sequence[CurateInput]) -> str:
        reader = SparkReader(self._spark, self._lake.curated)
        return curate_sql.rows_of(SPARK, contract, [month], inputs, reader.parsed)

    def _view(self, view: PeriodView) -> str:
        reader = SparkReader(self._spark, self._lake.curated)
        return reader.view(
            self._spark.sql(view_query(SPARK, view, lambda months: reader.curated(view, months)))
        )


def _distinct(number: int, column: str, views: Mapping[str, set[str]], limit: int) -> str:
    """A query for the number of distinct values of a column, at most one more than the limit."""
    name = SPARK.identifier(column)
    values = [
        f"SELECT DISTINCT CAST({name} AS STRING) AS v FROM {view} WHERE _raw IS NULL AND {name} IS NOT NULL"
        for view, held in views.items()
        if column in held
    ]
    everything = " UNION ".join(values) or "SELECT 1 AS v WHERE false"
    return f"SELECT {number} AS number, count(*) AS count FROM (SELECT DISTINCT v FROM ({everything}) LIMIT {limit + 1})"
