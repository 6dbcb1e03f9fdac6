"""What befalls a run on Spark: executors and servers killed in mid-write, full disks, identities, another Python."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from quarterlake.cleaning import clean
from quarterlake.domain.errors import (
    DiskFullError,
    EngineUnavailableError,
    StoreUnavailableError,
    UsageError,
)
from quarterlake.lake.location import open_lake
from quarterlake.lake.s3_options import S3Options
from quarterlake.processing.engines.spark_options import SparkOptions
from quarterlake.processing.engines.spark_server import find_spark, is_listening, local_server
from quarterlake.processing.engines.spark_session import JARS, server_settings
from tests.integration.conftest import LakeTarget
from tests.integration.lakes import Scene, listing, names, sales
from tests.integration.s3_server import Identity, running_s3_server
from tests.integration.test_cleaning import LATER
from tests.integration.test_spark import JAR_FOLDER, engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from quarterlake.outcomes import DatasetOutcome
    from tests.integration.s3_server import S3Server

pytestmark = pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java")
needs_jars = pytest.mark.skipif(
    len(list(JAR_FOLDER.glob("*.jar"))) < JARS, reason="the jars for S3 are not there: make spark-jars"
)

BASE = {"spark.ui.enabled": "false", "spark.sql.shuffle.partitions": "4"}
RAW = Identity("raw-id", "raw-secret-1234567890", ("Read:lake-raw", "Write:lake-raw", "List:lake-raw"))
CURATED = Identity(
    "curated-id",
    "curated-secret-1234567890",
    ("Read:lake-curated", "Write:lake-curated", "List:lake-curated"),
)
AGGREGATED = Identity(
    "aggregated-id",
    "aggregated-secret-1234567890",
    ("Read:lake-aggregated", "Write:lake-aggregated", "List:lake-aggregated"),
)
ZONES = {"raw": RAW, "curated": CURATED, "aggregated": AGGREGATED}


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> DatasetOutcome:
    """What an undisturbed run of the embedded engine gives."""
    return scene(tmp_path_factory.mktemp("undisturbed")).run()


def scene(root: Path, remote: str | None = None) -> Scene:
    """A quarter that is large enough for its writing to be caught in the act."""
    root.mkdir(exist_ok=True)
    made = Scene(root, LakeTarget(str(root / "lake")), environment=engine(remote) if remote else {})
    for month in ("2026-01", "2026-02", "2026-03"):
        made.put(
            f"sales_{month}.csv",
            [row for number in range(2_000) for row in sales(month, 20, first=1 + 20 * number)],
        )
    return made


def test_an_executor_that_is_killed_in_mid_write_changes_nothing(
    tmp_path: Path, expected: DatasetOutcome
) -> None:
    with cluster(tmp_path) as master:
        options = SparkOptions(master=master, memory="1g", environment=dict(os.environ))
        properties = {
            **BASE,
            "spark.executor.memory": "1g",
            "spark.executor.cores": "1",
            "spark.driver.host": "127.0.0.1",
        }
        with local_server(options, properties, {}, tmp_path) as remote:
            disturbed = scene(tmp_path / "disturbed", remote)
            with killing(disturbed, executors) as killed:
                outcome = disturbed.run()
    assert killed
    assert_same(outcome, expected)
    assert_nothing_is_left(disturbed, outcome)


def test_a_server_that_is_killed_in_mid_write_is_a_reason_to_run_again(
    tmp_path: Path, expected: DatasetOutcome
) -> None:
    options = SparkOptions(master="local[2]", memory="1g", environment=dict(os.environ))
    with local_server(options, BASE, {}, tmp_path) as remote:
        disturbed = scene(tmp_path / "disturbed", remote)
        with killing(disturbed, servers) as killed, pytest.raises(EngineUnavailableError, match="again"):
            disturbed.run()
    assert killed
    again = tmp_path / "again"
    again.mkdir()
    with local_server(options, BASE, {}, again) as remote:
        outcome = replace(disturbed, environment=engine(remote)).run()
    assert_same(outcome, expected)
    assert_nothing_is_left(disturbed, outcome)


def test_a_worker_whose_disk_is_full_is_a_reason_to_run_again(
    tmp_path: Path, expected: DatasetOutcome
) -> None:
    small = tmp_path / "spark" / "local"
    small.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", small], check=False, capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("mounting is not allowed here")
    try:
        options = SparkOptions(master="local[2]", memory="1g", environment=dict(os.environ))
        with local_server(options, BASE, {}, tmp_path) as remote:
            crowded = scene(tmp_path / "crowded", remote)
            with pytest.raises(DiskFullError, match="no room left"):
                crowded.run()
            subprocess.run(["mount", "-o", "remount,size=512m", small], check=True)
            outcome = crowded.run()
    finally:
        subprocess.run(["umount", "--lazy", small], check=True)
    assert_same(outcome, expected)
    assert_nothing_is_left(crowded, outcome)


def test_a_server_of_another_python_is_named(tmp_path: Path) -> None:
    other = another_python()
    if other is None:
        pytest.skip("there is no Python of another minor version here")
    options = SparkOptions(
        master="local[1]", memory="1g", environment={**os.environ, "PYSPARK_PYTHON": other, "PYTHONPATH": ""}
    )
    with local_server(options, BASE, {}, tmp_path) as remote:
        small = Scene(tmp_path, LakeTarget(str(tmp_path / "lake")), environment=engine(remote))
        small.put_months("2026-01", "2026-02", "2026-03")
        with pytest.raises(UsageError, match=r"another minor version of Python.*PYSPARK_PYTHON"):
            small.run()


@needs_jars
def test_each_zone_may_have_an_identity_that_knows_it_alone(tmp_path: Path, zoned_store: S3Server) -> None:
    embedded = zoned_scene(tmp_path / "one", zoned_store, "s3://lake-{zone}/embedded")
    options, settings = zoned_server(zoned_store, ZONES)
    with local_server(options, *settings, tmp_path) as remote:
        spark = zoned_scene(tmp_path / "other", zoned_store, "s3://lake-{zone}/spark", remote)
        outcome = spark.run()
    assert names(outcome.published) == ["sales@2026-Q1.1"]
    assert [build.id for build in outcome.builds] == [build.id for build in embedded.run().builds]


@needs_jars
@pytest.mark.parametrize(
    "wrong",
    [
        replace(CURATED, secret_access_key="not-the-secret-0987654321"),  # noqa: S106 - it is nobody's
        replace(CURATED, access_key_id="nobody"),
        RAW,
    ],
    ids=["wrong secret", "unknown key", "another zone's"],
)
def test_a_server_with_wrong_credentials_says_so_without_showing_them(
    tmp_path: Path, zoned_store: S3Server, wrong: Identity
) -> None:
    options, settings = zoned_server(zoned_store, {**ZONES, "curated": wrong})
    with local_server(options, *settings, tmp_path) as remote:
        lake = f"s3://lake-{{zone}}/{wrong.access_key_id}"
        with pytest.raises(StoreUnavailableError, match="refuses") as raised:
            zoned_scene(tmp_path / "scene", zoned_store, lake, remote).run()
        log = (tmp_path / "spark" / "server.log").read_text()
    for identity in (*ZONES.values(), wrong):
        assert identity.secret_access_key not in str(raised.value) + log


@needs_jars
def test_a_missing_bucket_is_named(tmp_path: Path, zoned_store: S3Server) -> None:
    for zone in ("raw", "curated"):
        zoned_store.create_bucket(f"bare-{zone}")
    everywhere = dict.fromkeys(ZONES, Identity(zoned_store.access_key_id, zoned_store.secret_access_key, ()))
    options, settings = zoned_server(zoned_store, everywhere, "s3://bare-{zone}")
    with local_server(options, *settings, tmp_path) as remote:
        bare = zoned_scene(tmp_path / "scene", zoned_store, "s3://bare-{zone}", remote)
        bare.environment.update(credentials(everywhere))
        with pytest.raises(StoreUnavailableError, match="bare-aggregated"):
            bare.run()


def assert_same(outcome: DatasetOutcome, expected: DatasetOutcome) -> None:
    assert names(outcome.published) == names(expected.published) == ["sales@2026-Q1.1"]
    assert [build.id for build in outcome.builds] == [build.id for build in expected.builds]
    assert outcome.entries == expected.entries


def assert_nothing_is_left(disturbed: Scene, outcome: DatasetOutcome) -> None:
    """After cleaning, no data file is there but those of the months and the releases, and nothing of a committer's."""
    with replace(disturbed, environment={}).pipeline() as pipeline:
        clean(pipeline.lake, LATER)
        found = listing(pipeline)
        assert clean(pipeline.lake, LATER) == []
    of_tables = {
        zone: {key for key, *_ in found[zone] if key.startswith("sales/") and "_delta_log/" not in key}
        for zone in ("curated", "aggregated")
    }
    months = {
        f"sales/{file.path}" for build in outcome.builds for month in build.months for file in month.files
    }
    published = {
        file.path for build in outcome.builds for aggregate in build.aggregates for file in aggregate.files
    }
    assert of_tables == {"curated": months, "aggregated": published}


@contextlib.contextmanager
def killing(disturbed: Scene, victims: Callable[[], list[psutil.Process]]) -> Iterator[list[int]]:
    """Kill the first victim once a file of a curated month has begun to be written."""
    killed: list[int] = []
    finished = threading.Event()
    staged = Path(disturbed.target.url) / "curated" / disturbed.dataset

    def watch() -> None:
        while not killed and not finished.wait(0.002):
            if not any(staged.glob("spark-*/_temporary/0/_temporary/*/*.parquet")):
                continue
            for victim in victims():
                victim.kill()
                killed.append(victim.pid)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield killed
    finally:
        finished.set()
        watcher.join()


def executors() -> list[psutil.Process]:
    return _running("CoarseGrainedExecutorBackend")[:1]


def servers() -> list[psutil.Process]:
    return _running("SparkConnectServer")


def _running(name: str) -> list[psutil.Process]:
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "java" in process.name() and any(name in part for part in process.cmdline()):
                found.append(process)
    return found


@contextlib.contextmanager
def cluster(root: Path, workers: int = 2) -> Iterator[str]:
    """A standalone master on this machine with workers of one core each; gives the master's address."""
    home = find_spark(SparkOptions())
    port, *others = free_ports(2 + 2 * workers)
    environment = {
        **os.environ,
        "SPARK_HOME": str(home),
        "SPARK_LOCAL_HOSTNAME": "localhost",
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_LOCAL_DIRS": str(root / "executors"),
    }
    master = f"spark://127.0.0.1:{port}"
    first = ["org.apache.spark.deploy.master.Master", "--host", "127.0.0.1", "--port", str(port)]
    commands = [[*first, "--webui-port", str(others.pop())]]
    commands += [
        [
            *("org.apache.spark.deploy.worker.Worker", "--host", "127.0.0.1", "--port", str(others.pop())),
            *("--webui-port", "0", "--cores", "1", "--memory", "1g"),
            *("--work-dir", str(root / f"worker-{number}"), master),
        ]
        for number in range(workers)
    ]
    with contextlib.ExitStack() as stack:
        for number, command in enumerate(commands):
            log = stack.enter_context((root / f"cluster-{number}.log").open("wb"))
            process = subprocess.Popen(
                [home / "bin" / "spark-class", *command],
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=root,
            )
            stack.callback(process.wait, 30)
            stack.callback(process.kill)
            if number == 0:
                wait_for(lambda: is_listening("127.0.0.1", port, seconds=1))
        wait_for(lambda: all("Successfully registered" in text for text in logs(root, workers)))
        yield master


def logs(root: Path, workers: int) -> list[str]:
    return [(root / f"cluster-{number}.log").read_text(errors="replace") for number in range(1, workers + 1)]


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < end
        pause.wait(0.1)


def free_ports(count: int) -> list[int]:
    from tests.integration.s3_server import _free_ports

    return _free_ports(count)


def another_python() -> str | None:
    """A Python of another minor version, which need not have anything installed."""
    minors = [minor for minor in range(10, 15) if minor != sys.version_info.minor]
    folders = sorted(Path.home().glob(".pyenv/versions/3.*/bin"))
    path = os.pathsep.join([*map(str, folders), os.environ.get("PATH", "")])
    found = [shutil.which(f"python3.{minor}", path=path) for minor in reversed(minors)]
    return next(filter(None, found), None)


@pytest.fixture(scope="module")
def zoned_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with running_s3_server(tmp_path_factory.mktemp("zones"), tuple(ZONES.values())) as server:
        for zone in ZONES:
            server.create_bucket(f"lake-{zone}")
        yield server


def zoned_scene(root: Path, store: S3Server, lake: str, remote: str | None = None) -> Scene:
    """A quarter for a lake of three buckets, each with an identity of its own."""
    root.mkdir()
    environment = {
        "AWS_ENDPOINT_URL": store.endpoint,
        **(engine(remote) if remote else {}),
        **credentials(ZONES),
    }
    made = Scene(root, LakeTarget(lake), environment=environment)
    made.put_months("2026-01", "2026-02", "2026-03")
    return made


def zoned_server(
    store: S3Server, zones: dict[str, Identity], lake: str = "s3://lake-{zone}"
) -> tuple[SparkOptions, tuple[dict[str, str], dict[str, str]]]:
    """The options, properties and secrets of a server with an identity a zone."""
    s3 = {
        zone: S3Options(store.endpoint, identity.access_key_id, identity.secret_access_key)
        for zone, identity in zones.items()
    }
    environment = {**os.environ, "AWS_ENDPOINT_URL": store.endpoint, **credentials(zones)}
    options = SparkOptions(master="local[2]", memory="1g", jars=JAR_FOLDER, environment=environment)
    with open_lake(lake, s3) as opened:
        properties, secrets = server_settings(options, opened, s3)
    return options, (properties | {"spark.sql.shuffle.partitions": "4"}, secrets)


def credentials(zones: dict[str, Identity]) -> dict[str, str]:
    found = {}
    for zone, identity in zones.items():
        found[f"QUARTERLAKE_S3_{zone.upper()}_ACCESS_KEY_ID"] = identity.access_key_id
        found[f"QUARTERLAKE_S3_{zone.upper()}_SECRET_ACCESS_KEY"] = identity.secret_access_key
    return found
