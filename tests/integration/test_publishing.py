"""Gates, rollback, publishers that meet, and processes that were killed half-way."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from quarterlake.domain.errors import ConflictError
from quarterlake.lake import keys
from quarterlake.outcomes import Wishes
from quarterlake.publishing.publish import publish, rollback
from quarterlake.publishing.releases import find_release, releases_of
from tests.integration.conftest import LakeTarget
from tests.integration.lakes import (
    HEADER,
    NOW,
    Scene,
    contract_yaml,
    curated_rows,
    listing,
    names,
    objects,
    sales,
    summary_rows,
)

if TYPE_CHECKING:
    from pathlib import Path

    from quarterlake.domain.releases import Release
    from quarterlake.outcomes import DatasetOutcome
    from quarterlake.pipeline import Pipeline

FIRST_QUARTER = ("2026-01", "2026-02", "2026-03")
COLUMNS = (
    ("sale_id", "varchar"),
    ("sold_at", "timestamp"),
    ("store", "varchar"),
    ("amount", "decimal(18,2)"),
)
RECORD = keys.release("sales", "2026-Q1", 1)
LATER = datetime(2026, 5, 20, tzinfo=UTC)


@pytest.fixture
def scene(tmp_path: Path, lake_target: LakeTarget) -> Scene:
    return Scene(tmp_path, lake_target)


@pytest.fixture
def in_folder(tmp_path: Path) -> Scene:
    return Scene(tmp_path, LakeTarget(str(tmp_path / "lake")))


def stopping(outcome: DatasetOutcome) -> list[str]:
    return [gate.gate for report in outcome.reports for gate in report.gates if gate.stops]


def counts_by_quarter(pipeline: Pipeline) -> dict[str, int]:
    """Records by quarter as the published table shows them."""
    counts: Counter[str] = Counter()
    for row in summary_rows(pipeline):
        counts[row["quarter"]] += row["count"]
    return dict(counts)


# Gates


def test_too_many_rejects_stop_a_build_until_the_contract_allows_them(in_folder: Scene) -> None:
    in_folder.declare(contract_yaml(COLUMNS))
    in_folder.put_months(*FIRST_QUARTER)
    bad = [("x", "2026-03-01T00:00:00Z", "north", "many"), ("y", "2026-03-01T00:00:00Z", "north", "few")]
    in_folder.put("sales_2026-03.csv", [*sales("2026-03"), *bad])

    refused = in_folder.run()
    with in_folder.pipeline() as pipeline:
        store = pipeline.lake.aggregated
        assert releases_of(store, "sales") == []
        assert not [item for item in store.list("sales/") if "_delta_log" in item.key]
    in_folder.declare(contract_yaml(COLUMNS, gates=[("reject_ratio", "error", 0.05)]))
    allowed = in_folder.run()

    assert (refused.stopped, stopping(refused)) == (["2026-Q1"], ["reject_ratio"])
    assert names(refused.published) == []
    assert names(allowed.published) == ["sales@2026-Q1.1"]
    assert allowed.published[0].build == refused.builds[0]


def test_a_total_under_each_table_stops_nothing(in_folder: Scene) -> None:
    for month in ("01", "02", "03"):
        rows = "".join(f"{month}{n};2026-{month}-{n:02};{n}\n" for n in range(1, 21))
        in_folder.put(f"sales_2026-{month}.csv", f"id;at;amount\n{rows}TOTAL;;210\n".encode())
    [release] = in_folder.run().published
    [gate] = [gate for gate in release.quality.gates if gate.gate == "reject_ratio"]
    assert (gate.passed, gate.observed) == (True, 0.0)
    assert gate.message.startswith("0 of 60 records rejected (0.000%), 3 footers and repeated headers aside")
    assert [(e.records, e.accepted, e.rejected, e.no_data) for e in release.build.ledger] == [
        (21, 20, 1, 1)
    ] * 3


def test_a_stopped_correction_leaves_the_tables_as_they_were(in_folder: Scene) -> None:
    in_folder.declare(contract_yaml(COLUMNS))
    in_folder.put_months(*FIRST_QUARTER)
    in_folder.run()
    with in_folder.pipeline() as pipeline:
        before = listing(pipeline)["aggregated"]
    in_folder.put("sales_2026-03.csv", [*sales("2026-03"), ("x", "2026-03-01T00:00:00Z", "north", "many")])

    outcome = in_folder.run()

    assert outcome.stopped == ["2026-Q1"]
    with in_folder.pipeline() as pipeline:
        after = listing(pipeline)["aggregated"]
        assert counts_by_quarter(pipeline) == {"2026-Q1": 60}
        assert names(releases_of(pipeline.lake.aggregated, "sales")) == ["sales@2026-Q1.1"]
    log = [item for item in before if "_delta_log" in item[0]]
    assert [item for item in after if "_delta_log" in item[0]] == log
    assert set(before) <= set(after)


def test_a_null_in_a_required_column_stops_a_build(in_folder: Scene) -> None:
    in_folder.declare(contract_yaml(COLUMNS, required=["amount"]))
    in_folder.put_months(*FIRST_QUARTER)
    in_folder.put("sales_2026-03.csv", [*sales("2026-03"), ("x", "2026-03-01T00:00:00Z", "north", "")])

    outcome = in_folder.run()

    assert (outcome.stopped, stopping(outcome)) == (["2026-Q1"], ["required_not_null"])


def test_another_schema_than_the_last_release_stops_a_build(in_folder: Scene) -> None:
    in_folder.declare(contract_yaml(COLUMNS))
    in_folder.put_months(*FIRST_QUARTER)
    in_folder.run()
    in_folder.declare(contract_yaml((*COLUMNS[:3], ("amount", "varchar"))))

    outcome = in_folder.run()

    assert (outcome.stopped, stopping(outcome)) == (["2026-Q1"], ["schema_compatible"])


def test_a_missing_month_stops_a_named_quarter(in_folder: Scene) -> None:
    in_folder.put_months("2026-01", "2026-03")

    outcome = in_folder.run(periods=["2026-Q1"])

    assert (outcome.stopped, stopping(outcome)) == (["2026-Q1"], ["months_present"])


def test_a_table_never_shows_two_types_of_one_column(in_folder: Scene) -> None:
    gates = [("schema_compatible", "warning", None)]
    in_folder.declare(contract_yaml((*COLUMNS[:3], ("amount", "bigint")), gates=gates))
    for month in FIRST_QUARTER:
        in_folder.put(f"sales_{month}.csv", sales(month, amount="{number}"))
    in_folder.run()
    in_folder.declare(contract_yaml(COLUMNS, gates=gates))
    in_folder.put_months("2026-04", "2026-05", "2026-06")

    in_folder.run(datetime(2026, 7, 1, tzinfo=UTC), periods=["2026-Q2"])

    with in_folder.pipeline() as pipeline:
        assert counts_by_quarter(pipeline) == {"2026-Q2": 60}
    in_folder.run(datetime(2026, 7, 1, tzinfo=UTC))
    with in_folder.pipeline() as pipeline:
        assert counts_by_quarter(pipeline) == {"2026-Q1": 60, "2026-Q2": 60}


# Rollback


def correct(scene: Scene, cents: str) -> Release:
    scene.put("sales_2026-02.csv", sales("2026-02", amount="{number}." + cents))
    [release] = scene.run().published
    return release


def test_a_rollback_brings_an_earlier_release_back_until_inputs_change(in_folder: Scene) -> None:
    in_folder.put_months(*FIRST_QUARTER)
    [first] = in_folder.run().published
    with in_folder.pipeline() as pipeline:
        rows = summary_rows(pipeline)
    second = correct(in_folder, "75")

    with in_folder.pipeline() as pipeline:
        third = rollback(pipeline.lake.aggregated, first, LATER)
        assert summary_rows(pipeline) == rows
        assert rollback(pipeline.lake.aggregated, first, LATER) == third
    again = in_folder.run()
    fourth = correct(in_folder, "80")

    assert third.name == "sales@2026-Q1.3"
    assert third.build.aggregates == first.build.aggregates
    assert third.restores == first.name
    assert third.holds_back == (second.build.id,)
    assert (again.held_back, again.published) == (["2026-Q1"], [])
    assert fourth.name == "sales@2026-Q1.4"


def test_a_rollback_to_what_is_current_does_nothing(in_folder: Scene) -> None:
    in_folder.put_months(*FIRST_QUARTER)
    [first] = in_folder.run().published
    with in_folder.pipeline() as pipeline:
        before = listing(pipeline)
        assert rollback(pipeline.lake.aggregated, first, LATER) == first
        assert listing(pipeline) == before


def test_two_rollbacks_in_a_row_hold_the_newest_build_back(in_folder: Scene) -> None:
    in_folder.put_months(*FIRST_QUARTER)
    [first] = in_folder.run().published
    second, _ = correct(in_folder, "75"), correct(in_folder, "80")
    with in_folder.pipeline() as pipeline:
        rollback(pipeline.lake.aggregated, first, LATER)
        rollback(pipeline.lake.aggregated, second, LATER)

    outcome = in_folder.run()

    assert names(outcome.published) == []
    assert outcome.held_back == ["2026-Q1"]


# Publishers that meet


def test_two_publishers_of_one_build_make_one_release(scene: Scene) -> None:
    scene.put_months(*FIRST_QUARTER)
    barrier = threading.Barrier(2)

    def publish_first(now: datetime) -> Release | None:
        with scene.pipeline(now) as pipeline:
            outcome = pipeline.validate("sales", Wishes())
            barrier.wait(60)
            return publish(
                pipeline.lake.aggregated, outcome.builds[0], outcome.reports[0], now, landing=outcome.landing
            )

    with scene.pipeline() as pipeline:
        pipeline.ingest(scene.source)
        pipeline.process("sales", Wishes())
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(publish_first, [NOW, LATER])

    assert one == other
    with scene.pipeline() as pipeline:
        assert names(releases_of(pipeline.lake.aggregated, "sales")) == ["sales@2026-Q1.1"]
        assert counts_by_quarter(pipeline) == {"2026-Q1": 60}


def test_two_ingestions_at_once_land_each_file_once(in_folder: Scene) -> None:
    months = [f"2025-{month:02d}" for month in range(1, 13)]
    in_folder.put_months(*months, count=2)
    barrier = threading.Barrier(2)

    def ingest(now: datetime) -> None:
        with in_folder.pipeline(now) as pipeline:
            barrier.wait(60)
            pipeline.ingest(in_folder.source)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(ingest, [NOW, LATER]))

    with in_folder.pipeline() as pipeline:
        assert len(pipeline.landings("sales")) == len(months)


def test_two_whole_runs_at_once_end_like_one(scene: Scene) -> None:
    scene.put_months("2025-10", "2025-11", "2025-12", *FIRST_QUARTER)
    barrier = threading.Barrier(2)

    def run(now: datetime) -> None:
        barrier.wait(60)
        for _ in range(4):
            try:
                scene.run(now)
            except ConflictError:
                continue
            return

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, [NOW, LATER]))
    scene.run()

    with scene.pipeline() as pipeline:
        assert names(releases_of(pipeline.lake.aggregated, "sales")) == ["sales@2025-Q4.1", "sales@2026-Q1.1"]
        assert counts_by_quarter(pipeline) == {"2025-Q4": 60, "2026-Q1": 60}
        assert len(curated_rows(pipeline)) == 120


# Processes that were killed


def delete_last_commit(pipeline: Pipeline, zone: str, prefix: str) -> None:
    store = getattr(pipeline.lake, zone)
    commits = [item.key for item in store.list(f"{prefix}/_delta_log/") if item.key.endswith(".json")]
    store.delete(commits[-1:])


@pytest.mark.parametrize("committed", [True, False])
def test_a_claim_without_its_record_is_finished_with_the_same_bytes(scene: Scene, *, committed: bool) -> None:
    scene.put_months(*FIRST_QUARTER)
    scene.run()
    with scene.pipeline() as pipeline:
        record = pipeline.lake.aggregated.get(RECORD)
        pipeline.lake.aggregated.delete([RECORD])
        if not committed:
            delete_last_commit(pipeline, "aggregated", "sales/summary")

    outcome = scene.run(LATER)

    assert names(outcome.current) == ["sales@2026-Q1.1"]
    with scene.pipeline() as pipeline:
        assert pipeline.lake.aggregated.get(RECORD) == record
        assert counts_by_quarter(pipeline) == {"2026-Q1": 60}


def test_a_record_names_the_table_version_that_shows_it(in_folder: Scene) -> None:
    in_folder.put_months(*FIRST_QUARTER)
    [first] = in_folder.run().published
    with in_folder.pipeline() as pipeline:
        before = summary_rows(pipeline)
    second = correct(in_folder, "75")

    with in_folder.pipeline() as pipeline:
        assert summary_rows(pipeline, version=first.table_version("summary")) == before
        assert summary_rows(pipeline, version=second.table_version("summary")) == summary_rows(pipeline)
        assert find_release(pipeline.lake.aggregated, first.name) == first


def test_months_that_were_staged_but_not_committed_are_committed_by_the_next_run(scene: Scene) -> None:
    scene.put_months(*FIRST_QUARTER)
    with scene.pipeline() as pipeline:
        pipeline.ingest(scene.source)
        pipeline.process("sales", Wishes())
        before = objects(pipeline.lake.curated, "sales/_month=2026-01/")
        delete_last_commit(pipeline, "curated", "sales")

    outcome = scene.run()

    assert names(outcome.published) == ["sales@2026-Q1.1"]
    with scene.pipeline() as pipeline:
        assert objects(pipeline.lake.curated, "sales/_month=2026-01/") == before
        assert len(curated_rows(pipeline)) == 60


def test_a_new_column_reaches_the_published_table(in_folder: Scene) -> None:
    in_folder.put_months(*FIRST_QUARTER)
    in_folder.run()
    for month in ("2026-04", "2026-05", "2026-06"):
        in_folder.put(f"sales_{month}.csv", [(*row, "0.5") for row in sales(month)], (*HEADER, "tax"))

    outcome = in_folder.run(datetime(2026, 7, 1, tzinfo=UTC))

    assert "sales@2026-Q2.1" in names(outcome.published)
    with in_folder.pipeline() as pipeline:
        taxes = {(row["quarter"], row["tax_nulls"]) for row in summary_rows(pipeline)}
        assert counts_by_quarter(pipeline) == {"2026-Q1": 60, "2026-Q2": 60}
    assert taxes == {("2026-Q1", None), ("2026-Q2", 0)}
