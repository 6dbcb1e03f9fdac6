"""Curating months as one Spark job: one scan, one shuffle, each task one file."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from quarterlake.domain.curation import CuratedFile, CuratedMonth
from quarterlake.processing import curate_sql
from quarterlake.processing.engines.spark_reading import SparkReader, address, literal_path, schema_of
from quarterlake.processing.engines.spark_writing import write_parquet
from quarterlake.processing.sql_dialects import SPARK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pyspark.sql.dataframe import DataFrame
    from pyspark.sql.session import SparkSession

    from quarterlake.lake.stores import Store, StoredObject
    from quarterlake.processing.engines.port import CurateInput, CurateRequest

_MONTHS_AT_ONCE = 60
"""More months are several jobs: each takes an expression of its own to count what it loses."""
_TARGET_BYTES = 512 << 20
"""A file is made of about so many bytes of plain text, which Parquet makes 64 to 256 MB of."""
_PACKED = 4
"""How many bytes of text a byte of a compressed or binary source stands for, about."""


@dataclass(frozen=True, slots=True)
class _Bucket:
    """A task's share of a month: the rows whose key hashes to `number` of `of`."""

    request: CurateRequest
    number: int
    of: int


class SparkCurator:
    """Makes curated months of one lake."""

    def __init__(self, spark: SparkSession, curated: Store) -> None:
        self._spark = spark
        self._curated = curated
        self._reader = SparkReader(spark, curated)

    def curate(self, requests: Iterable[CurateRequest]) -> Iterator[CuratedMonth]:
        """Write months, those that hold the same columns together."""
        ordered = sorted(requests, key=_alike)
        for _, alike in groupby(ordered, key=_alike):
            months = list(alike)
            for start in range(0, len(months), _MONTHS_AT_ONCE):
                yield from self._curate_alike(months[start : start + _MONTHS_AT_ONCE])

    def _curate_alike(self, requests: Sequence[CurateRequest]) -> Iterator[CuratedMonth]:
        from pyspark.sql.connect.observation import Observation

        buckets = [bucket for request in requests for bucket in _buckets(request)]
        first = requests[0]
        rows = self._spark.sql(self._rows(requests))
        ranked = self._ranked(rows, first, buckets)
        observation = Observation()
        losing = [f"coalesce({_losing(request)}, '') AS m{number}" for number, request in enumerate(requests)]
        observed = _observe(ranked, observation, losing) if first.contract.key else ranked
        columns = [SPARK.identifier(column.name) for column in first.contract.columns]
        kept = (
            observed.where("_own AND NOT _lost")
            .sortWithinPartitions(*curate_sql.write_order(SPARK, first.contract))
            .selectExpr(*columns, f"{curate_sql.source_of(SPARK, _own_inputs(requests))} AS _source")
        )
        folder = f"{first.dataset}/spark-{secrets.token_hex(8)}"
        written = write_parquet(kept, self._curated, folder)
        counted = self._count(written, folder)
        written = self._filled(written, counted)
        for number, request in enumerate(requests):
            identity = str(observation.get[f"m{number}"]) if first.contract.key else ""
            yield self._document(request, buckets, written, counted, identity)

    def _rows(self, requests: Sequence[CurateRequest]) -> str:
        """The rows of months and of their rivals that are not among them, `_own` for the former."""
        contract, months = requests[0].ranked_by, {request.month for request in requests}
        read = self._reader.parsed
        own = curate_sql.rows_of(SPARK, contract, months, _own_inputs(requests), read)
        rivals = {
            m: inputs for request in requests for m, inputs in request.rivals.items() if m not in months
        }
        others = [curate_sql.rows_of(SPARK, contract, [m], inputs, read) for m, inputs in rivals.items()]
        return curate_sql.tagged(own, others)

    def _ranked(self, rows: DataFrame, request: CurateRequest, buckets: Sequence[_Bucket]) -> DataFrame:
        """The rows in their tasks, with `_lost` for those that another version replaces.

        Months without rivals are compared within their tasks, so that one shuffle does for both.
        """
        from pyspark.sql.connect.functions import col

        contract = request.ranked_by
        spread = rows.selectExpr("*", f"{_task(_spread(request), buckets)} AS _task")
        if not contract.key:
            return spread.repartitionById(len(buckets), col("_task")).selectExpr("*", "false AS _lost")
        place = curate_sql.place(SPARK, contract, [] if request.rivals else ["_task"])
        lost = f"{curate_sql.key_present(SPARK, contract)} AND {place} > 1 AS _lost"
        if request.rivals:
            return spread.selectExpr("*", lost).repartitionById(len(buckets), col("_task"))
        return spread.repartitionById(len(buckets), col("_task")).selectExpr("*", lost)

    def _filled(self, written: Sequence[StoredObject], counted: Mapping[str, object]) -> list[StoredObject]:
        """The files that hold a row: Spark writes one for its first task even where that has none. The others go."""
        self._curated.delete([item.key for item in written if item.key not in counted])
        return [item for item in written if item.key in counted]

    def _count(self, written: Sequence[StoredObject], folder: str) -> dict[str, dict[str, int]]:
        """For each written file its rows by `_source`."""
        if not written:
            return {}
        paths = [literal_path(address(self._curated, item.key)) for item in written]
        frame = self._spark.read.schema("_source STRING").parquet(*paths)
        counted = (
            frame.selectExpr("_metadata.file_name AS file", "_source").groupBy("file", "_source").count()
        )
        found: dict[str, dict[str, int]] = {}
        for file, source, rows in counted.collect():
            found.setdefault(f"{folder}/{file}", {})[source] = int(rows)
        return found

    def _document(
        self,
        request: CurateRequest,
        buckets: Sequence[_Bucket],
        written: Sequence[StoredObject],
        counted: dict[str, dict[str, int]],
        identity: str,
    ) -> CuratedMonth:
        mine = {number for number, bucket in enumerate(buckets) if bucket.request is request}
        files = [item for item in written if _task_of(item.key) in mine]
        kept: dict[str, int] = {}
        for item in files:
            for source, rows in counted[item.key].items():
                kept[source] = kept.get(source, 0) + rows
        lost = {
            given.manifest.sequence: given.parsed.months[request.month] - kept.get(given.manifest.sha256, 0)
            for given in request.inputs
        }
        conflicts, equal = self._doubts(request, files)
        return CuratedMonth(
            month=request.month,
            id=request.id,
            content=request.content(identity),
            files=tuple(
                CuratedFile(
                    item.key.removeprefix(f"{request.dataset}/"), item.size, sum(counted[item.key].values())
                )
                for item in files
            ),
            inputs=request.accepted(lost),
            columns=tuple(column.name for column in request.contract.columns),
            rivals=tuple(sorted(request.rivals)),
            key_id=request.key_id,
            key_range=request.key_range,
            conflicts=conflicts,
            equal_rows=equal,
        )

    def _doubts(self, request: CurateRequest, files: Sequence[StoredObject]) -> tuple[int, int]:
        """Keys of which several versions stayed, and records that equal another one: none where the contract decides."""
        contract = request.contract
        if (contract.key_declared and contract.key) or not files:
            return 0, 0
        schema = schema_of((column.name, column.type) for column in contract.columns)
        paths = [literal_path(address(self._curated, item.key)) for item in files]
        rows = f"SELECT * FROM {self._reader.view(self._spark.read.schema(schema).parquet(*paths))}"
        if not contract.key:
            return 0, int(self._spark.sql(curate_sql.equal_rows(SPARK, contract, rows)).collect()[0][0])
        keys = curate_sql.key_list(SPARK, contract)
        several = f"SELECT {keys} FROM ({rows}) WHERE {curate_sql.key_present(SPARK, contract)} GROUP BY {keys} HAVING count(*) > 1"
        return int(self._spark.sql(f"SELECT count(*) FROM ({several})").collect()[0][0]), 0


def _alike(request: CurateRequest) -> tuple[str, str, bool]:
    """Months that differ in none of these can be made together."""
    return request.contract.content_id, request.ranked_by.content_id, bool(request.rivals)


def _own_inputs(requests: Sequence[CurateRequest]) -> list[CurateInput]:
    return list({given.manifest.sequence: given for r in requests for given in r.inputs}.values())


def _buckets(request: CurateRequest) -> list[_Bucket]:
    text = 0.0
    for given in request.inputs:
        packed = given.parsed.dialect.get("compression", "none") != "none" or not given.parsed.dialect.get(
            "delimiter"
        )
        share = given.parsed.months[request.month] / max(1, given.parsed.accepted)
        text += given.manifest.size * share * (_PACKED if packed else 1)
    number = max(1, round(text / _TARGET_BYTES))
    return [_Bucket(request, bucket, number) for bucket in range(number)]


def _spread(request: CurateRequest) -> str:
    """What spreads a month's rows over its tasks: all versions of a key into one."""
    if not request.ranked_by.key:
        return "xxhash64(_landing, _row)"
    contract = request.ranked_by
    keys = ", ".join(curate_sql.compared(SPARK, contract, name) for name in contract.key)
    return f"CASE WHEN {curate_sql.key_present(SPARK, request.ranked_by)} THEN xxhash64({keys}) ELSE xxhash64(_landing, _row) END"


def _task(spread: str, buckets: Sequence[_Bucket]) -> str:
    """The number of a row's task; a rival's row, which is not written, goes to any."""
    cases = []
    for number, bucket in enumerate(buckets):
        if bucket.number == 0:
            share = f" + CAST(pmod({spread}, {bucket.of}) AS INT)" if bucket.of > 1 else ""
            cases.append(f"WHEN {curate_sql.month_number(bucket.request.month)} THEN {number}{share}")
    return f"CASE _month {' '.join(cases)} ELSE CAST(pmod({spread}, {len(buckets)}) AS INT) END"


def _losing(request: CurateRequest) -> str:
    """An aggregate that identifies the rows that a month loses."""
    mine = f"_lost AND _own AND _month = {curate_sql.month_number(request.month)}"
    return curate_sql.losers_hash(SPARK, request.landings, mine)


def _observe(frame: DataFrame, observation: Any, metrics: Sequence[str]) -> DataFrame:
    from pyspark.sql.connect.functions import expr

    return frame.observe(observation, *map(expr, metrics))


def _task_of(key: str) -> int:
    """The number of the task that wrote a file: `part-00003-….parquet`."""
    return int(key.rsplit("/", 1)[1].split("-")[1])
