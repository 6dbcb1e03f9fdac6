from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarterlake.domain.dedup import Value, Version, newest, version_order

if TYPE_CHECKING:
    from collections.abc import Sequence

TIMES = st.integers(0, 3).map(lambda hour: datetime(2026, 7, 1, hour, tzinfo=UTC))
SEQUENCES: list[st.SearchStrategy[Value]] = [
    st.integers(-2, 2),
    st.floats(-2, 2) | st.sampled_from([float("inf"), float("-inf")]),
    st.decimals(-2, 2, places=1),
    st.text(max_size=2),
    TIMES,
]


def versions(sequences: st.SearchStrategy[Value]) -> st.SearchStrategy[Version]:
    """Versions that often tie in some of what decides."""
    return st.builds(
        Version,
        sequence=st.none() | sequences,
        time=TIMES,
        landing=st.integers(1, 3),
        values=st.tuples(st.sampled_from([None, "", "7f", "ff"])),
    )


SOME = st.sampled_from(SEQUENCES).flatmap(
    lambda sequences: st.lists(versions(sequences), min_size=1, max_size=8)
)


def version(
    sequence: Value | None = None, *, hour: int = 0, landing: int = 1, text: str | None = ""
) -> Version:
    return Version(sequence, datetime(2026, 7, 1, hour, tzinfo=UTC), landing, (text,))


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        (version(1, hour=9, landing=9, text="ff"), version(2)),
        (version(None, hour=9, landing=9, text="ff"), version(-5)),
        (version(1, hour=1, landing=9, text="ff"), version(1, hour=2)),
        (version(hour=1, landing=1, text="ff"), version(hour=1, landing=2)),
        (version(text=""), version(text="ff")),
        (version(text=None), version(text="")),
        (version(Decimal("1.1")), version(Decimal("1.2"))),
    ],
)
def test_sequence_then_time_then_landing_then_values(older: Version, newer: Version) -> None:
    assert newest([older, newer]) == newest([newer, older]) == newer


@given(SOME)
def test_ranks_are_a_total_order(some: list[Version]) -> None:
    ranks = [one.rank() for one in some]
    for left in ranks:
        for right in ranks:
            assert (left < right) + (left == right) + (left > right) == 1
    ordered = sorted(ranks)
    assert all(
        ordered[low] <= ordered[high] for low in range(len(ordered)) for high in range(low, len(ordered))
    )


@given(SOME)
def test_versions_that_tie_are_equal(some: list[Version]) -> None:
    assert all((left.rank() == right.rank()) == (left == right) for left in some for right in some)


@given(SOME.flatmap(lambda some: st.tuples(st.just(some), st.permutations(some))))
def test_the_newest_does_not_depend_on_the_order_of_reading(
    orders: tuple[list[Version], list[Version]],
) -> None:
    some, shuffled = orders
    assert newest(shuffled) == newest(some)
    assert all(one.rank() <= newest(some).rank() for one in some)


@given(SOME, st.data())
def test_the_newest_of_parts_is_the_newest_of_all(some: list[Version], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(some) - 1))
    assert newest([*some[:cut], newest(some[cut:])]) == newest(some)


def test_a_sequence_that_is_no_number_has_one_place_in_the_order() -> None:
    nan, low, high = version(float("nan")), version(1.0), version(2.0)
    winners = {
        newest(order) for order in ([nan, low, high], [low, nan, high], [low, high, nan], [high, low, nan])
    }
    assert len(winners) == 1


def test_no_version_wins_where_there_is_none() -> None:
    with pytest.raises(ValueError, match="empty"):
        newest([])


def test_the_sql_terms_leave_out_a_missing_sequence() -> None:
    terms = version_order(sequence=None, time="t", landing="l", values=["h"])
    assert list(terms) == ["t DESC NULLS LAST", "l DESC NULLS LAST", "h DESC NULLS LAST"]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(versions(st.integers(-2, 2)), min_size=1, max_size=8)
    | st.lists(versions(st.text(max_size=2)), min_size=1)
)
def test_sql_orders_as_the_rank_does(some: list[Version]) -> None:
    assert first_in_sql(some) == some.index(newest(some))


def first_in_sql(some: Sequence[Version]) -> int:
    """The position of the first of the versions that SQL puts first."""
    terms = version_order(sequence="s", time="t", landing="l", values=["h"])
    kind = "VARCHAR" if any(isinstance(one.sequence, str) for one in some) else "BIGINT"
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE v (n INTEGER, s {kind}, t TIMESTAMP, l INTEGER, h VARCHAR)")
        values = [
            (n, v.sequence, v.time.replace(tzinfo=None), v.landing, v.values[0]) for n, v in enumerate(some)
        ]
        connection.executemany("INSERT INTO v VALUES (?, ?, ?, ?, ?)", values)
        found = connection.execute(f"SELECT n FROM v ORDER BY {', '.join(terms)}, n LIMIT 1").fetchone()
    assert found is not None
    return int(found[0])
