"""The summary and users' aggregates: right to the last digit, the same on any machine, within any memory."""

from __future__ import annotations

import hashlib
import itertools
import math
import statistics
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quarterlake.domain.column_types import ColumnType
from quarterlake.domain.contract import Column, Contract
from quarterlake.domain.errors import AggregateError
from quarterlake.processing.aggregates import user_query, write_summary
from quarterlake.processing.engines.port import PeriodView
from quarterlake.processing.sql_dialects import DUCKDB
from quarterlake.processing.summary_measures import Measure
from quarterlake.processing.summary_quartiles import quartiles_query, spilling_quartiles_query
from quarterlake.processing.user_sql import parse_aggregate
from tests.integration.conftest import LakeTarget
from tests.integration.lakes import Scene, sales, table_rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from duckdb import DuckDBPyConnection

SLOW = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
_numbers = itertools.count()


def view_of(columns: dict[str, str], dimensions: Sequence[str] = (), dataset: str = "sales") -> PeriodView:
    found = tuple(Column(name, ColumnType.parse(kind), name) for name, kind in columns.items())
    contract = Contract(dataset, found, dimensions=tuple(dimensions))
    return PeriodView(dataset, "2026-Q1", "quarter", contract, ())


def engine(folder: Path, threads: int = 2, memory: str = "400MB") -> DuckDBPyConnection:
    config: dict[str, Any] = {
        "threads": threads,
        "memory_limit": memory,
        "temp_directory": str(folder / "spill"),
    }
    connection = duckdb.connect(config=config)
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def summary(
    connection: DuckDBPyConnection, folder: Path, view: PeriodView, query: str
) -> list[dict[str, Any]]:
    """The summary of a query's rows."""
    connection.execute(f'CREATE OR REPLACE TEMP VIEW "{view.dataset}" AS {query}')
    target = folder / "summary.parquet"
    write_summary(connection, view, target)
    found = connection.execute(f"SELECT * FROM read_parquet('{target}')")
    names = [field[0] for field in found.description or []]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def quartiles(values: Sequence[Fraction]) -> list[Fraction]:
    """Type 7 of Hyndman and Fan."""
    ordered = sorted(values)
    found = []
    for share in (Fraction(1, 4), Fraction(1, 2), Fraction(3, 4)):
        at = share * (len(ordered) - 1)
        low, rest = ordered[math.floor(at)], at - math.floor(at)
        found.append(low + (ordered[math.ceil(at)] - low) * rest)
    return found


VALUES = {
    "int64": st.integers(-1000, 1000) | st.integers(2**62 - 50, 2**62) | st.integers(-(2**63), 2**63 - 1),
    "decimal(18,2)": st.decimals("-9999999999", "9999999999", places=2),
    "decimal(38,20)": st.decimals("-1000", "1000", places=20),
    "decimal(38,10)": st.decimals("-1e25", "1e25", places=10),
    "float64": st.floats(-1e9, 1e9),
}


def sql_value(value: object, kind: str) -> str:
    name = {"int64": "BIGINT", "float64": "DOUBLE"}.get(kind, kind.upper())
    return f"CAST({'NULL' if value is None else repr(str(value))} AS {name})"


def values_query(rows: Sequence[tuple[object, str | None]], kind: str) -> str:
    listed = ", ".join(
        f"({sql_value(value, kind)}, {'NULL' if group is None else repr(group)})" for value, group in rows
    )
    return f"SELECT * FROM (VALUES {listed}) t(v, k)"


@SLOW
@given(data=st.data(), kind=st.sampled_from(sorted(VALUES)), grouped=st.booleans())
def test_numbers_are_those_of_exact_arithmetic(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, kind: str, *, grouped: bool
) -> None:
    rows = data.draw(
        st.lists(
            st.tuples(st.none() | VALUES[kind], st.sampled_from(["a", "b", None])), min_size=1, max_size=30
        )
    )
    folder = tmp_path_factory.mktemp("summary")
    view = view_of({"v": kind, "k": "string"}, ["k"] if grouped else [])
    with engine(folder) as connection:
        found = summary(connection, folder, view, values_query(rows, kind))
    expected_groups = {group if grouped else "all" for _, group in rows}
    assert len(found) == len(expected_groups)
    for row in found:
        group: list[Any] = [v for v, k in rows if not grouped or k == row["k"]]
        check(row, [Fraction(v) for v in group if v is not None], len(group), kind)


def check(row: dict[str, Any], values: list[Fraction], count: int, kind: str) -> None:
    """A summary's row against exact arithmetic over its values."""
    assert row["quarter"] == "2026-Q1"
    assert (row["count"], row["v_nulls"]) == (count, count - len(values))
    if not values:
        assert {row[f"v_{name}"] for name in ("sum", "mean", "std", "min", "max", "q1", "median", "q3")} == {
            None
        }
        return
    size = float(max(map(abs, values)))
    assert (Fraction(row["v_min"]), Fraction(row["v_max"])) == (min(values), max(values))
    if kind == "float64":
        assert row["v_sum"] == pytest.approx(float(sum(values)), rel=1e-12, abs=1e-12 * size)
    else:
        assert Fraction(row["v_sum"]) == sum(values)
    assert row["v_mean"] == pytest.approx(float(sum(values) / len(values)), rel=1e-14, abs=1e-14 * size)
    if len(values) > 1:
        deviation = math.sqrt(statistics.variance(values))
        assert row["v_std"] == pytest.approx(deviation, rel=1e-9, abs=1e-14 * size)
    else:
        assert row["v_std"] is None
    got = [row["v_q1"], row["v_median"], row["v_q3"]]
    assert got == pytest.approx([float(q) for q in quartiles(values)], rel=1e-14, abs=4e-16 * size)


def test_doubles_that_are_no_numbers_spoil_the_mean_but_not_the_count(tmp_path: Path) -> None:
    query = "SELECT * FROM (VALUES ('nan'::DOUBLE, 'a'), (1.0, 'a'), ('inf'::DOUBLE, 'b'), (1e300, 'b'), (2.0, 'c')) t(v, k)"
    with engine(tmp_path) as connection:
        found = summary(connection, tmp_path, view_of({"v": "float64", "k": "string"}, ["k"]), query)
    assert [row["count"] for row in found] == [2, 2, 1]
    assert [math.isnan(row["v_mean"]) for row in found] == [True, True, False]
    assert (found[1]["v_min"], found[1]["v_max"]) == (1e300, math.inf)
    assert (found[2]["v_sum"], found[2]["v_std"]) == (2.0, None)


DIMENSION_NAMES = [
    "n", "c0", "lo0", "hi0", "s0", "q0", "m0", "d0", "q", "x", "place", "last", "e", "o", "count", "quarter",
    "v_sum", "a b", 'a"b', "select", "quartiles0",
]  # fmt: skip


@pytest.mark.parametrize("kind", ["int64", "float64"])
@pytest.mark.parametrize("name", DIMENSION_NAMES)
def test_a_dimension_may_have_any_name(tmp_path: Path, name: str, kind: str) -> None:
    quoted = name.replace('"', '""')
    number = {"int64": "BIGINT", "float64": "DOUBLE"}[kind]
    query = f"SELECT v::{number} AS v, k AS \"{quoted}\" FROM (VALUES (1, 'a'), (2, 'a'), (5, 'b'), (NULL, 'b')) t(v, k)"
    with engine(tmp_path) as connection:
        found = summary(connection, tmp_path, view_of({"v": kind, name: "string"}, [name]), query)
    values = [list(row.values())[1:] for row in found]
    assert values == [
        ["a", 2, 0, 3, 1.5, pytest.approx(math.sqrt(0.5)), 1, 2, 1.25, 1.5, 1.75],
        ["b", 2, 1, 5, 5.0, None, 5, 5, 5.0, 5.0, 5.0],
    ]


@pytest.mark.parametrize("dataset", ["quartiles0", "summary_exact", "summary_ordered", "e", "o", "select"])
def test_a_data_set_may_have_any_name(tmp_path: Path, dataset: str) -> None:
    view = view_of({"v": "float64", "k": "string"}, ["k"], dataset)
    with engine(tmp_path) as connection:
        [row] = summary(connection, tmp_path, view, "SELECT 1.5::DOUBLE AS v, 'a' AS k")
    assert (row["count"], row["v_sum"]) == (1, 1.5)


@pytest.mark.parametrize(
    ("values", "kind"), [("1e-20, 3e-20", "decimal(38,20)"), ("1e-38, 3e-38", "decimal(38,38)")]
)
def test_tiny_decimals_are_summed(tmp_path: Path, values: str, kind: str) -> None:
    rows = [(format(Decimal(v), "f"), "a") for v in values.split(", ")]
    with engine(tmp_path) as connection:
        [row] = summary(connection, tmp_path, view_of({"v": kind}), values_query(rows, kind))
    assert row["v_sum"] == sum(Decimal(v) for v, _ in rows)


def test_squares_of_more_than_18_digits_are_summed(tmp_path: Path) -> None:
    query = "SELECT unnest([0, 20_000_000])::DECIMAL(18, 2) AS v"
    with engine(tmp_path) as connection:
        [row] = summary(connection, tmp_path, view_of({"v": "decimal(18,2)"}), query)
    assert row["v_std"] == pytest.approx(math.sqrt(2) * 1e7)


def test_a_sum_that_no_decimal_holds_is_refused_by_its_column(tmp_path: Path) -> None:
    query = f"SELECT {'9' * 38}::DECIMAL(38, 0) AS v FROM range(3)"
    with engine(tmp_path) as connection, pytest.raises(AggregateError, match=r"sales.* column v .*contract"):
        summary(connection, tmp_path, view_of({"v": "decimal(38,0)"}), query)


def test_the_largest_sum_that_a_decimal_holds_is_exact(tmp_path: Path) -> None:
    query = f"SELECT {'3' * 38}::DECIMAL(38, 0) AS v FROM range(3)"
    with engine(tmp_path) as connection:
        [row] = summary(connection, tmp_path, view_of({"v": "decimal(38,0)"}), query)
    assert row["v_sum"] == Decimal("9" * 38)


DOUBLES = st.floats(width=64) | st.sampled_from(
    [0.0, -0.0, 1.0, 1.5, math.nan, math.inf, -math.inf, 1e308, -1e308]
)


@SLOW
@given(
    rows=st.lists(st.tuples(st.none() | DOUBLES, st.sampled_from(["a", None])), min_size=1, max_size=25),
    grouped=st.booleans(),
)
def test_both_ways_to_quartiles_agree(rows: list[tuple[float | None, str | None]], *, grouped: bool) -> None:
    measure = Measure(Column("v", ColumnType.parse("float64"), "v"), exact=False)
    dimensions = ["k"] if grouped else []
    with duckdb.connect(config={"threads": 2}) as connection:
        connection.execute(f"CREATE TEMP VIEW sales AS {values_query(rows, 'float64')}")
        queries = [
            make(DUCKDB, dimensions, measure, "sales") for make in (quartiles_query, spilling_quartiles_query)
        ]
        hashed, sorted_ = ({row[:-1]: row[-1] for row in connection.execute(q).fetchall()} for q in queries)
    # A group of nulls has no quartiles: the one says so, the other leaves it out.
    hashed = {group: found for group, found in hashed.items() if found is not None and found[0] is not None}
    sorted_ = {group: found for group, found in sorted_.items() if found[0] is not None}
    assert sorted(map(repr, hashed.items())) == sorted(map(repr, sorted_.items()))


TABLES = {
    "doubles": ("((hash(range) % 1000003) / 997.0)::DOUBLE", "float64"),
    "signed zeros": ("CASE WHEN hash(range) % 2 = 0 THEN 0.0::DOUBLE ELSE -0.0::DOUBLE END", "float64"),
    "decimals": ("((hash(range) % 1000003) / 100)::DECIMAL(18, 2)", "decimal(18,2)"),
    "integers": ("(4611686018427387904 - hash(range) % 1000003)::BIGINT", "int64"),
}


@pytest.mark.parametrize("name", TABLES)
def test_the_summary_is_byte_identical_on_any_machine(tmp_path: Path, name: str) -> None:
    value, kind = TABLES[name]
    source = tmp_path / "data.parquet"
    query = f"SELECT {value} AS v, (range % 7)::VARCHAR AS k FROM range(300_000)"
    with engine(tmp_path) as connection:
        connection.execute(f"COPY ({query}) TO '{source}' (ROW_GROUP_SIZE 50_000)")
    hashes = set()
    for threads, memory in itertools.product(
        (1, 2, 8), ("40MB", "400MB") if name == "doubles" else ("400MB",)
    ):
        with engine(tmp_path, threads, memory if threads < 8 else "400MB") as connection:
            summary(
                connection,
                tmp_path,
                view_of({"v": kind, "k": "string"}, ["k"]),
                f"SELECT * FROM read_parquet('{source}')",
            )
        hashes.add(hashlib.sha256((tmp_path / "summary.parquet").read_bytes()).hexdigest())
    assert len(hashes) == 1


def test_more_values_than_memory_are_summed_exactly(tmp_path: Path) -> None:
    """Three columns of 3M values: `quantile_cont` alone would take 144 MB."""
    source = tmp_path / "data.parquet"
    with engine(tmp_path) as connection:
        connection.execute(
            "COPY (SELECT ((range * 7919) % 3_000_000)::BIGINT AS v, (((range * 7919) % 3_000_000) / 4)::DOUBLE AS w, "
            f"(range % 2)::VARCHAR AS k FROM range(3_000_000)) TO '{source}'"
        )
    columns = {"v": "int64", "w": "float64", "k": "string"}
    with engine(tmp_path, 2, "100MB") as connection:
        [row] = summary(connection, tmp_path, view_of(columns), f"SELECT * FROM read_parquet('{source}')")
    assert row["v_sum"] == 3_000_000 * 2_999_999 // 2
    assert (row["v_q1"], row["v_median"], row["v_q3"]) == (749_999.75, 1_499_999.5, 2_249_999.25)
    assert (row["w_q1"], row["w_max"]) == (187_499.9375, 749_999.75)


# --- users' SQL ---------------------------------------------------------------------------------------------------


def user(connection: DuckDBPyConnection, folder: Path, view: PeriodView, sql: str, query: str) -> Path:
    connection.execute(f'CREATE OR REPLACE TEMP VIEW "{view.dataset}" AS {query}')
    target = folder / f"own-{next(_numbers)}.parquet"
    where = f"aggregates/{view.dataset}/own.sql"
    user_query(connection, view, parse_aggregate("own", sql, view.dataset, where), target)
    return target


ORDER_SENSITIVE = [
    "sum(f)", "avg(f)", "stddev(f)", "stddev(a)", "stddev(d)", "var_pop(a)", "corr(a, b)", "covar_samp(a, b)",
    "regr_slope(a, b)", "skewness(a)", "kurtosis(a)", "sum(a / b)", "sum(sqrt(a))", "avg(exp(b / 1000))",
    "cast(round(sum(a / b), 6) as decimal(38, 6))",
]  # fmt: skip


def test_sums_of_doubles_are_byte_identical_on_any_machine(tmp_path: Path) -> None:
    source = tmp_path / "data.parquet"
    with engine(tmp_path) as connection:
        connection.execute(
            "COPY (SELECT (hash(range) % 1000003)::BIGINT AS a, (hash(range, 7) % 1009 + 1)::BIGINT AS b, "
            "((hash(range) % 1000003) / 100)::DECIMAL(18, 2) AS d, ((hash(range) % 1000003) / 997)::DOUBLE AS f, "
            f"(range % 3)::VARCHAR AS k FROM range(500_000)) TO '{source}' (ROW_GROUP_SIZE 50_000)"
        )
    exact = {"a": "int64", "b": "int64", "d": "decimal(18,2)", "k": "string"}
    found: dict[str, set[bytes]] = {}
    for threads in (1, 2, 8):
        with engine(tmp_path, threads) as connection:
            for expression in ORDER_SENSITIVE:
                view = view_of(exact | {"f": "float64"} if "(f)" in expression else exact)
                path = user(
                    connection,
                    tmp_path,
                    view,
                    f"SELECT k, {expression} AS s FROM sales GROUP BY k",
                    f"SELECT {', '.join(c.name for c in view.contract.columns)} FROM read_parquet('{source}')",
                )
                found.setdefault(expression, set()).add(path.read_bytes())
    assert [expression for expression, files in found.items() if len(files) > 1] == []


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 AS quarter",
        "SELECT count(*) AS Quarter FROM sales",
        "SELECT nope FROM sales",
        "SELECT CAST('x' AS INT) AS i",
        "SELECT 1 / 0 AS z",
        "SELECT array(1, 2) AS a",
        "SELECT named_struct('a', 1) AS s",
        "SELECT k, k FROM sales",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM 'file.parquet'",
        "SELECT * FROM `file.parquet`",
        "SELECT * FROM parquet.`file.parquet`",
        "SELECT * FROM summary_exact",
        "SELECT * FROM duckdb_settings()",
        "SELECT * FROM information_schema.tables",
        "SELECT (SELECT content FROM read_text('/etc/passwd')) AS c FROM sales",
        "WITH t AS (SELECT * FROM read_blob('/etc/passwd')) SELECT * FROM t",
        "SELECT getenv('HOME') AS h FROM sales",
        "SELECT current_setting('temp_directory') AS h FROM sales",
        "COPY sales TO 'x.csv'",
        "ATTACH 'x.db'",
    ],
)
def test_an_aggregate_that_cannot_be_used_is_refused_by_its_file(tmp_path: Path, sql: str) -> None:
    with engine(tmp_path) as connection, pytest.raises(AggregateError, match=r"sales/own\.sql"):
        user(
            connection,
            tmp_path,
            view_of({"v": "int64", "k": "string"}),
            sql,
            "SELECT 1::BIGINT AS v, 'a' AS k",
        )


def test_every_kind_of_column_can_be_published(tmp_path: Path) -> None:
    sql = (
        "SELECT true AS b, CAST(1 AS TINYINT) AS t, CAST(1 AS FLOAT) AS f, DATE '2026-01-02' AS d, "
        "TIMESTAMP '2026-01-02 03:04:05' AS at, X'00ff' AS bin, NULL AS nothing, sum(v) AS s, CAST(1.5 AS DECIMAL(5, 2)) AS e "
        "FROM sales"
    )
    with engine(tmp_path) as connection:
        path = user(connection, tmp_path, view_of({"v": "int64"}), sql, "SELECT 1::BIGINT AS v")
        found = connection.execute(f"DESCRIBE SELECT * FROM read_parquet('{path}')").fetchall()
    assert [kind for _, kind, *_ in found] == [
        "VARCHAR", "BOOLEAN", "BIGINT", "DOUBLE", "DATE", "TIMESTAMP WITH TIME ZONE", "BLOB", "VARCHAR",
        "BIGINT", "DECIMAL(38,2)",
    ]  # fmt: skip


def scene_with(folder: Path, sql: str) -> Scene:
    scene = Scene(folder, LakeTarget(str(folder / "lake")))
    scene.put_months("2026-01", "2026-02", "2026-03")
    own = folder / "aggregates" / "sales"
    own.mkdir(parents=True)
    (own / "by_store.sql").write_text(sql)
    return scene


def test_a_users_aggregate_is_published_sorted_with_its_period_first(tmp_path: Path) -> None:
    scene = scene_with(
        tmp_path, "SELECT store, count(*) AS n, sum(amount) AS total FROM sales GROUP BY store"
    )
    outcome = scene.run()
    assert outcome.is_clean
    expected: dict[object, tuple[int, Decimal]] = {}
    for month in ("2026-01", "2026-02", "2026-03"):
        for _, _, store, amount in sales(month):
            n, total = expected.get(store, (0, Decimal(0)))
            expected[store] = n + 1, total + Decimal(str(amount))
    with scene.pipeline() as pipeline:
        found = table_rows(pipeline.lake.aggregated, "sales/by_store")
    assert list(found[0]) == ["quarter", "store", "n", "total"]
    assert [tuple(row.values()) for row in found] == [
        ("2026-Q1", str(store), n, total) for store, (n, total) in sorted(expected.items())
    ]


def test_an_error_of_the_engine_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(AggregateError, match=r"sales/by_store\.sql:1:8: .*nope"):
        scene_with(tmp_path, "SELECT nope FROM sales").run()


def test_a_summary_of_many_measures_is_that_of_each(tmp_path: Path) -> None:
    names = [f"v{position}" for position in range(70)]
    values = ", ".join(f"(hash(range, {at}) % 1000)::BIGINT AS {name}" for at, name in enumerate(names))
    query = f"SELECT {values}, nullif(range % 3000, 7)::VARCHAR AS k FROM range(6000)"
    with engine(tmp_path) as connection:
        wide = summary(
            connection, tmp_path, view_of({**dict.fromkeys(names, "int64"), "k": "string"}, ["k"]), query
        )
        for name in names:
            alone = summary(connection, tmp_path, view_of({name: "int64", "k": "string"}, ["k"]), query)
            assert [{column: row[column] for column in alone[0]} for row in wide] == alone
    assert len(wide[0]) == 3 + 9 * 70
