from __future__ import annotations

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterlake.domain.column_types import INT64
from quarterlake.domain.contract import Column, Contract
from quarterlake.domain.curation import CuratedFile, CuratedMonth
from quarterlake.domain.errors import UsageError
from quarterlake.domain.periods import Period
from quarterlake.domain.quality import QualityReport
from quarterlake.domain.releases import (
    Aggregate,
    AggregateColumn,
    Build,
    DataFile,
    Observations,
    Release,
    TableVersion,
    build_id,
    hidden_columns,
    is_dataset_name,
    needs_release,
    parse_release_name,
    release_name,
)

DATASETS = st.from_regex(r"[a-z0-9][a-z0-9_]{0,40}", fullmatch=True).filter(is_dataset_name)
PERIODS = (
    st.builds("{:04d}".format, st.integers(1, 9998))
    | st.builds("{:04d}-Q{}".format, st.integers(1, 9998), st.integers(1, 4))
    | st.builds("{:04d}-{:02d}".format, st.integers(1, 9998), st.integers(1, 12))
)


@given(DATASETS, PERIODS, st.integers(1, 999_999_999))
def test_a_name_reads_back(dataset: str, period: str, revision: int) -> None:
    assert parse_release_name(release_name(dataset, period, revision)) == (dataset, period, revision)


def test_a_name_looks_like_this() -> None:
    assert release_name("orders", "2026-Q3", 1) == "orders@2026-Q3.1"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "orders",
        "orders@2026-Q3",
        "orders@2026-Q3.0",
        "orders@2026-Q3.01",
        "orders@2026-Q3.1 ",
        "orders@2026-Q3.-1",
        "orders@2026-Q5.1",
        "orders@2026-q3.1",
        "orders@2026-7.1",
        "orders@2026-13.1",
        "orders@2026-00.1",
        "orders@26-Q3.1",
        "orders@2026-Q3.1\u0660",
        "orders@\u0662\u0660\u0662\u0666-Q3.1",
        "@2026-Q3.1",
        "a@b@2026-Q3.1",
        "../orders@2026-Q3.1",
        "a\\b@2026-Q3.1",
    ],
)
def test_anything_else_is_no_name(name: str) -> None:
    with pytest.raises(UsageError, match="is no release's name"):
        parse_release_name(name)


@given(st.from_regex(r"[a-z]{1,3}@\d{4}(-(Q\d|\d\d))?\.\d{1,3}", fullmatch=True))
def test_what_reads_is_the_name_of_one_release_of_a_period(name: str) -> None:
    try:
        dataset, period, revision = parse_release_name(name)
    except UsageError:
        return
    assert release_name(dataset, period, revision) == name
    assert Period.parse(period).name == period


def build(identity: str) -> Build:
    return Build(
        id=identity,
        dataset="orders",
        period="2026-Q3",
        contract=Contract(dataset="orders", columns=(Column(name="id", type=INT64, source="id"),)),
        months=(),
        curated_version=3,
        aggregates=(),
        ledger=(),
        observations=Observations(rows=0, rows_by_month={}, nulls={}, conflicts=0, equal_rows=0, drift=()),
        engine="duckdb",
        code_version="0.1.0",
    )


def release(identity: str, *, revision: int = 1, holds_back: tuple[str, ...] = ()) -> Release:
    return Release(
        name=release_name("orders", "2026-Q3", revision),
        dataset="orders",
        period="2026-Q3",
        revision=revision,
        published_at="2026-10-01T00:00:00Z",
        build=build(identity),
        quality=QualityReport(
            build=identity, dataset="orders", period="2026-Q3", compared_with=None, gates=()
        ),
        tables=(TableVersion("summary", 4), TableVersion("by_country", 7)),
        holds_back=holds_back,
    )


def test_the_first_build_of_a_period_is_released() -> None:
    assert needs_release(None, "A")


def test_the_current_build_is_not_released_again() -> None:
    assert not needs_release(release("A"), "A")


def test_changed_inputs_are_released() -> None:
    assert needs_release(release("A"), "B")


def test_a_rollback_holds_its_build_back_until_the_inputs_change() -> None:
    rolled_back = release("A", revision=3, holds_back=("B",))
    assert not needs_release(rolled_back, "B")
    assert not needs_release(rolled_back, "A")
    assert needs_release(rolled_back, "C")


def test_inputs_that_revert_to_an_earlier_build_are_released_again() -> None:
    """A, then B, then the correction is taken back: A is the period's third revision."""
    assert needs_release(release("B", revision=2), "A")


def test_a_build_held_back_once_is_released_after_another() -> None:
    assert needs_release(release("C", revision=4), "B")


def month(name: str, identity: str, path: str = "p") -> CuratedMonth:
    return CuratedMonth(
        month=name,
        id=identity,
        content=identity,
        files=(CuratedFile(path, 1, 1),),
        inputs=(),
        columns=("id",),
    )


def test_a_build_is_identified_by_what_it_is_made_from() -> None:
    months = [month("2026-07", "a"), month("2026-08", "b")]
    first = build_id("orders", "2026-Q3", months, "c", {"x": "SELECT 1", "y": "SELECT 2"})
    elsewhere = [month("2026-07", "a", "q"), month("2026-08", "b", "r")]
    assert build_id("orders", "2026-Q3", elsewhere, "c", {"y": "SELECT 2", "x": "SELECT 1"}) == first
    others = {
        build_id("returns", "2026-Q3", months, "c", {"x": "SELECT 1", "y": "SELECT 2"}),
        build_id("orders", "2026-Q4", months, "c", {"x": "SELECT 1", "y": "SELECT 2"}),
        build_id("orders", "2026-Q3", months[:1], "c", {"x": "SELECT 1", "y": "SELECT 2"}),
        build_id(
            "orders", "2026-Q3", [months[0], month("2026-08", "z")], "c", {"x": "SELECT 1", "y": "SELECT 2"}
        ),
        build_id("orders", "2026-Q3", months, "d", {"x": "SELECT 1", "y": "SELECT 2"}),
        build_id("orders", "2026-Q3", months, "c", {"x": "SELECT 1", "y": "SELECT 3"}),
        build_id("orders", "2026-Q3", months, "c", {"x": "SELECT 1"}),
    }
    assert len(others | {first}) == 8
    assert re.fullmatch(r"[0-9a-f]{32}", first)


def test_the_version_of_each_aggregates_table() -> None:
    assert release("A").table_version("by_country") == 7


def test_the_rows_of_an_aggregate_are_those_of_its_files() -> None:
    files = (DataFile("a", 1, "x", 3), DataFile("b", 1, "y", 4))
    assert Aggregate(name="summary", sql=None, columns=(), files=files).rows == 7
    assert Aggregate(name="summary", sql=None, columns=(), files=()).rows == 0


def test_what_an_older_version_built_is_hidden_where_nobody_looked_for_pii() -> None:
    """Its documents say nothing of a column; since then they say of each column of a user's SQL whether it shows PII."""
    email = Column(name="email", type=INT64, source="email", pii=True)
    contract = Contract(dataset="sales", columns=(email,))
    old = b'{"name": "by_mail", "sql": "SELECT ...", "columns": [{"name": "Contact", "type": "string"}], "files": []}'
    aggregate = msgspec.json.decode(old, type=Aggregate)
    assert hidden_columns(contract, aggregate) == {"email", "contact"}
    summary = msgspec.structs.replace(aggregate, sql=None)
    assert hidden_columns(contract, summary) == {"email"}
    looked_at = msgspec.structs.replace(aggregate, columns=(AggregateColumn("Contact", "string", pii=False),))
    kept = msgspec.json.decode(msgspec.json.encode(looked_at), type=Aggregate)
    assert hidden_columns(contract, kept) == {"email"}
    unmarked = msgspec.structs.replace(contract, columns=(msgspec.structs.replace(email, pii=False),))
    assert hidden_columns(unmarked, aggregate) == frozenset()
