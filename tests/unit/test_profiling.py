"""Profiles: two ways of counting give the same, and what they say is true of the values."""

from __future__ import annotations

import math
import statistics
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb
import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from quarterlake.domain.column_types import ColumnType
from quarterlake.domain.contract import Column, Contract
from quarterlake.processing.profile_sql import Profiled
from quarterlake.processing.profiling import (
    profile_records,
    profile_small_table,
    profile_table,
    published_columns,
)
from quarterlake.processing.sql import identifier, rows
from quarterlake.processing.sql_dialects import DUCKDB

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from quarterlake.domain.profiles import ColumnProfile, TableProfile

HUGE = 2**63 - 1
DUCKDB_TYPES = {"int64": "BIGINT", "float64": "DOUBLE", "string": "VARCHAR", "timestamp": "TIMESTAMPTZ"}
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "int64": st.integers(-HUGE - 1, HUGE) | st.integers(-5, 3000),
    "float64": st.floats(allow_nan=True, allow_infinity=True) | st.floats(-10, 1000),
    "decimal(18,2)": st.decimals(-9999, 9999, places=2, allow_nan=False, allow_infinity=False),
    "decimal(38,0)": st.integers(-(10**37), 10**37).map(Decimal),
    "boolean": st.booleans(),
    "date": st.dates(),
    "timestamp": st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    "string": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8),
}


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 2}) as opened:
        opened.execute("SET TimeZone = 'UTC'")
        yield opened


def filled(connection: duckdb.DuckDBPyConnection, kind: str, values: Sequence[Any]) -> str:
    connection.execute(f"CREATE OR REPLACE TEMP TABLE t (v {DUCKDB_TYPES.get(kind, kind.upper())})")
    for value in values:
        connection.execute("INSERT INTO t VALUES (?)", [value])
    return "t"


def profiles(
    connection: duckdb.DuckDBPyConnection, kind: str, values: Sequence[Any], *, pii: bool = False
) -> list[TableProfile]:
    """The profile by statements and in this process."""
    table, columns = filled(connection, kind, values), [Profiled("v", ColumnType.parse(kind), pii)]
    return [
        way(DUCKDB, "t", columns, table, lambda queries: [rows(connection, query) for query in queries])
        for way in (profile_table, profile_small_table)
    ]


def column_of(connection: duckdb.DuckDBPyConnection, kind: str, values: Sequence[Any]) -> ColumnProfile:
    [by_statements, here] = profiles(connection, kind, values)
    assert msgspec.json.encode(here) == msgspec.json.encode(by_statements)
    return by_statements.columns[0]


def test_of_two_zeros_an_extreme_is_the_positive(connection: duckdb.DuckDBPyConnection) -> None:
    for values in ([0.0, -0.0], [-0.0, 0.0]):
        spread = column_of(connection, "float64", values).spread
        assert spread is not None
        assert (str(spread.min), str(spread.max)) == ("0.0", "0.0")


@pytest.mark.parametrize("kind", list(VALUES))
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_statements_and_this_process_count_the_same(
    kind: str, data: st.DataObject, connection: duckdb.DuckDBPyConnection
) -> None:
    values = data.draw(st.lists(st.none() | VALUES[kind], max_size=30))

    found = column_of(connection, kind, values)

    present = [value for value in values if value is not None]
    assert (found.present, found.nulls) == (len(present), len(values) - len(present))
    spread = found.spread or found.lengths
    finite = [v for v in present if not isinstance(v, float) or math.isfinite(v)]
    if kind != "boolean" and finite:
        assert spread is not None
        assert sum(spread.histogram.counts) == len(finite)
        assert len(spread.histogram.edges) == len(spread.histogram.counts) + 1 <= 33


LEAST = 1e-280
"""Doubles that are nearer to each other are told apart by nothing but their extremes."""


@settings(max_examples=60, deadline=None)
@example(values=[0.0, 2.225073858507203e-309])
@example(values=[1023.0, -5e-324])
@example(values=[1.0, -2.42498423922629e-302])
@given(values=st.lists(st.floats(-1e9, 1e9) | st.floats(0, 1), min_size=2, max_size=40))
def test_means_deviations_and_quantiles_are_as_exact_as_they_say(
    values: list[float], connection: duckdb.DuckDBPyConnection
) -> None:
    spread = column_of(connection, "float64", values).spread

    assert spread is not None
    assert (spread.min, spread.max) == (min(values), max(values))
    span = max(values) - min(values)
    wrong = abs(float(spread.mean) - statistics.fmean(values))
    assert wrong <= 1e-12 * span + 1e-15 * abs(max(values)) + LEAST
    assert spread.deviation == pytest.approx(statistics.stdev(values), rel=1e-9, abs=1e-9 * span + LEAST)
    ordered, [exact] = sorted(values), [statistics.quantiles(values, n=20, method="inclusive")]
    for found, at in zip(spread.quantiles.at, (1, 5, 10, 15, 19), strict=True):
        assert abs(float(found) - exact[at - 1]) <= spread.quantiles.within + 1e-12 * abs(exact[at - 1])
    edges = list(map(float, spread.histogram.edges))
    for low, high, count in zip(edges, edges[1:], spread.histogram.counts, strict=False):
        surely = sum(low + LEAST <= value < high - LEAST for value in ordered)
        assert surely <= count <= sum(low - LEAST <= value < high + LEAST for value in ordered)


def test_whole_numbers_of_a_narrow_range_are_exact(connection: duckdb.DuckDBPyConnection) -> None:
    spread = column_of(connection, "int64", [3, 1, 2, None, 900]).spread

    assert spread is not None
    assert (spread.quantiles.within, spread.quantiles.at[2], spread.mean) == (0, 2.5, 226.5)


def test_the_widest_integers_and_doubles_do_not_overflow(connection: duckdb.DuckDBPyConnection) -> None:
    whole = column_of(connection, "int64", [-HUGE - 1, HUGE, 0]).spread
    wide = column_of(connection, "float64", [-1.7e308, 1.7e308, 5e-324]).spread

    assert whole is not None
    assert (whole.min, whole.max) == (-HUGE - 1, HUGE)
    assert wide is not None
    assert (wide.min, wide.max, sum(wide.histogram.counts)) == (-1.7e308, 1.7e308, 3)
    assert msgspec.json.decode(msgspec.json.encode(wide), type=type(wide)) == wide


def test_nan_and_infinities_are_counted_apart(connection: duckdb.DuckDBPyConnection) -> None:
    found = column_of(connection, "float64", [math.nan, math.inf, -math.inf, 1.0, None])

    assert (found.present, found.nulls, found.nan, found.infinite) == (4, 1, 1, 2)
    assert found.spread is not None
    assert (found.spread.min, found.spread.max, found.spread.deviation) == (1.0, 1.0, None)
    nothing = column_of(connection, "float64", [math.nan])
    assert (nothing.nan, nothing.spread) == (1, None)


@pytest.mark.parametrize("kind", list(VALUES))
def test_columns_without_values_have_counts_alone(kind: str, connection: duckdb.DuckDBPyConnection) -> None:
    for values in ([], [None, None]):
        found = column_of(connection, kind, values)
        assert (found.nulls, found.spread, found.lengths, found.frequencies) == (len(values), None, None, ())


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("string", "ada@example.org"),
        ("int64", 4711),
        ("float64", 47.5),
        ("boolean", True),
        ("date", date(2026, 1, 1)),
    ],
)
def test_of_pii_only_nulls_are_known(kind: str, value: object, connection: duckdb.DuckDBPyConnection) -> None:
    for profile in profiles(connection, kind, [value, None], pii=True):
        document = msgspec.to_builtins(profile.columns[0])
        assert document == {"name": "v", "type": kind, "present": 1, "nulls": 1, "pii": True}


def test_values_are_listed_up_to_thirty_of_them(connection: duckdb.DuckDBPyConnection) -> None:
    listed = column_of(connection, "string", ["b", "a", "b", ""])
    many = column_of(connection, "string", [f"v{n:02}" for n in range(31)])
    long = column_of(connection, "string", ["x" * 300, "y"])

    assert [(f.value, f.count) for f in listed.frequencies] == [("b", 2), ("", 1), ("a", 1)]
    assert (many.distinct, many.frequencies) == (31, ())
    assert (long.distinct, long.frequencies) == (2, ())


def test_days_are_counted_of_the_record_time(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("CREATE OR REPLACE TEMP TABLE d (moment TIMESTAMPTZ, n BIGINT)")
    connection.execute(
        "INSERT INTO d SELECT TIMESTAMPTZ '2026-01-01' + to_hours(CAST(5 * i AS BIGINT)), i FROM range(400) r(i)"
    )
    contract = Contract(
        "d",
        (
            Column("moment", ColumnType.parse("timestamp"), "moment"),
            Column("n", ColumnType.parse("int64"), "n"),
        ),
        record_time="moment",
    )

    _, by_day = profile_records(
        DUCKDB, contract, identifier("d"), lambda queries: [rows(connection, query) for query in queries]
    )

    expected = rows(
        connection, "SELECT CAST(CAST(moment AS DATE) AS VARCHAR), count(*) FROM d GROUP BY 1 ORDER BY 1"
    )
    assert list(by_day.items()) == expected


def test_published_types_that_say_nothing_get_counts_alone(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("CREATE OR REPLACE TEMP TABLE b AS SELECT 'x'::BLOB AS v UNION ALL SELECT NULL")
    for way in (profile_table, profile_small_table):
        found = way(
            DUCKDB,
            "b",
            published_columns({"v": "binary"}),
            "b",
            lambda queries: [rows(connection, query) for query in queries],
        )
        assert (found.columns[0].present, found.columns[0].nulls, found.columns[0].spread) == (1, 1, None)
