"""Cleaning takes what came to nothing, and never what anything refers to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from deltalake import DeltaTable
from hypothesis import given
from hypothesis import strategies as st

from quarterlake.cleaning import clean, orphans
from quarterlake.cli.clean import duration
from quarterlake.domain.errors import UsageError
from quarterlake.lake import keys
from quarterlake.lake.stores import StoredObject
from quarterlake.outcomes import Wishes
from quarterlake.publishing.releases import releases_of
from quarterlake.publishing.verify import verify
from tests.integration.lakes import ZONES, Scene, listing, names, sales

if TYPE_CHECKING:
    from quarterlake.lake.stores import Store
    from quarterlake.pipeline import Pipeline
    from tests.integration.conftest import LakeTarget

LATER = datetime.now(UTC) + timedelta(days=1)
EARLIER = datetime(2000, 1, 1, tzinfo=UTC)


@pytest.fixture
def scene(tmp_path: object, lake_target: LakeTarget) -> Scene:
    from pathlib import Path

    made = Scene(Path(str(tmp_path)), lake_target)
    made.put_months("2026-01", "2026-02", "2026-03")
    return made


def test_leftovers_go_and_everything_else_stays(scene: Scene) -> None:
    assert names(scene.run().published) == ["sales@2026-Q1.1"]
    scene.put("sales_2026-02.csv", sales("2026-02", 12))
    assert names(scene.run().published) == ["sales@2026-Q1.2"]
    with scene.pipeline() as pipeline:
        lake = pipeline.lake
        assert [item.kind for item in clean(lake, LATER)] == ["outlook that was replaced"]
        whole = listing(pipeline)
        leave(lake.raw, "sales/2026-05/0123-cut.csv")
        leave(lake.curated, "sales/_month=2026-01/staged.parquet")
        leave(lake.curated, "sales/spark-1/part-00000-x.parquet", "sales/spark-1/_SUCCESS")
        leave(lake.curated, "sales/spark-2/_temporary/0/task/part-1.parquet", "sales/spark-2/__magic_job/x")
        leave(lake.curated, keys.parsed("sales", "0" * 32, "parquet"))
        leave(lake.aggregated, "sales/summary/2026-Q1-dead/part-00000-y.parquet")

        assert clean(lake, EARLIER) == []
        foreseen = clean(lake, LATER, dry_run=True)
        removed = clean(lake, LATER)

        assert foreseen == removed
        assert len(removed) == 8
        assert listing(pipeline) == whole
        assert clean(lake, LATER) == []
        all_is_well(pipeline)
    assert scene.run().published == []


def test_a_build_whose_records_have_changed_goes_and_one_that_waits_stays(scene: Scene) -> None:
    with scene.pipeline() as pipeline:
        pipeline.ingest(scene.source)
        pipeline.process("sales", Wishes())
        waiting = builds(pipeline)
        assert len(waiting) == 1
        assert clean(pipeline.lake, LATER) == []
        scene.put("sales_2026-01.csv", sales("2026-01", 9))
        pipeline.ingest(scene.source)
    with scene.pipeline() as pipeline:
        pipeline.process("sales", Wishes())
        assert len(builds(pipeline)) == 2

        kinds = {item.kind for item in clean(pipeline.lake, LATER)}

        assert {"build that came to nothing", "aggregate that was not published"} <= kinds
        assert len(builds(pipeline)) == 1
        assert builds(pipeline) != waiting
    assert names(scene.run().published) == ["sales@2026-Q1.1"]
    with scene.pipeline() as pipeline:
        all_is_well(pipeline)


@given(
    st.sets(st.text("abc", min_size=1), max_size=8), st.sets(st.text("abc", min_size=1)), st.integers(0, 3)
)
def test_what_is_referred_to_or_young_is_no_orphan(found: set[str], referred: set[str], hour: int) -> None:
    limit = datetime(2026, 1, 1, hour, tzinfo=UTC)
    listed = [
        StoredObject(key, 1, datetime(2026, 1, 1, number % 4, tzinfo=UTC))
        for number, key in enumerate(sorted(found))
    ]
    gone = orphans(listed, referred, limit)
    assert all(item.key not in referred and item.modified < limit for item in gone)
    assert all(item in gone or item.key in referred or item.modified >= limit for item in listed)


def test_ages_are_read_and_others_refused() -> None:
    assert duration("90m") == timedelta(minutes=90)
    assert duration("7d") == timedelta(days=7)
    for wrong in ("", "7", "d", "-1h", "1w", "1.5h"):
        with pytest.raises(UsageError, match="no duration"):
            duration(wrong)


def leave(store: Store, *left: str) -> None:
    for key in left:
        assert store.create(key, b"half")


def builds(pipeline: Pipeline) -> list[str]:
    return [item.key for item in pipeline.lake.aggregated.list(keys.ours("sales", "builds"))]


def all_is_well(pipeline: Pipeline) -> None:
    """Every release verifies, every version of every table opens."""
    lake = pipeline.lake
    for release in releases_of(lake.aggregated, "sales"):
        assert all(file.holds for file in verify(lake, release))
    for store, prefix in ((lake.curated, "sales"), (lake.aggregated, "sales/summary")):
        options = store.table_options() or None
        newest = DeltaTable(store.table_uri(f"{prefix}/"), storage_options=options).version()
        for version in range(newest + 1):
            table = DeltaTable(store.table_uri(f"{prefix}/"), version=version, storage_options=options)
            assert table.to_pyarrow_table().num_rows >= 0
    assert set(ZONES) == set(listing(pipeline))
