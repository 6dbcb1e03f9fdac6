"""The documents that processing leaves beside the releases: profiles of builds, outlooks of data sets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quarterlake.domain.profiles import PROFILE_VERSION, Profile
from quarterlake.lake import documents, keys
from quarterlake.outcomes import Wishes
from quarterlake.publishing.outlooks import leave_outlook, newest_outlook
from tests.integration.conftest import LakeTarget
from tests.integration.lakes import NOW, Scene, contract_yaml, listing, names, objects, sales

if TYPE_CHECKING:
    from pathlib import Path

    from quarterlake.domain.outlooks import Outlook, PeriodOutlook
    from quarterlake.domain.releases import Release
    from quarterlake.pipeline import Pipeline

QUARTER = ("2026-01", "2026-02", "2026-03")
CONTRACT = contract_yaml(
    [("sale_id", "string"), ("sold_at", "timestamp"), ("store", "string"), ("amount", "decimal(10,2)")],
    key=["sale_id"],
    gates=[("reject_ratio", "error", 0.1)],
    extra={"recordTime": "sold_at", "dimensions": "[store]"},
)


@pytest.fixture
def scene(tmp_path: Path, lake_target: LakeTarget) -> Scene:
    made = Scene(tmp_path, lake_target)
    made.declare(CONTRACT)
    made.put_months(*QUARTER)
    made.put("sales_2026-03_more.csv", [*sales("2026-03", 3, first=21), ("bad", "no time", "north", "1.00")])
    return made


def profile_key(release: Release) -> str:
    return keys.profile(release.dataset, release.build.id, PROFILE_VERSION)


def outlook(pipeline: Pipeline) -> Outlook:
    found = newest_outlook(pipeline.lake.aggregated, "sales")[1]
    assert found is not None
    return found


def period_of(found: Outlook, name: str) -> PeriodOutlook:
    return next(period for period in found.periods if period.period == name)


def test_a_profile_says_what_its_release_is_made_from(scene: Scene) -> None:
    [release] = scene.run().published
    with scene.pipeline() as pipeline:
        profile = documents.read(pipeline.lake.aggregated, profile_key(release), Profile)

    assert profile is not None
    assert profile.rows_by_month == {"2026-01": 20, "2026-02": 20, "2026-03": 23}
    assert sum(profile.rows_by_day.values()) == profile.records.rows == 63
    assert [(r.source.rsplit("/", 1)[1], r.count) for r in profile.rejects] == [("sales_2026-03_more.csv", 1)]
    amount = profile.records.column("amount")
    assert amount is not None
    assert amount.spread is not None
    assert (amount.spread.min, amount.spread.max) == ("1.25", "23.25")
    summary = profile.aggregate("summary")
    assert summary is not None
    assert summary.rows == release.build.aggregates[0].rows
    assert "no time" not in str(profile)


def test_a_missing_profile_is_made_again_and_nothing_else(scene: Scene) -> None:
    [release] = scene.run().published
    with scene.pipeline() as pipeline:
        store = pipeline.lake.aggregated
        before, bytes_before = listing(pipeline), objects(store, keys.ours("sales", "profiles"))
        store.delete([profile_key(release)])

    again = scene.run()

    assert (names(again.published), names(again.current)) == ([], [release.name])
    with scene.pipeline() as pipeline:
        after = listing(pipeline)
        assert objects(pipeline.lake.aggregated, keys.ours("sales", "profiles")) == bytes_before
    for zone, items in before.items():
        assert [item for item in after[zone] if "/profiles/" not in item[0]] == [
            item for item in items if "/profiles/" not in item[0]
        ]


def test_two_lakes_get_the_same_bytes(tmp_path: Path) -> None:
    found = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        made = Scene(tmp_path / name, LakeTarget(str(tmp_path / name / "lake")))
        made.declare(CONTRACT)
        made.put_months(*QUARTER)
        made.run()
        with made.pipeline() as pipeline:
            found.append(objects(pipeline.lake.aggregated, "_quarterlake/sales/profiles/"))
    assert found[0] == found[1] != {}


def test_an_outlook_says_what_is_missing_and_is_put_only_when_that_changed(scene: Scene) -> None:
    scene.put("sales_2026-04.csv", sales("2026-04", 5))
    scene.put("sales_2026-05.csv", b"PAR1 and then nothing")
    scene.run()
    with scene.pipeline() as pipeline:
        store = pipeline.lake.aggregated
        assert newest_outlook(store, "sales")[0] == 1
        found = outlook(pipeline)
    assert period_of(found, "2026-Q1").release == "sales@2026-Q1.1"
    waiting = period_of(found, "2026-Q2")
    assert (waiting.records, waiting.landed, waiting.lacking) == (5, ("2026-04",), ("2026-05", "2026-06"))
    assert list(found.refused) == ["sales/sales_2026-05.csv"]
    assert [reject.count for reject in found.rejects] == [1]

    scene.run()
    with scene.pipeline() as pipeline:
        assert newest_outlook(pipeline.lake.aggregated, "sales")[0] == 1
    scene.put("sales_2026-06.csv", sales("2026-06", 5))
    scene.run()
    with scene.pipeline() as pipeline:
        assert newest_outlook(pipeline.lake.aggregated, "sales")[0] == 2
        assert period_of(outlook(pipeline), "2026-Q2").lacking == ("2026-05",)


def test_what_stops_a_build_is_known_until_it_passes(scene: Scene) -> None:
    bad = [(f"b{n}", "never", "north", "1.00") for n in range(20)]
    scene.put("sales_2026-02.csv", [*sales("2026-02"), *bad])
    assert scene.run().stopped == ["2026-Q1"]
    with scene.pipeline() as pipeline:
        [gate] = period_of(outlook(pipeline), "2026-Q1").stopped_by
        assert gate.gate == "reject_ratio"
        pipeline.process("sales", Wishes())
        assert period_of(outlook(pipeline), "2026-Q1").stopped_by == (gate,)

    scene.put("sales_2026-02.csv", sales("2026-02"))
    scene.run()
    with scene.pipeline() as pipeline:
        assert period_of(outlook(pipeline), "2026-Q1").stopped_by == ()


def test_a_run_that_saw_older_files_leaves_a_newer_outlook_alone(scene: Scene) -> None:
    scene.run(NOW)
    with scene.pipeline() as pipeline:
        before = outlook(pipeline)
        left = leave_outlook(
            pipeline.lake.aggregated,
            "sales",
            landing=before.landing - 1,
            completeness=(),
            records_by_month={},
            reports=(),
            settled={},
            refused={},
            drift=(),
            rejects=(),
        )
        assert not left
        assert outlook(pipeline) == before
