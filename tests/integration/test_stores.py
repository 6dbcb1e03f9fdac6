"""The stores keep one promise, on a folder and on a real S3 server."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import deltalake
import pyarrow as pa
import pytest
from deltalake.schema import PrimitiveType
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quarterlake.domain.errors import DiskFullError, IntegrityError, StoreUnavailableError, UsageError
from quarterlake.lake.folder import FolderStore
from quarterlake.lake.location import ZONES, Lake, open_lake
from quarterlake.lake.s3_options import S3Options, S3Patience
from quarterlake.lake.stores import checked_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from quarterlake.lake.stores import Store
    from tests.integration.conftest import LakeTarget

BAD_KEYS = [
    "", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "./a", "a/.", "a\0b", "a\nb", "a\\..\\b",
    ".scratch/a", "x" * 256, "é" * 128, "a/" * 600 + "a", "\ud800",
]  # fmt: skip

# A process of its own: it reads a line, then does what its argument says.
OPEN = """
import os, sys
from quarterlake.lake.location import open_lake
from quarterlake.lake.s3_options import S3Options
lake = open_lake(sys.argv[1], S3Options(
    endpoint=os.environ.get("AWS_ENDPOINT_URL"), access_key_id=os.environ.get("AWS_ACCESS_KEY_ID"),
    secret_access_key=os.environ.get("AWS_SECRET_ACCESS_KEY")))
"""
RACE = (
    OPEN
    + """
print("ready", flush=True)
sys.stdin.readline()
print(lake.raw.create("race", sys.argv[2].encode()), flush=True)
"""
)
WRITE_FOR_EVER = (
    OPEN
    + """
number = 0
while True:
    data = bytes([number % 251]) * 3_000_000
    lake.raw.create(f"created/{number}", data)
    path = lake.raw.scratch / "file"
    path.write_bytes(data)
    lake.raw.adopt(path, f"adopted/{number}")
    number += 1
    print(number, flush=True)
"""
)
USE_SCRATCH = (
    OPEN
    + """
(lake.raw.scratch / "unfinished").write_bytes(b"x")
print(lake.raw.scratch, flush=True)
sys.stdin.readline()
"""
)


@pytest.fixture
def lake(lake_target: LakeTarget, tmp_path: Path) -> Iterator[Lake]:
    with open_lake(lake_target.url, lake_target.options, tmp_path / "scratch") as opened:
        yield opened


@pytest.fixture
def store(lake: Lake) -> Store:
    return lake.raw


@contextlib.contextmanager
def running(target: LakeTarget, program: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", program, target.url, *arguments],
        env=os.environ | target.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def release(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def finished(store: Store, data: bytes) -> Path:
    path = store.scratch / "finished.parquet"
    path.write_bytes(data)
    return path


def test_what_was_created_is_read_back(store: Store) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)

    assert store.create("a/b.json", b"{}")

    assert store.get("a/b.json") == b"{}"
    head = store.head("a/b.json")
    assert head is not None
    assert (head.key, head.size) == ("a/b.json", 2)
    assert before < head.modified < datetime.now(UTC) + timedelta(seconds=2)


def test_nothing_is_none(store: Store) -> None:
    assert store.get("a/b") is None
    assert store.head("a/b") is None
    assert store.list("") == []
    assert store.list("a/") == []
    assert store.list_folders("") == []


def test_a_folder_is_no_object(store: Store) -> None:
    store.create("a/b/c", b"")

    assert store.get("a/b") is None
    assert store.head("a/b") is None
    assert store.get("a/b/c") == b""


def test_create_keeps_what_is_there(store: Store) -> None:
    assert store.create("a", b"first")
    assert not store.create("a", b"second")
    assert store.get("a") == b"first"


def test_of_many_threads_one_creates(store: Store) -> None:
    barrier = threading.Barrier(12)

    def create(number: int) -> bool:
        barrier.wait()
        return store.create("race", str(number).encode())

    with ThreadPoolExecutor(12) as pool:
        made = list(pool.map(create, range(12)))

    assert made.count(True) == 1
    assert store.get("race") == str(made.index(True)).encode()


def test_of_two_processes_one_creates(lake_target: LakeTarget, store: Store) -> None:
    with running(lake_target, RACE, "one") as one, running(lake_target, RACE, "two") as two:
        assert [line(one), line(two)] == ["ready", "ready"]
        release(one)
        release(two)
        made = {"one": line(one), "two": line(two)}

    assert sorted(made.values()) == ["False", "True"]
    data = store.get("race")
    assert data is not None
    assert made[data.decode()] == "True"


def test_a_killed_writer_leaves_only_whole_objects(lake_target: LakeTarget, store: Store) -> None:
    for rounds in (1, 2, 4):
        with running(lake_target, WRITE_FOR_EVER) as writer:
            for _ in range(rounds):
                line(writer)

    found = store.list("")
    assert found
    for each in found:
        data = store.get(each.key)
        number = int(each.key.rpartition("/")[2])
        assert data == bytes([number % 251]) * 3_000_000


def test_an_adopted_file_becomes_an_object(store: Store) -> None:
    data = os.urandom(20_000_000)  # more than one part of an upload
    path = finished(store, data)

    store.adopt(path, "deep/below/part.parquet")

    assert not path.exists()
    assert store.get("deep/below/part.parquet") == data


def test_adopting_keeps_what_is_there(store: Store) -> None:
    store.create("a", b"first")
    path = finished(store, b"second")

    store.adopt(path, "a")

    assert not path.exists()
    assert store.get("a") == b"first"


def test_lists_are_sorted_and_deep(store: Store) -> None:
    keys = ["b/2", "b/10", "b-1", "a/x/y/z", "b/c/1", "bb/1"]
    for key in keys:
        store.create(key, key.encode())
    assert store.scratch.exists()

    assert [each.key for each in store.list("")] == sorted(keys)
    assert [each.key for each in store.list("b/")] == ["b/10", "b/2", "b/c/1"]
    assert store.list("b/2/") == []
    assert store.list_folders("") == ["a", "b", "bb"]
    assert store.list_folders("b/") == ["c"]
    assert store.list_folders("b/2/") == []


def test_lists_are_longer_than_a_page(store: Store) -> None:
    keys = [f"many/{number:04}" for number in range(1100)]
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda key: store.create(key, b""), keys))

    assert [each.key for each in store.list("many/")] == keys

    store.delete(keys)
    assert store.list("many/") == []


def test_many_are_read_in_the_order_of_the_keys(store: Store) -> None:
    keys = [f"k/{number}" for number in range(40)]
    for key in keys:
        store.create(key, key.encode())

    assert store.get_many(keys[::-1]) == [key.encode() for key in keys[::-1]]
    assert store.get_many([]) == []
    with pytest.raises(IntegrityError, match="'k/none' is missing"):
        store.get_many([*keys, "k/none"])


def test_objects_are_local_files(store: Store) -> None:
    contents = {"a/part.parquet": os.urandom(9_000_000), "b/part.parquet": b"b", "b/empty": b""}
    for key, data in contents.items():
        store.create(key, data)

    with store.local(list(contents)) as paths:
        assert [path.read_bytes() for path in paths] == list(contents.values())
        assert [path.suffix for path in paths] == [".parquet", ".parquet", ""]

    assert list(store.scratch.iterdir()) == []
    assert store.get_many(list(contents)) == list(contents.values())


def test_a_missing_object_is_no_local_file(store: Store) -> None:
    store.create("a", b"a")

    with pytest.raises(IntegrityError, match="'none' is missing"), store.local(["a", "none"]):
        pass
    assert list(store.scratch.iterdir()) == []


def test_deleting_is_exact_and_repeatable(store: Store) -> None:
    for key in ("a/1", "a/2", "a/10"):
        store.create(key, b"")

    store.delete(["a/1", "a/none"])
    store.delete(["a/1"])
    store.delete([])

    assert [each.key for each in store.list("")] == ["a/10", "a/2"]


@pytest.mark.parametrize("key", BAD_KEYS)
def test_no_call_takes_a_key_that_leaves_the_store(store: Store, key: str) -> None:
    path = finished(store, b"")
    with pytest.raises(ValueError, match=r"key|surrogates"):
        checked_key(key)
    calls: list[Callable[[], object]] = [
        lambda: store.get(key),
        lambda: store.get_many([key]),
        lambda: store.head(key),
        lambda: store.create(key, b""),
        lambda: store.adopt(path, key),
        lambda: store.delete([key]),
        lambda: store.local([key]).__enter__(),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=r"key|surrogates"):
            call()


@pytest.mark.parametrize("prefix", ["a", "/", "../", "a/../", "a//", ".scratch/", "\0/"])
def test_no_list_takes_a_prefix_that_leaves_the_store(store: Store, prefix: str) -> None:
    for call in (store.list, store.list_folders, store.table_uri):
        with pytest.raises(ValueError, match=r"key|prefix"):
            call(prefix)


NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="/\\"),
    min_size=1,
    max_size=40,
).filter(lambda name: name not in {".", "..", ".scratch"})


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(NAMES, min_size=1, max_size=3), data=st.binary(max_size=50))
def test_a_key_that_is_taken_comes_back_as_it_was(store: Store, names: list[str], data: bytes) -> None:
    key = "/".join(["keys", *names, "end"])

    assert store.create(key, data)
    assert store.get(key) == data
    assert key in [each.key for each in store.list("keys/")]

    store.delete([key])
    assert store.get(key) is None


def test_scratch_is_ours_and_goes_with_the_lake(lake_target: LakeTarget, tmp_path: Path) -> None:
    with (
        open_lake(lake_target.url, lake_target.options, tmp_path / "s") as one,
        open_lake(lake_target.url, lake_target.options, tmp_path / "s") as two,
    ):
        places = [zone.scratch for each in (one, two) for zone in (each.raw, each.curated, each.aggregated)]
        for place in places:
            (place / "file").touch()
        assert len(set(places)) == 6
        assert one.raw.list("") == []
        assert one.raw.list_folders("") == []

    assert not any(place.exists() for place in places)


def test_a_dead_process_leaves_no_scratch(lake_target: LakeTarget, tmp_path: Path) -> None:
    temporary = dataclasses.replace(
        lake_target, environment={**lake_target.environment, "TMPDIR": str(tmp_path)}
    )
    with running(temporary, USE_SCRATCH) as alive:
        kept = tmp_path.joinpath(line(alive))
        with running(temporary, USE_SCRATCH) as killed:
            left = tmp_path.joinpath(line(killed))
        assert (left / "unfinished").exists()

        with open_lake(lake_target.url, lake_target.options, left.parent):
            assert not left.exists()
            assert (kept / "unfinished").exists()

    assert sorted(path.name for path in kept.parent.iterdir()) == sorted(
        ["lock", kept.name, f"{kept.name}.lock"]
    )


def test_delta_tables_lie_in_every_zone(lake: Lake) -> None:
    for store in (lake.raw, lake.curated, lake.aggregated):
        uri, options = store.table_uri("a table/part/"), store.table_options()
        schema = deltalake.Schema([deltalake.Field("n", PrimitiveType("long"))])
        table = deltalake.DeltaTable.create(uri, schema=schema, storage_options=options)
        deltalake.write_deltalake(table, pa.table({"n": [1, 2, 3]}), mode="append")

        again = deltalake.DeltaTable(uri, storage_options=options)
        assert again.version() == 1
        assert sum(again.to_pyarrow_table()["n"].to_pylist()) == 6
        keys = [each.key for each in store.list("a table/")]
        assert "a table/part/_delta_log/00000000000000000001.json" in keys
        assert store.list_folders("a table/") == ["part"]


def test_a_usable_store_answers(lake: Lake) -> None:
    for store in (lake.raw, lake.curated, lake.aggregated):
        store.ping()
        assert store.list("") == []


def refused(lake: Lake, path: Path, match: str, secret: str = "no such secret") -> None:  # noqa: S107
    path.write_bytes(b"x")
    store = lake.raw
    calls: list[Callable[[], object]] = [
        store.ping,
        lambda: store.get("a"),
        lambda: store.get_many(["a"]),
        lambda: store.list(""),
        lambda: store.list_folders(""),
        lambda: store.create("a", b""),
        lambda: store.adopt(path, "b"),
        lambda: store.local(["a"]).__enter__(),
        lambda: store.delete(["a"]),
    ]
    for call in calls:
        with pytest.raises(StoreUnavailableError, match=match) as raised:
            call()
        assert secret not in str(raised.value)
        assert secret not in repr(raised.value.__cause__)


def test_an_unreachable_endpoint_is_named(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound but not listening, so nobody else gets the port
        options = S3Options(f"http://127.0.0.1:{closed.getsockname()[1]}", "key", "the secret")
        with (
            open_lake("s3://lakes", options, tmp_path) as lake,
            pytest.raises(StoreUnavailableError) as raised,
        ):
            lake.raw.ping()
    assert f"Cannot use s3://lakes/raw on {options.endpoint}" in str(raised.value)
    assert "Check that the server is running" in str(raised.value)
    assert "the secret" not in str(raised.value)


def test_a_server_that_says_nothing_is_given_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        options = S3Options(
            f"http://127.0.0.1:{silent.getsockname()[1]}",
            "key",
            "the secret",
            patience=S3Patience(retry_seconds=1, silent_seconds=1),
        )
        with (
            open_lake("s3://lakes", options, tmp_path) as lake,
            pytest.raises(StoreUnavailableError, match="Check that the server is running"),
        ):
            lake.raw.ping()


def test_the_options_win_over_the_environment(
    s3_options: S3Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "other")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "other")
    with open_lake("s3://lakes/environment", s3_options, tmp_path) as lake:
        lake.raw.ping()
        table = deltalake.DeltaTable.create(
            lake.raw.table_uri("t/"),
            schema=deltalake.Schema([deltalake.Field("n", PrimitiveType("long"))]),
            storage_options=lake.raw.table_options(),
        )
        assert table.version() == 0


def test_many_threads_share_one_scratch_folder(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    barrier = threading.Barrier(8)

    def scratch(_: int) -> Path:
        barrier.wait()
        return store.scratch

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(scratch, range(8)))) == 1
    store.close()
    assert [path.name for path in (tmp_path / ".scratch").iterdir()] == ["lock"]


@pytest.mark.parametrize("wrong", ["access_key_id", "secret_access_key"])
def test_wrong_credentials_are_named_and_not_shown(s3_options: S3Options, tmp_path: Path, wrong: str) -> None:
    changed: dict[str, Any] = {wrong: "wr0ng-Secret"}
    options = dataclasses.replace(s3_options, **changed)
    with open_lake("s3://lakes", options, tmp_path / "scratch") as lake:
        refused(
            lake,
            tmp_path / "file",
            "refuses access to s3://lakes/raw .* Check AWS_ACCESS_KEY_ID",
            "wr0ng-Secret",
        )


def test_a_missing_bucket_is_named(s3_options: S3Options, tmp_path: Path) -> None:
    with open_lake("s3://nobody-made-{zone}", s3_options, tmp_path / "scratch") as lake:
        refused(lake, tmp_path / "file", "no bucket 'nobody-made-raw' on http.* Create it")


def test_a_file_is_no_folder_store(tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(b"")
    store = FolderStore(tmp_path / "raw")

    for call in (store.ping, lambda: store.create("a/b", b""), lambda: store.scratch):
        with pytest.raises(StoreUnavailableError, match="Check that it is a folder"):
            call()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the device that is always full is Linux's")  # noqa: PTH110
def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FolderStore(tmp_path)
    # The name that the store will choose for its unfinished file leads to a full device.
    monkeypatch.setattr("secrets.token_hex", lambda _: "known")
    (store.scratch / "known").symlink_to("/dev/full")

    with pytest.raises(DiskFullError, match="no room left in"):
        store.create("a", b"x" * 100_000)
    monkeypatch.undo()

    assert store.list("") == []
    assert list(store.scratch.iterdir()) == []
    store.close()


def test_options_show_no_secret() -> None:
    shown = repr(S3Options("https://s3.example", "key", "very secret", "secret token"))
    assert "secret" not in shown.replace("secret_access_key", "")


@pytest.mark.parametrize("endpoint", ["localhost:9000", "ftp://host", "https://me:secret@host"])
def test_an_endpoint_is_an_address(endpoint: str) -> None:
    with pytest.raises(UsageError, match="AWS_ENDPOINT_URL") as raised:
        S3Options(endpoint)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "raw"),
    [
        ("s3://{zone}", "s3://raw"),
        ("s3://my-{zone}-data", "s3://my-raw-data"),
        ("s3://{zone}/some/prefix/", "s3://raw/some/prefix"),
        ("s3://bucket", "s3://bucket/raw"),
        ("s3://bucket/", "s3://bucket/raw"),
        ("S3://bucket/a/b", "s3://bucket/a/b/raw"),
        ("s3://bucket/some/prefix/{zone}", "s3://bucket/some/prefix/raw"),
        ("s3://bucket/{zone}/x", "s3://bucket/raw/x"),
        ("/data/lake", "/data/lake/raw"),
        ("/data/lake/", "/data/lake/raw"),
        ("/data/{zone}/lake", "/data/raw/lake"),
        ("/data/lake-{zone}", "/data/lake-raw"),
        ("/data/100% a#b?c", "/data/100% a#b?c/raw"),
        ("file:///data/lake", "/data/lake/raw"),
        ("file://localhost/data/a%20lake/{zone}", "/data/a lake/raw"),
    ],
)
def test_a_lake_lies_where_its_url_says(url: str, raw: str, tmp_path: Path) -> None:
    with open_lake(url, S3Options("http://127.0.0.1:9", "k", "s"), tmp_path) as lake:
        stores = dict(zip(ZONES, (lake.raw, lake.curated, lake.aggregated), strict=True))
        assert lake.url == url
        for zone, store in stores.items():
            assert store.url == raw.replace("raw", zone)
            assert store.table_uri("t/") == f"{store.url}/t"


def test_a_relative_folder_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with open_lake("./lake", S3Options()) as lake:
        monkeypatch.chdir("/")
        lake.raw.create("a", b"")
    assert (tmp_path / "lake" / "raw" / "a").exists()


@pytest.mark.parametrize(
    "url",
    [
        "", "s3://", "s3:/bucket", "s3:///prefix", "s3://key:secret@bucket/x", "s3://bucket/a/../b", "s3://bucket//a",
        "gs://bucket", "http://me:secret@host/", "file://host/secret", "file:///a?b", "/a/{zone}/{zone}", "/a/{date}", "/a/{",
        "a\0b",
    ],
)  # fmt: skip
def test_other_urls_are_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Use a folder such as") as raised:
        open_lake(url, S3Options(), tmp_path)
    assert "secret" not in str(raised.value)


def test_a_lake_in_a_folder_does_not_load_the_s3_client() -> None:
    program = "import sys, quarterlake.lake.location; assert 'obstore' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
