"""What lands, what does not and why."""

from __future__ import annotations

import hashlib
import os
import socket
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from quarterlake.domain.errors import UsageError
from quarterlake.domain.landings import Manifest, resolve
from quarterlake.domain.progress import Silence
from quarterlake.ingestion.land import IngestReport, Landing
from quarterlake.ingestion.seen import Seen
from quarterlake.lake import documents, keys
from quarterlake.lake.folder import FolderStore
from quarterlake.lake.location import open_lake
from quarterlake.lake.s3_options import S3Options
from tests.integration.lakes import csv_text, sales

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quarterlake.lake.stores import Store
    from tests.integration.conftest import LakeTarget

NOW = datetime(2026, 5, 3, 9, tzinfo=UTC)
YEAR = 365 * 86_400


@dataclass
class Dock:
    """A source folder and the store that it lands in."""

    root: Path
    raw: Store

    @property
    def source(self) -> Path:
        return self.root / "source"

    def put(self, name: str | bytes, content: bytes = b"a,b\n1,2\n", *, settled: bool = False) -> Path:
        path = Path(os.fsdecode(os.path.join(os.fsencode(self.source), os.fsencode(name))))  # noqa: PTH118 - bytes
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        if settled:
            os.utime(path, (time.time() - YEAR, time.time() - YEAR))
        return path

    def ingest(
        self,
        *,
        archive: Path | None = None,
        cache: Path | None = None,
        seen: Seen | None = None,
        quiet_seconds: int = 0,
    ) -> IngestReport:
        memory = seen or Seen(self.source, cache)
        landing = Landing(self.raw, memory, Silence(), NOW, archive, quiet_seconds=quiet_seconds)
        return landing.ingest(self.source)

    def manifests(self, dataset: str) -> list[Manifest]:
        return documents.read_all(self.raw, keys.manifests(dataset), Manifest)


@pytest.fixture
def dock(tmp_path: Path) -> Iterator[Dock]:
    raw = FolderStore(tmp_path / "raw")
    (tmp_path / "source").mkdir()
    yield Dock(tmp_path, raw)
    raw.close()


def sources(report: IngestReport) -> list[str]:
    return [manifest.source for manifest in report.landed]


def test_the_exact_bytes_land_with_their_hash(lake_target: LakeTarget, tmp_path: Path) -> None:
    content = b"\xff\x00 anything\r\n\x1a" * 100_000
    with open_lake(lake_target.url, lake_target.options, tmp_path / "scratch") as lake:
        dock = Dock(tmp_path, lake.raw)
        dock.put("orders/orders_2026-01.csv", content)
        [manifest] = dock.ingest().landed
        assert manifest.sha256 == hashlib.sha256(content).hexdigest()
        assert (manifest.size, manifest.sequence, manifest.dataset) == (len(content), 1, "orders")
        assert lake.raw.get(manifest.key) == content
        assert dock.manifests("orders") == [manifest]


def test_a_second_run_lands_nothing(dock: Dock) -> None:
    dock.put("orders/a.csv")
    dock.ingest()
    before = dock.raw.list("")
    again = dock.ingest()
    assert (again.landed, again.unchanged) == ([], 1)
    assert dock.raw.list("") == before


def test_a_correction_follows_and_equal_bytes_are_a_duplicate(dock: Dock) -> None:
    dock.put("orders/a.csv", b"a\n1\n")
    dock.put("orders/b.csv", b"a\n1\n")
    first = dock.ingest()
    assert first.duplicates == {"orders/b.csv": "orders/a.csv"}
    dock.put("orders/a.csv", b"a\n2\n")
    second = dock.ingest()
    assert second.corrections == {"orders/a.csv": hashlib.sha256(b"a\n1\n").hexdigest()}
    live = [landing.manifest.sequence for landing in resolve(dock.manifests("orders")) if landing.is_live]
    assert live == [2, 3]


@pytest.mark.parametrize("name", [".hidden.csv", "a.csv.part", "a.csv.tmp", "A.CSV.PART", ".folder/a.csv"])
def test_unfinished_names_are_skipped_and_said(dock: Dock, name: str) -> None:
    dock.put(f"orders/{name}")
    report = dock.ingest()
    assert report.landed == []
    assert list(report.skipped) == [f"orders/{name.partition('/')[0]}"]


def test_what_is_no_file_inside_the_source_is_refused_and_named(dock: Dock, tmp_path: Path) -> None:
    folder = dock.put("orders/good.csv").parent
    secret = tmp_path / "secret.csv"
    secret.write_bytes(b"outside\n")
    (folder / "out.csv").symlink_to(secret)
    (folder / "out-relative.csv").symlink_to("../../secret.csv")
    (folder / "dangling.csv").symlink_to("nothing")
    (folder / "round.csv").symlink_to("round.csv")
    (folder / "links").symlink_to(folder)
    (folder / "elsewhere").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe.csv")
    with socket.socket(socket.AF_UNIX) as listening:
        # A socket's path is limited to about a hundred bytes.
        place = os.open(folder, os.O_RDONLY)
        listening.bind(f"/proc/self/fd/{place}/socket.csv")
        os.close(place)
        report = dock.ingest()
    assert sources(report) == ["orders/good.csv"]
    names = ("dangling.csv", "elsewhere", "links", "out-relative.csv", "out.csv", "pipe.csv", "round.csv")
    assert sorted(report.refused) == sorted(f"orders/{name}" for name in (*names, "socket.csv"))
    assert "out of the source folder" in report.refused["orders/out.csv"]
    assert "leads nowhere" in report.refused["orders/dangling.csv"]
    assert "pipe" in report.refused["orders/pipe.csv"]
    assert not [item for item in dock.raw.list("") if dock.raw.get(item.key) == b"outside\n"]


def test_a_link_to_a_file_inside_is_taken(dock: Dock) -> None:
    dock.put("orders/z.csv", b"a\n1\n")
    (dock.source / "orders/a.csv").symlink_to("z.csv")
    report = dock.ingest()
    assert sources(report) == ["orders/a.csv", "orders/z.csv"]
    assert report.duplicates == {"orders/z.csv": "orders/a.csv"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read_is_refused_and_the_others_land(dock: Dock) -> None:
    dock.put("orders/closed.csv").chmod(0)
    dock.put("orders/open.csv")
    report = dock.ingest()
    assert sources(report) == ["orders/open.csv"]
    assert "Permission denied" in report.refused["orders/closed.csv"]


class WritingWhileHashing(Seen):
    """A memory that appends to the file after it was opened to land; it is asked once before that, ahead of the copy."""

    def __init__(self, root: Path, victim: Path) -> None:
        super().__init__(root, None)
        self._victim = victim
        self._asked = 0

    def sha256(self, source: str, status: os.stat_result) -> str | None:
        self._asked += 1
        if self._asked == 1:
            return super().sha256(source, status)
        with self._victim.open("ab") as file:
            file.write(b"9,9\n")
        return super().sha256(source, status)


def lands_next_time(dock: Dock, path: Path, first: IngestReport) -> None:
    assert (first.landed, first.unfinished) == ([], ["orders/a.csv"])
    assert list(dock.raw.scratch.iterdir()) == []
    [manifest] = dock.ingest().landed
    assert dock.raw.get(manifest.key) == path.read_bytes() == b"a,b\n1,2\n9,9\n"


def test_a_file_that_changes_before_it_is_hashed_lands_next_time(dock: Dock) -> None:
    path = dock.put("orders/a.csv")
    lands_next_time(dock, path, dock.ingest(seen=WritingWhileHashing(dock.source, path)))


@pytest.mark.parametrize("is_size_known", [False, True])
def test_a_file_that_changes_while_it_is_copied_lands_next_time(
    dock: Dock, monkeypatch: pytest.MonkeyPatch, *, is_size_known: bool
) -> None:
    if is_size_known:  # then it is hashed before it is copied
        dock.put("orders/other.csv", b"a,b\n3,4\n")
        dock.ingest()
    path = dock.put("orders/a.csv")
    begin_copy = tempfile.mkstemp
    one_copier = threading.Lock()  # the other file may be copied at the same time

    def append_and_begin(**options: Any) -> tuple[int, str]:
        with one_copier:
            if path.stat().st_size < len(b"a,b\n1,2\n9,9\n"):
                with path.open("ab") as file:
                    file.write(b"9,9\n")
        return begin_copy(**options)

    monkeypatch.setattr("quarterlake.ingestion.copies.tempfile.mkstemp", append_and_begin)
    lands_next_time(dock, path, dock.ingest())


@pytest.mark.parametrize(
    "name",
    [
        "with space.csv",
        "\u00fcml\u00e4ut \u65e5\u672c \U0001f600.csv",
        'it\'s "q".csv',
        "new\nline.csv",
        "a\\b.csv",
        "%41.csv",
        "x" * 251 + ".csv",
    ],
)
def test_any_name_lands(dock: Dock, name: str) -> None:
    dock.put(f"orders/{name}")
    [manifest] = dock.ingest().landed
    assert manifest.source == f"orders/{name}"
    assert dock.raw.get(manifest.key) == b"a,b\n1,2\n"
    assert dock.ingest().landed == []


def test_a_name_that_is_not_utf_8_is_refused_in_a_form_that_prints(dock: Dock) -> None:
    try:
        dock.put(b"orders/\xff.csv")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    dock.put("orders/good.csv")
    report = dock.ingest()
    assert sources(report) == ["orders/good.csv"]
    [(shown, reason)] = report.refused.items()
    assert shown.encode()
    assert "UTF-8" in reason


def test_two_folders_that_give_one_data_set_are_refused(dock: Dock) -> None:
    dock.put("Orders/a.csv", b"1")
    dock.put("orders/b.csv", b"2")
    dock.put("weather/c.csv", b"3")
    report = dock.ingest()
    assert sources(report) == ["weather/c.csv"]
    assert sorted(report.refused) == ["Orders/a.csv", "orders/b.csv"]
    assert all("Orders and orders" in reason for reason in report.refused.values())


def test_landed_files_move_to_the_archive_which_keeps_what_it_has(dock: Dock, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    contents = [b"first", b"second", b"third"]
    for content in contents:
        dock.put("orders/a.csv", content)
        dock.ingest(archive=archive)
    assert not (dock.source / "orders/a.csv").exists()
    assert sorted(path.read_bytes() for path in (archive / "orders").iterdir()) == sorted(contents)


def test_a_refused_file_stays_out_of_the_archive(dock: Dock, tmp_path: Path) -> None:
    dock.put("orders/a.csv.part")
    dock.ingest(archive=tmp_path / "archive")
    assert (dock.source / "orders/a.csv.part").exists()
    assert not (tmp_path / "archive").exists()


def test_an_archived_link_takes_no_other_file_away(dock: Dock, tmp_path: Path) -> None:
    dock.put("orders/z.csv", b"a\n1\n")
    (dock.source / "orders/a.csv").symlink_to("z.csv")
    report = dock.ingest(archive=tmp_path / "archive")
    assert report.refused == {}
    assert sources(report) == ["orders/a.csv", "orders/z.csv"]


def test_an_archive_inside_the_source_is_refused_before_anything_lands(dock: Dock) -> None:
    dock.put("orders/a.csv")
    with pytest.raises(UsageError, match="archive"):
        dock.ingest(archive=dock.source / "archive")
    assert dock.raw.list("") == []


def test_an_archive_that_cannot_be_used_is_an_error_that_names_it(dock: Dock, tmp_path: Path) -> None:
    from quarterlake.domain.errors import QuarterlakeError

    dock.put("orders/a.csv")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(QuarterlakeError, match="file"):
        dock.ingest(archive=tmp_path / "file")


def test_a_lake_inside_the_source_does_not_eat_itself(tmp_path: Path) -> None:
    source = tmp_path / "source"
    with open_lake(str(source / "lake"), S3Options()) as lake:
        dock = Dock(tmp_path, lake.raw)
        dock.put("orders/a.csv")
        dock.ingest()
        assert sources(dock.ingest()) == []


def test_changed_bytes_under_an_old_time_are_noticed(
    dock: Dock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What has just been written is remembered at once, so that nothing but the times tells the bytes apart.
    monkeypatch.setattr("quarterlake.ingestion.seen._SETTLED_NS", -YEAR * 10**9)
    cache = tmp_path / "cache"
    path = dock.put("orders/a.csv", b"a\n1\n")
    stamp = path.stat()
    dock.ingest(cache=cache)
    assert Seen(dock.source, cache).sha256("orders/a.csv", stamp) is not None
    while path.stat().st_ctime_ns == stamp.st_ctime_ns:
        path.write_bytes(b"a\n2\n")
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert sources(dock.ingest(cache=cache)) == ["orders/a.csv"]


def test_losing_or_breaking_the_memory_lands_nothing_new(dock: Dock, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    dock.put("orders/a.csv")
    dock.ingest(cache=cache)
    seen = Seen(dock.source, cache)
    seen.remember("orders/other.csv", Path(sys.executable).stat(), "0" * 64)
    seen.save()
    [memory] = cache.iterdir()
    memory.write_bytes(b'{"orders/a.csv": [')
    assert dock.ingest(cache=cache).landed == []
    memory.unlink()
    assert dock.ingest(cache=cache).landed == []


def test_a_memory_that_is_wrong_lands_no_wrong_hash(dock: Dock) -> None:
    path = dock.put("orders/a.csv")

    class Wrong(Seen):
        def sha256(self, source: str, status: os.stat_result) -> str | None:
            return super().sha256(source, status) or "0" * 64

    report = dock.ingest(seen=Wrong(dock.source, None))
    assert (report.landed, report.unfinished) == ([], ["orders/a.csv"])
    assert path.exists()


def test_an_empty_source_is_no_error_and_a_missing_one_is(dock: Dock) -> None:
    report = dock.ingest()
    assert (report.landed, report.unchanged) == ([], 0)
    dock.source.rmdir()
    with pytest.raises(UsageError, match="is not a folder"):
        dock.ingest()


def test_two_thousand_small_files_land_once(dock: Dock) -> None:
    for number in range(2_000):
        dock.put(f"orders/{number:04d}.csv", b"%d" % number)
    assert [manifest.sequence for manifest in dock.ingest().landed] == list(range(1, 2_001))
    assert dock.ingest().unchanged == 2_000


def test_concurrent_landings_number_without_gap_or_repetition(dock: Dock) -> None:
    for number in range(40):
        dock.put(f"orders/{number:02d}.csv", csv_text(sales("2026-01", 5, first=number)))
    failures: list[BaseException] = []
    start = threading.Barrier(3)

    def land() -> None:
        raw = FolderStore(dock.root / "raw")
        try:
            start.wait()
            Landing(raw, Seen(dock.source, None), Silence(), NOW).ingest(dock.source)
        except BaseException as failure:  # noqa: BLE001 - whatever it is, the test tells
            failures.append(failure)
        finally:
            raw.close()

    threads = [threading.Thread(target=land) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    landings = resolve(dock.manifests("orders"))
    assert [each.manifest.sequence for each in landings] == list(range(1, len(landings) + 1))
    assert sum(each.is_live for each in landings) == 40
    assert dock.ingest().landed == []


def test_a_file_that_may_still_be_growing_waits_for_the_next_run(dock: Dock) -> None:
    dock.put("orders/a.csv", settled=True)
    growing = dock.put("orders/b.csv")
    ahead = dock.put("orders/c.csv", b"a,b\n5,6\n")
    os.utime(ahead, (time.time() + YEAR, time.time() + YEAR))
    report = dock.ingest(quiet_seconds=3600)
    assert [m.source for m in report.landed] == ["orders/a.csv", "orders/c.csv"]
    assert report.unfinished == ["orders/b.csv"]
    growing.write_bytes(b"a,b\n1,2\n3,4\n")
    os.utime(growing, (time.time() - 3601, time.time() - 3601))
    report = dock.ingest(quiet_seconds=3600)
    assert [m.source for m in report.landed] == ["orders/b.csv"]
    assert (report.unfinished, report.corrections) == ([], {})
