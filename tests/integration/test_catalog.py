"""The catalog of releases: what it knows, how it follows the store, and what it does when that misbehaves."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from quarterlake.delivery.catalog import Catalog
from quarterlake.domain.errors import (
    StoreUnavailableError,
    UnknownDatasetError,
    UnknownReleaseError,
    UsageError,
)
from quarterlake.domain.outlooks import Outlook
from quarterlake.domain.quality import QualityReport
from quarterlake.lake import keys
from quarterlake.lake.folder import FolderStore
from tests.integration.conftest import LakeTarget
from tests.integration.lakes import Scene, sales
from tests.integration.test_delivery import eventually
from tests.integration.test_service import QUARTER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LATER = datetime(2026, 8, 3, 9, tzinfo=UTC)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    made = Scene(tmp_path, LakeTarget(str(tmp_path / "lake")))
    made.put_months(*QUARTER)
    made.run()
    made.put("sales_2026-02.csv", sales("2026-02", 30))
    made.run()
    made.put_months("2026-04", "2026-05", "2026-06")
    made.run(LATER)
    return made


@pytest.fixture
def zone(scene: Scene) -> Path:
    return scene.root / "lake" / "aggregated"


@pytest.fixture
def catalog(zone: Path) -> Iterator[Catalog]:
    made = Catalog(FolderStore(zone))
    made.refresh()
    yield made
    made.close()


def test_releases_are_found_by_name_by_period_and_as_the_latest(catalog: Catalog) -> None:
    assert catalog.datasets() == ["sales"]
    names = [release.name for release in catalog.releases("sales")]
    assert names == ["sales@2026-Q1.1", "sales@2026-Q1.2", "sales@2026-Q2.1"]
    assert catalog.latest("sales").name == "sales@2026-Q2.1"
    assert catalog.latest("sales", "2026-q1").name == "sales@2026-Q1.2"
    assert [catalog.is_current(catalog.find(name)) for name in names] == [False, True, True]
    before = [catalog.previous(catalog.find(name)) for name in names]
    assert [release and release.name for release in before] == [None, "sales@2026-Q1.1", "sales@2026-Q1.2"]


def test_what_is_not_there_is_answered_with_what_is(catalog: Catalog) -> None:
    with pytest.raises(UnknownDatasetError, match="There are: sales"):
        catalog.releases("orders")
    with pytest.raises(UnknownReleaseError, match=r"latest of sales: .*sales@2026-Q2\.1"):
        catalog.find("sales@2026-Q1.9")
    with pytest.raises(UnknownReleaseError, match="It has: 2026-Q2, 2026-Q1"):
        catalog.latest("sales", "2027-Q1")
    for wrong in ("../sales", "SALES", "", "a\0b", "a" * 300):
        with pytest.raises(UsageError):
            catalog.releases(wrong)
        with pytest.raises(UsageError):
            catalog.find(f"{wrong}@2026-Q1.1")
    with pytest.raises(UsageError):
        catalog.latest("sales", "soon")


def test_a_record_that_does_not_read_hides_no_other(catalog: Catalog, zone: Path) -> None:
    record = zone / keys.release("sales", "2026-Q1", 2)
    content = record.read_bytes()
    fresh = Catalog(FolderStore(zone))
    record.unlink()
    record.write_bytes(content[:100])
    fresh.refresh()
    assert [release.name for release in fresh.releases("sales")] == ["sales@2026-Q1.1", "sales@2026-Q2.1"]
    assert "is not the document that was written there" in (fresh.problem() or "")
    record.write_bytes(content)
    fresh.refresh()
    assert (len(fresh.releases("sales")), fresh.problem()) == (3, None)
    fresh.close()
    assert len(catalog.releases("sales")) == 3


def test_a_release_that_was_dropped_is_forgotten(catalog: Catalog, zone: Path) -> None:
    (zone / keys.release("sales", "2026-Q1", 1)).unlink()
    catalog.refresh()
    with pytest.raises(UnknownReleaseError):
        catalog.find("sales@2026-Q1.1")


def test_an_empty_disk_is_no_empty_lake(catalog: Catalog, zone: Path) -> None:
    zone.rename(zone.with_name("elsewhere"))
    with pytest.raises(StoreUnavailableError, match="Is it mounted"):
        catalog.refresh()
    assert len(catalog.releases("sales")) == 3


def test_before_the_first_look_nothing_is_said_to_be_absent(zone: Path) -> None:
    unread = Catalog(FolderStore(zone))
    assert unread.problem() is not None
    with pytest.raises(StoreUnavailableError):
        unread.datasets()
    with pytest.raises(StoreUnavailableError):
        unread.find("sales@2026-Q1.1")
    unread.start()
    eventually(lambda: unread.problem() is None)
    assert unread.size == 3
    unread.close()


class Meeting(FolderStore):
    """A store in which readers wait a moment for one another; `most` is how many met."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._met = threading.Condition()
        self._inside = self.most = 0

    def get(self, key: str) -> bytes | None:
        """See Store."""
        with self._met:
            self._inside += 1
            self.most = max(self.most, self._inside)
            self._met.notify_all()
            self._met.wait_for(lambda: self.most > 1, 5)
            self._inside -= 1
        return super().get(key)


def test_many_records_are_read_side_by_side(zone: Path) -> None:
    store = Meeting(zone)
    catalog = Catalog(store)
    catalog.refresh()
    catalog.close()
    assert catalog.size == 3
    assert store.most > 1


class Hanging(FolderStore):
    """A store that lists nothing before it `may`; `asked` says that it was asked to."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.asked, self.may = threading.Event(), threading.Event()

    def list_folders(self, prefix: str) -> list[str]:
        """See Store."""
        self.asked.set()
        assert self.may.wait(60)
        return super().list_folders(prefix)


def test_a_process_that_stood_still_does_not_take_its_store_for_away(zone: Path) -> None:
    """The last look is as old as that at a store that hangs, but nobody waits for an answer."""
    store, now = Hanging(zone), [1000.0]
    catalog = Catalog(store, lambda: now[0])
    store.may.set()
    catalog.refresh()
    now[0] += 60
    catalog.check_store()
    store.may.clear()
    store.asked.clear()
    looking = threading.Thread(target=catalog.refresh)
    looking.start()
    assert store.asked.wait(60)
    with pytest.raises(StoreUnavailableError, match="has not answered for 60 s"):
        catalog.check_store()
    store.may.set()
    looking.join()
    catalog.check_store()
    catalog.close()


def test_of_several_newest_documents_one_that_does_not_read_hides_no_other(
    catalog: Catalog, zone: Path
) -> None:
    outlooks = keys.ours("sales", "outlooks")
    broken = zone / keys.ours("broken", "outlooks") / "00000001.json"
    broken.parent.mkdir(parents=True)
    broken.write_text("{")
    prefixes = [broken.parent.relative_to(zone).as_posix() + "/", outlooks, keys.ours("none", "outlooks")]
    found = catalog.newest_of(prefixes, Outlook)
    assert found == [None, catalog.newest(outlooks, Outlook), None]
    assert found[1] is not None


def test_documents_are_read_once_and_the_newest_is_found(catalog: Catalog, zone: Path) -> None:
    folder = zone / keys.ours("sales", "quality")
    [first, *_] = sorted(folder.iterdir())
    key = first.relative_to(zone).as_posix()
    found = catalog.document(key, QualityReport)
    assert found is not None
    first.unlink()
    assert catalog.document(key, QualityReport) is found
    newest = catalog.newest(keys.ours("sales", "quality"), QualityReport)
    assert newest is not None
    assert catalog.newest(keys.ours("none", "quality"), QualityReport) is None
    assert catalog.document(f"{key}x", QualityReport) is None
