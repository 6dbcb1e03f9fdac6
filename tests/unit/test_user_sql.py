from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarterlake.domain.errors import AggregateError
from quarterlake.processing.user_sql import load_aggregates, parse_aggregate

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORDS = """
    SELECT * FROM (VALUES
        (1.5::DOUBLE, 1::BIGINT, 1.10::DECIMAL(18,2), 'a', '5', TIMESTAMPTZ '2024-05-05 07:08:09+00', DATE '2024-05-31', true, 'g'),
        (2.5, 2, 2.20, 'b', '6', TIMESTAMPTZ '2024-05-06 07:08:09+00', DATE '2024-05-31', true, 'g'),
        (NULL, 3, 3.30, 'b', '7', TIMESTAMPTZ '2024-06-07 07:08:09+00', DATE '2024-06-30', false, 'h'),
        (-4.7, 4, -4.45, 'ab', '7', TIMESTAMPTZ '2024-06-09 07:08:09+00', DATE '2024-06-30', true, 'h')
    ) v(x, i, m, s, n, t, day, ok, g)"""


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        opened.execute("SET TimeZone = 'UTC'")
        opened.execute(f'CREATE VIEW "my orders" AS {RECORDS}')
        opened.execute(f"CREATE VIEW orders AS {RECORDS}")
        yield opened


def translate(text: str, dataset: str = "orders") -> str:
    return parse_aggregate("mine", text, dataset, "mine.sql").duckdb


def refusal(text: str) -> str:
    with pytest.raises(AggregateError) as caught:
        parse_aggregate("mine", text, "orders", "agg/orders/mine.sql")
    message = str(caught.value)
    assert message.startswith("agg/orders/mine.sql:")
    return message.removeprefix("agg/orders/mine.sql:")


WHOLE = [
    # expected values are those that Spark documents for its functions, in ANSI mode
    ("percentile(x, 0.5)", 1.5),
    ("percentile(i, 0.5)", 2.5),
    ("percentile(m, 0.5)", pytest.approx(1.65)),
    ("percentile(m, 0.3)", pytest.approx(0.545)),
    ("percentile(i, array(0.25, 0.75))", [1.75, 3.25]),
    ("percentile(DISTINCT i, 0.5)", 2.5),
    ("median(m)", pytest.approx(1.65)),
    ("percentile_cont(0.5) WITHIN GROUP (ORDER BY m)", pytest.approx(1.65)),
    ("count_if(x > 1)", 2),
    ("sum(i) / count(*)", 2.5),
    ("stddev(i)", pytest.approx(1.2909944487)),
    ("std(i)", pytest.approx(1.2909944487)),
    ("stddev_pop(i)", pytest.approx(1.1180339887)),
    ("var_samp(i)", pytest.approx(5 / 3)),
    ("mean(i)", 2.5),
    ("bool_and(ok)", False),
    ("every(ok)", False),
    ("some(ok)", True),
    ("any(x > 100)", False),
    ("bool_or(i > 3)", True),
    ("kurtosis(i)", pytest.approx(-1.36)),
    ("skewness(i * i)", pytest.approx(0.40952, abs=1e-5)),
    ("skewness(i) FILTER (WHERE i < 3)", 0.0),
    ("skewness(i) FILTER (WHERE i < 2)", None),
    ("corr(i, i)", pytest.approx(1.0)),
    ("max(named_struct('a', i, 'b', s)).b", "ab"),
    ("sort_array(collect_set(s))", ["a", "ab", "b"]),
    ("listagg(s, ',') WITHIN GROUP (ORDER BY i)", "a,b,b,ab"),
    ("count(DISTINCT s, g)", 4),
    ("sum(`m`)", Decimal("2.15")),
]

FIRST_ROW = [
    ("i / 2", 0.5),
    ("3 DIV 2", 1),
    ("try_divide(i, 0)", None),
    ("CAST(i AS STRING)", "1"),
    ("CAST(t AS STRING)", "2024-05-05 07:08:09"),
    ("CAST(x AS STRING)", "1.5"),
    ("CAST(x AS INT)", 1),
    ("CAST(-x AS INT)", -1),
    ("CAST(x + 1 AS BIGINT)", 2),
    ("int(1.9)", 1),
    ("CAST(m * -10.99 AS INT)", -12),
    ("CAST(n AS INT)", 5),
    ("CAST(ok AS INT)", 1),
    ("try_cast(s AS INT)", None),
    ("CAST(x AS DECIMAL(18,2))", Decimal("1.50")),
    ("CAST('2024-01-02' AS DATE)", date(2024, 1, 2)),
    ("CAST('2024-01-02' AS TIMESTAMP)", datetime(2024, 1, 2, tzinfo=UTC)),
    ("to_timestamp('2024-01-02 03:04:05')", datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)),
    ("to_timestamp('02/01/2024', 'dd/MM/yyyy')", datetime(2024, 1, 2, tzinfo=UTC)),
    ("date_trunc('month', t)", datetime(2024, 5, 1, tzinfo=UTC)),
    ("date_trunc('MM', day)", datetime(2024, 5, 1, tzinfo=UTC)),
    ("trunc(t, 'MM')", date(2024, 5, 1)),
    ("trunc(day, 'quarter')", date(2024, 4, 1)),
    ("date_format(t, 'yyyy-MM-dd HH:mm')", "2024-05-05 07:08"),
    ("date_add(day, 1)", date(2024, 6, 1)),
    ("date_sub(t, 5)", date(2024, 4, 30)),
    ("add_months(day, 1)", date(2024, 6, 30)),
    ("unix_timestamp(t)", 1714892889),
    ("unix_timestamp('1970-01-02', 'yyyy-MM-dd')", 86400),
    ("dayofweek(t)", 1),
    ("extract(DOW FROM t)", 1),
    ("weekday(t)", 6),
    ("year(t)", 2024),
    ("pmod(-i, 3)", 2),
    ("named_struct('a', i, 'b', s).b", "a"),
    ("transform(array(1, 2), v -> v + 1)", [2, 3]),
    ("concat_ws('-', s, g)", "a-g"),
    ("lag(i) OVER (ORDER BY i)", None),
    ("lead(i) OVER w", 2),
    ("first(s) OVER (PARTITION BY g ORDER BY i)", "a"),
]


@pytest.mark.parametrize(("expression", "expected"), WHOLE)
def test_aggregates_mean_on_duckdb_what_they_mean_on_spark(
    connection: duckdb.DuckDBPyConnection, expression: str, expected: object
) -> None:
    found = connection.execute(translate(f"SELECT {expression} AS r FROM orders")).fetchall()
    assert found == [(expected,)]


@pytest.mark.parametrize(("expression", "expected"), FIRST_ROW)
def test_expressions_mean_on_duckdb_what_they_mean_on_spark(
    connection: duckdb.DuckDBPyConnection, expression: str, expected: object
) -> None:
    text = translate(f"SELECT {expression} AS r FROM orders WINDOW w AS (ORDER BY i) ORDER BY i LIMIT 1")
    found = connection.execute(text).fetchall()
    assert found == [(expected,)]
    assert type(found[0][0]) is type(expected) or found[0][0] == expected


@pytest.mark.parametrize(
    "expression", ["i / (i - 1)", "1 / 0", "m / 0.0", "CAST(s AS INT)", "CAST('2024-13-01' AS DATE)", "i % 0"]
)
def test_what_spark_refuses_at_run_time_duckdb_refuses_too(
    connection: duckdb.DuckDBPyConnection, expression: str
) -> None:
    with pytest.raises(duckdb.Error):
        connection.execute(translate(f"SELECT {expression} AS r FROM orders")).fetchall()


@pytest.mark.parametrize(
    "text",
    [
        "SELECT g, count(*) AS n FROM orders GROUP BY g;",
        "-- said first\nSELECT o.g, sum(o.i) AS total FROM Orders AS o GROUP BY ALL HAVING total > 1",
        "WITH big AS (SELECT * FROM orders WHERE i > 1), few AS (SELECT g FROM big) SELECT g FROM few UNION ALL SELECT s FROM big",
        "(SELECT g FROM orders) EXCEPT (SELECT s FROM orders)",
        "SELECT g FROM (SELECT g, i FROM orders ORDER BY i LIMIT 2) AS top",
        "SELECT g, v FROM orders LATERAL VIEW explode(array(1, 2)) e AS v",
        "SELECT CAST(x AS INT) AS k, count(*) AS n FROM orders WHERE x > 0 GROUP BY CAST(x AS INT)",
        "SELECT g, rank() OVER (PARTITION BY g ORDER BY i) AS r FROM orders",
        "SELECT g, sum(i) OVER (PARTITION BY g) AS r FROM orders",
        "SELECT g, skewness(i) OVER (PARTITION BY g) AS r FROM orders",
        "SELECT DISTINCT orders.g FROM orders WHERE s IN (SELECT s FROM orders)",
        "SELECT i AS `end`, g AS `select` FROM orders WHERE s LIKE ANY ('a', 'b%')",
    ],
)
def test_usual_queries_run_and_run_again_the_same(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    duck = translate(text)
    assert sorted(connection.execute(duck).fetchall()) == sorted(connection.execute(duck).fetchall()) != []


def test_a_view_with_any_name_is_quoted(connection: duckdb.DuckDBPyConnection) -> None:
    text = translate("SELECT max(`My Orders`.i) AS r FROM `My Orders`", dataset="my orders")
    assert 'FROM "my orders"' in text
    assert connection.execute(text).fetchall() == [(4,)]


@pytest.mark.parametrize(
    ("text", "position", "said"),
    [
        ("SELECT FROM WHERE", "1:13: ", "syntax error"),
        ("SELECT g,\n  (1 AS a\nFROM orders", "3:1: ", "syntax error"),
        ("SELECT g,\n  'abc FROM orders", "2:3: ", "no closing '"),
        ("SELECT 1 AS a /* never", "1:1: ", "not closed"),
        ("", "1:1: ", "no statement"),
        ("-- nothing\n", "1:1: ", "no statement"),
        ("SELECT 1 AS a;\nSELECT 2 AS a", "2:8: ", "second statement"),
        ("DROP TABLE orders", "1:12: ", "not a SELECT"),
        ("INSERT INTO orders SELECT 1 AS a", "1:13: ", "not a SELECT"),
        ("SET x = 1", "1:5: ", "not a SELECT"),
        ("COPY orders TO 'a'", "1:6: ", "not a SELECT"),
        ("SELECT g\nFROM sales", "2:6: ", "sales is not this data set; select from `orders`"),
        ("SELECT g FROM db.orders", "1:15: ", "is not this data set"),
        ("SELECT g FROM parquet.`/etc/x`", "1:15: ", "is not this data set"),
        ("SELECT g FROM 'file.csv'", "1:15: ", "is not this data set"),
        ("SELECT g FROM range(10)", "1:15: ", "is not this data set"),
        ("SELECT g FROM sniff_csv('a')", "1:15: ", "is not this data set"),
        ("SELECT g FROM orders, LATERAL sniff_csv('a')", "1:31: ", "LATERAL"),
        ("SELECT g FROM read_csv('a.csv')", "1:15: ", "is not this data set"),
        (
            "SELECT g FROM (WITH a AS (SELECT 1 AS g) SELECT g FROM a) AS b, a",
            "1:65: ",
            "is not this data set",
        ),
        (
            "WITH a AS (SELECT * FROM b), b AS (SELECT 1 AS g) SELECT g FROM a",
            "1:26: ",
            "is not this data set",
        ),
        ("SELECT é, now() AS at FROM orders", "1:11: ", "now is not allowed"),
        ("SELECT g FROM orders TABLESAMPLE (10 PERCENT)", "1:35: ", "TABLESAMPLE"),
        ("SELECT g FROM orders LIMIT 3", "1:28: ", "LIMIT without ORDER BY"),
        ("SELECT g FROM orders OFFSET 3", "1:29: ", "OFFSET without ORDER BY"),
        ("SELECT g FROM orders FETCH FIRST 3 ROWS ONLY", "1:34: ", "without ORDER BY"),
        ("SELECT g FROM (SELECT g FROM orders LIMIT 1) AS a ORDER BY g", "1:43: ", "LIMIT without ORDER BY"),
        ("SELECT g, count(*) FROM orders GROUP BY g", "1:11: ", "no name"),
        ("SELECT :p AS a FROM orders", "1:14: ", "parameter"),
        ("SELECT percentile(x, 0.5, i) AS p FROM orders", "1:8: ", "third argument"),
        ("SELECT date_format(t, \"yyyy-'Q'q\") AS p FROM orders", "1:8: ", "date pattern"),
        ("SELECT date_format(t, 'HH:mm:ss.SSS') AS p FROM orders", "1:8: ", "date pattern"),
        ("SELECT date_format(t, g) AS p FROM orders", "1:8: ", "plain text"),
        ("SELECT sum(i) OVER (ROWS UNBOUNDED PRECEDING) AS p FROM orders", "1:8: ", "ROWS or RANGE"),
    ],
)
def test_refusals_name_the_place_and_the_reason(text: str, position: str, said: str) -> None:
    message = refusal(text)
    assert said in message
    assert message.startswith(position), message


@pytest.mark.parametrize(
    "expression",
    [
        *(
            "current_date",
            "current_date()",
            "current_timestamp",
            "current_timestamp()",
            "now()",
            "NOW()",
            "current_time",
        ),
        *(
            "`current_time`",
            "unix_timestamp()",
            "localtimestamp",
            "localtimestamp()",
            "getdate()",
            "curdate()",
            "today()",
        ),
        *(
            "rand()",
            "rand(1)",
            "randn()",
            "random()",
            "uuid()",
            "shuffle(array(1, 2))",
            "uniform(1, 2)",
            "randstr(3)",
        ),
        *(
            "monotonically_increasing_id()",
            "spark_partition_id()",
            "input_file_name()",
            "current_user",
            "current_user()",
        ),
        *(
            "version()",
            "current_database()",
            "current_timezone()",
            "user()",
            "session_user()",
            "getenv('HOME')",
        ),
        *(
            "read_text('/etc/passwd')",
            "read_blob('a')",
            "system.now()",
            "hash(g)",
            "xxhash64(g)",
            "mode(g)",
            "max_by(g, i)",
        ),
        *(
            "approx_count_distinct(g)",
            "approx_percentile(i, 0.5)",
            "percentile_approx(i, 0.5)",
            "reflect('a', 'b')",
        ),
    ],
)
def test_clock_chance_environment_and_approximations_are_refused_where_they_stand(expression: str) -> None:
    message = refusal(f"SELECT\n  g,\n  {expression} AS r\nFROM orders")
    assert "is not allowed" in message
    assert message.startswith(f"3:{3 + len('system.') * expression.startswith('system.')}: "), message


@pytest.mark.parametrize(
    "expression",
    [
        *(
            "first(i)",
            "last(i)",
            "first(i, true)",
            "first(i) IGNORE NULLS",
            "any_value(i)",
            "any_value(i) FILTER (WHERE ok)",
        ),
        *(
            "collect_list(i)",
            "collect_set(i)",
            "array_agg(i)",
            "string_agg(s, ',')",
            "group_concat(s)",
            "listagg(s, ',')",
        ),
        *(
            "row_number() OVER ()",
            "lag(i) OVER (PARTITION BY g)",
            "lead(i) OVER ()",
            "first_value(i) OVER ()",
            "ntile(2) OVER ()",
        ),
        *(
            "nth_value(i, 2) OVER ()",
            "row_number() OVER w",
            "size(collect_set(i))",
            "first(i) OVER (PARTITION BY g)",
        ),
    ],
)
def test_an_order_that_is_not_given_is_refused(expression: str) -> None:
    message = refusal(f"SELECT {expression} AS r FROM orders WINDOW w AS (PARTITION BY g)")
    assert "depends on an order that is not given" in message
    assert message.startswith("1:13: " if expression.startswith("size") else "1:8: "), message


@pytest.mark.parametrize(
    ("expression", "sensitive"),
    [
        *(
            (f"{f}(x)", True)
            for f in ("sum", "avg", "mean", "stddev", "std", "stddev_samp", "var_pop", "variance", "kurtosis")
        ),
        *((f"{f}(x, i)", True) for f in ("corr", "covar_pop", "covar_samp", "regr_slope", "regr_r2")),
        *((f"{f}(x)", False) for f in ("min", "max", "count", "median", "count_if")),
        ("round(1 + sum(x) FILTER (WHERE ok), 2)", True),
        ("percentile(x, 0.5)", False),
        ("max(map('sum', x)['avg'])", False),
    ],
)
def test_what_depends_on_the_order_of_addition_is_marked(expression: str, *, sensitive: bool) -> None:
    parsed = parse_aggregate(
        "mine", f"WITH a AS (SELECT {expression} AS r FROM orders) SELECT r FROM a", "orders", "f"
    )
    assert parsed.order_sensitive is sensitive


def test_files_load_by_name_and_other_data_sets_stay_out(tmp_path: Path) -> None:
    for file in (
        "orders/summary.sql",
        "orders/by_g.sql",
        "orders/notes.txt",
        "orders/.draft.sql",
        "sales/other.sql",
    ):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text("SELECT g FROM orders", encoding="utf-8-sig")
    loaded = load_aggregates(tmp_path, "orders")
    assert [a.name for a in loaded] == ["by_g", "summary"]
    assert loaded[0].sql == "SELECT g FROM orders"


@pytest.mark.parametrize("name", ["By_g", "1st", "_x", "a-b", "a" * 64])
def test_a_name_that_cannot_be_a_folder_everywhere_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "orders").mkdir()
    (tmp_path / "orders" / f"{name}.sql").write_text("SELECT g FROM orders", encoding="utf-8")
    with pytest.raises(AggregateError, match=rf"/{name}\.sql:1:1: .*rename the file"):
        load_aggregates(tmp_path, "orders")


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "orders").mkdir()
    (tmp_path / "orders" / "a.sql").write_bytes(b"SELECT '\xff'")
    with pytest.raises(AggregateError, match=r"a\.sql:1:1: byte 8 is not UTF-8"):
        load_aggregates(tmp_path, "orders")


def test_without_a_folder_nothing_is_loaded_and_sqlglot_is_not_imported(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from quarterlake.processing.user_sql import load_aggregates as load\n"
        f"assert load(pathlib.Path({str(tmp_path / 'none')!r}), 'orders') == ()\n"
        "assert 'sqlglot' not in sys.modules"
    )
    root = Path(__file__).parents[2] / "src"
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": str(root)})


WORDS = [
    "SELECT",
    "FROM",
    "orders",
    "WHERE",
    "(",
    ")",
    ",",
    "*",
    "g",
    "sum",
    "first",
    "OVER",
    "ORDER",
    "BY",
    "LIMIT",
    "3",
    "'",
    "`",
    ";",
    "WITH",
    "AS",
    "now",
    "max_by",
    "--",
    "/*",
    ":p",
    "?",
    "é",
    "\n",
]


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=40), st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join)))
def test_any_text_is_an_aggregate_or_an_error_with_a_place(text: str) -> None:
    try:
        parsed = parse_aggregate("mine", text, "orders", "f.sql")
    except AggregateError as error:
        file, line, column, _ = str(error).split(":", 3)
        assert (file, int(line) >= 1, int(column) >= 1) == ("f.sql", True, True)
    else:
        assert parsed.sql == text
