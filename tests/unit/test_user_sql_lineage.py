"""Which columns of a user's aggregate count as PII: what shows values of a marked column under any name, and what cannot be followed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarterlake.processing.user_sql_lineage import showing

COLUMNS = ("sale_id", "Email", "store", "amount", "address.mail", "tags")
MARKED = ("Email", "address.mail")


def shown(sql: str, *result: str, marked: tuple[str, ...] = MARKED) -> set[str]:
    return set(showing(sql, "sales", COLUMNS, marked, result))


@pytest.mark.parametrize(
    ("sql", "result", "expected"),
    [
        ("SELECT email AS contact, store FROM sales", ("contact", "store"), {"contact"}),
        ("SELECT sales.EMAIL contact FROM sales", ("contact",), {"contact"}),
        ("SELECT lower(Email) AS a, max(EMAIL) AS b, length(email) AS c FROM sales", tuple("abc"), set("abc")),
        ("SELECT coalesce(store, email) AS a, if(amount > 1, email, '') AS b FROM sales", tuple("ab"), set("ab")),
        ("SELECT `address.mail` AS a, store AS b FROM sales", tuple("ab"), {"a"}),
        ("SELECT * FROM sales", COLUMNS, set(MARKED)),
        ("SELECT x.* FROM (SELECT * FROM sales) x", COLUMNS, set(MARKED)),
        ("SELECT * EXCEPT (email, `address.mail`) FROM sales", ("store", "amount"), set()),
        ("WITH x AS (SELECT email AS y, store FROM sales) SELECT y AS z, store FROM x", ("z", "store"), {"z"}),
        ("WITH sales AS (SELECT email AS store, amount FROM sales) SELECT * FROM sales", ("store", "amount"), {"store"}),
        ("SELECT x.v AS v FROM (SELECT email FROM sales) AS x(v)", ("v",), {"v"}),
        ("SELECT email AS a, a AS b, store AS c FROM sales", tuple("abc"), set("ab")),
        ("SELECT store AS a, 1 AS b FROM sales UNION ALL SELECT email, 2 FROM sales", tuple("ab"), {"a"}),
        ("SELECT a FROM (SELECT store AS a FROM sales UNION SELECT email FROM sales)", ("a",), {"a"}),
        ("SELECT (SELECT max(email) FROM sales) AS a, (SELECT max(store) FROM sales) AS b", tuple("ab"), {"a"}),
        ("SELECT b.email AS a, c.store AS d FROM sales b JOIN sales c ON b.email = c.email", tuple("ad"), {"a"}),
        ("SELECT a FROM sales LATERAL VIEW explode(split(email, ',')) t AS a", ("a",), {"a"}),
        ("SELECT a FROM sales LATERAL VIEW explode(split(tags, ',')) t AS a", ("a",), set()),
        ("SELECT a, b FROM sales LATERAL VIEW stack(1, email, store) t AS a, b", tuple("ab"), set("ab")),
        ("SELECT * FROM (SELECT store, email FROM sales) PIVOT (max(email) FOR store IN ('a' AS a))", ("a",), {"a"}),
        ("SELECT store, x FROM sales UNPIVOT (x FOR y IN (email, store))", ("store", "x"), {"x"}),
        ("SELECT sort_array(collect_list(email))[0] AS a FROM sales", ("a",), {"a"}),
        ("SELECT max(struct(amount, email)).email AS a, to_json(struct(*)) AS b FROM sales", tuple("ab"), set("ab")),
        ("SELECT first_value(email) OVER (ORDER BY amount) AS a FROM sales", ("a",), {"a"}),
        ("SELECT sum(CASE WHEN email LIKE '%.org' THEN 1 ELSE 0 END) AS a FROM sales", ("a",), {"a"}),
        # what shows no value
        ("SELECT count(email) AS a, count(DISTINCT Email) AS b, count(*) AS c FROM sales", tuple("abc"), set()),
        ("SELECT count(DISTINCT email) OVER () AS a, count_if(email LIKE '%x') AS b FROM sales", tuple("ab"), set()),
        ("SELECT store, sum(amount) AS a FROM sales WHERE email <> '' GROUP BY store, email", ("store", "a"), set()),
        ("SELECT sum(CASE WHEN email IS NULL THEN 1 ELSE 0 END) AS a FROM sales", ("a",), set()),
        ("SELECT row_number() OVER (PARTITION BY email ORDER BY email, amount) AS a FROM sales", ("a",), set()),
        ("SELECT sum(amount) FILTER (WHERE email = 'x') AS a FROM sales", ("a",), set()),
        ("SELECT s FROM (SELECT store AS s, count(email) AS n, max(email) AS m FROM sales GROUP BY 1)", ("s",), set()),
        ("SELECT 1 AS a, v AS b FROM (VALUES ('x')) AS t(v)", tuple("ab"), set()),
        # what cannot be followed
        ("SELECT stack(2, email, store) AS (a) FROM sales", ("a",), {"a"}),
        ("SELECT max(sales) AS a, nowhere AS b FROM sales", tuple("ab"), set("ab")),
        ("SELECT store AS a FROM sales", ("a", "another"), {"another"}),
        ("this is no SQL at all", ("a",), {"a"}),
    ],
)  # fmt: skip
def test_values_of_a_marked_column_are_found_under_any_name(
    sql: str, result: tuple[str, ...], expected: set[str]
) -> None:
    assert shown(sql, *result) == expected


def test_without_a_marked_column_nothing_is_hidden() -> None:
    assert shown("SELECT email AS contact FROM sales", "contact", marked=()) == set()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["email", "store", "amount"]), min_size=1, max_size=4), st.data())
def test_through_any_number_of_renamings(columns: list[str], data: st.DataObject) -> None:
    """A column is followed through nested queries that rename and wrap it, whatever stands beside it."""
    sql, names = "sales", list(columns)
    for depth in range(data.draw(st.integers(1, 4))):
        made = [f"v{depth}_{place}" for place in range(len(names))]
        wrapped = data.draw(st.lists(st.sampled_from(["{}", "upper({})", "coalesce({}, '')"]), min_size=4))
        parts = (f"{wrapped[n].format(name)} AS {made[n]}" for n, name in enumerate(names))
        source = "sales" if depth == 0 else f"({sql}) q{depth}"
        sql, names = f"SELECT {', '.join(parts)} FROM {source}", made
    expected = {name for name, column in zip(names, columns, strict=True) if column == "email"}
    assert shown(sql, *names) == expected
