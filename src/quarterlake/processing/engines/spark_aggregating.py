"""Aggregates as Spark SQL: the summary as one statement, users' SQL as they wrote it."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from quarterlake.domain.errors import AggregateError
from quarterlake.processing import summary_sql
from quarterlake.processing.profiling import profile_records
from quarterlake.processing.published_sql import published_query
from quarterlake.processing.sql_dialects import SPARK
from quarterlake.processing.summary_measures import measured_columns, measures
from quarterlake.processing.summary_quartiles import spilling_quartiles_query

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pyspark.sql.dataframe import DataFrame
    from pyspark.sql.session import SparkSession

    from quarterlake.domain.profiles import TableProfile
    from quarterlake.processing.engines.port import PeriodView
    from quarterlake.processing.profiling import Row
    from quarterlake.processing.user_sql import UserAggregate

_IN_MEMORY = 5_000_000
"""So many values may be kept in the heap for quartiles, at about 60 bytes each."""
_SIDE_BY_SIDE = 32
"""So many statements are one job; a plan of many more takes longer to make than to run."""
_NOT_THE_USERS = frozenset({"PATH_NOT_FOUND", "FAILED_READ_FILE", "FILE_NOT_EXIST", "INVALID_HANDLE"})
"""Conditions that no SQL of a user's can bring about."""

_DATA_EXCEPTION = r"SQLSTATE: 22[0-9A-Z]{3}"
"""The SQL standard's class of errors in the data: a division by zero, a cast that fails, an overflow."""

DELTA_TYPES = {
    "boolean": "boolean",
    "tinyint": "byte",
    "smallint": "short",
    "int": "integer",
    "bigint": "long",
    "float": "float",
    "double": "double",
    "string": "string",
    "date": "date",
    "timestamp": "timestamp",
    "binary": "binary",
}
"""Spark's types that Delta tables have, as they name them; decimals are the same in both."""
_STORED_AS = {
    "tinyint": "BIGINT",
    "smallint": "BIGINT",
    "int": "BIGINT",
    "float": "DOUBLE",
    "timestamp_ntz": "TIMESTAMP",
    "void": "STRING",
}
"""Types that are stored as others, so that every engine publishes the same: integers of 64 bits, doubles, decimals of 38 digits."""


def profile(spark: SparkSession, view: PeriodView, table: str) -> tuple[TableProfile, dict[str, int]]:
    """The profile of a period's curated records, and their number by day: statements that can be answered side by side are one job."""

    def ask(queries: Sequence[str]) -> list[Sequence[Row]]:
        answers: list[list[Row]] = [[] for _ in queries]
        for first in range(0, len(queries), _SIDE_BY_SIDE):
            asked = enumerate(queries[first : first + _SIDE_BY_SIDE], first)
            union = " UNION ALL ".join(
                f"SELECT {number} AS _query, * FROM ({query})" for number, query in asked
            )
            for number, *row in spark.sql(union).collect():
                answers[number].append(row)
        return list(answers)

    return profile_records(SPARK, view.contract, table, ask)


def summary(spark: SparkSession, view: PeriodView, table: str) -> DataFrame:
    """The zero-config aggregate of a period, sorted. Raises AggregateError where a sum could have more digits than a decimal."""
    dimensions = view.contract.groups
    columns = measured_columns(view.contract)
    ranges = tuple(spark.sql(summary_sql.ranges_query(SPARK, columns, table)).collect()[0])
    measured = measures(view.dataset, columns, ranges)
    in_memory = int(ranges[0]) * len(columns) <= _IN_MEMORY
    exact = summary_sql.collecting_query if in_memory else summary_sql.exact_query
    parts = {summary_sql.EXACT: exact(SPARK, dimensions, measured, table)}
    ordered = summary_sql.ordered_query(SPARK, dimensions, measured, _in_order(view, table))
    if ordered:
        parts[summary_sql.ORDERED] = ordered
    for position, measure in enumerate(() if in_memory else measured):
        quartiles = spilling_quartiles_query(SPARK, dimensions, measure, table)
        parts[summary_sql.quartiles_table(position)] = quartiles
    tables = ", ".join(f"{name} AS ({query})" for name, query in parts.items())
    final = summary_sql.final_query(
        SPARK, view.period_column, view.period, dimensions, measured, collected=in_memory
    )
    return spark.sql(f"WITH {tables} {final}")


def _in_order(view: PeriodView, table: str) -> str:
    """The records of a view in one task and in an order that their values alone decide."""
    contract = view.contract
    first = [contract.record_time] if contract.record_time else []
    names = dict.fromkeys([*first, *contract.key, *(column.name for column in contract.columns)])
    return f"(SELECT /*+ REPARTITION(1) */ * FROM {table} SORT BY {', '.join(map(SPARK.identifier, names))})"


def user_aggregate(spark: SparkSession, view: PeriodView, table: str, aggregate: UserAggregate) -> DataFrame:
    """A user's aggregate of a period, its rows sorted by all columns.

    Raises AggregateError where its result cannot be published.
    """
    source = _in_order(view, table) if aggregate.order_sensitive else table
    spark.sql(f"SELECT * FROM {source}").createOrReplaceTempView(SPARK.identifier(view.dataset))
    described = spark.sql(aggregate.spark).dtypes
    return spark.sql(published_query(SPARK, view, aggregate, aggregate.spark, described, _stored_as))


@contextmanager
def users_mistakes(aggregate: UserAggregate) -> Iterator[None]:
    """Raise AggregateError, with the place in the user's file, for SQL that Spark refuses or that fails on the data."""
    from pyspark.errors import AnalysisException, PySparkException

    try:
        yield
    except PySparkException as refused:
        text = str(refused)
        condition = str(refused.getCondition() or "").split(".")[0]
        is_users = isinstance(refused, AnalysisException) or re.search(_DATA_EXCEPTION, text)
        if not is_users or condition in _NOT_THE_USERS or "_quarterlake_" in text.splitlines()[0]:
            raise
        message = text.splitlines()[0][:500]
        named = re.search(r"`([^`]+)`", message)
        where = aggregate.position_of(named[1] if named else "")
        raise AggregateError(
            f"{where}: the engine refuses it: {message} Mend the SQL and run again."
        ) from refused


def _stored_as(kind: str) -> str | None:
    if kind.startswith("decimal("):
        return f"decimal(38,{kind.rpartition(',')[2]}"
    return _STORED_AS.get(kind) or (kind if kind in DELTA_TYPES else None)


def delta_type(kind: str) -> str:
    """A Spark type as Delta Lake names it; KeyError for one that is never written."""
    return kind if kind.startswith("decimal(") else DELTA_TYPES[kind]
