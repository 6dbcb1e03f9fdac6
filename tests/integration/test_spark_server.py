"""What stands between a user and Spark: Java, jars, servers, workers that die."""

from __future__ import annotations

import os
import shutil
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import psutil
import pytest

from quarterlake.domain.errors import EngineUnavailableError, UsageError
from quarterlake.lake.location import open_lake
from quarterlake.lake.s3_options import S3Options
from quarterlake.processing.engines.spark_options import SparkOptions
from quarterlake.processing.engines.spark_server import find_java, find_spark, local_server
from quarterlake.processing.engines.spark_session import open_spark, server_settings
from tests.integration.conftest import LakeTarget
from tests.integration.lakes import Scene, names, sales

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from quarterlake.lake.location import Lake

NO_S3 = dict.fromkeys(("raw", "curated", "aggregated"), S3Options())
needs_java = pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java")


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    with open_lake(str(tmp_path / "lake"), S3Options()) as opened:
        yield opened


def test_no_java_is_said_with_what_to_do(tmp_path: Path, lake: Lake) -> None:
    options = SparkOptions(java_home=tmp_path, environment=dict(os.environ))
    with pytest.raises(UsageError, match=r"needs Java 17 or 21 or 25, and there is none in .*JAVA_HOME"):
        open_spark(options, lake, NO_S3, tmp_path).__enter__()
    with pytest.raises(UsageError, match="none on the path"):
        find_java(SparkOptions(environment={"PATH": str(tmp_path)}))


def test_another_java_is_named(tmp_path: Path) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\" 2019-01-15' >&2\n")
    java.chmod(0o755)
    with pytest.raises(UsageError, match=r"bin/java is Java 11\. Set JAVA_HOME"):
        find_java(SparkOptions(java_home=tmp_path))


def test_a_folder_that_is_no_spark_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no Spark on this machine.*SPARK_REMOTE"):
        find_spark(SparkOptions(spark_home=tmp_path))


def test_a_lake_on_s3_needs_the_jars(tmp_path: Path) -> None:
    s3 = S3Options("http://127.0.0.1:1", "id", "secret")
    each = dict.fromkeys(NO_S3, s3)
    with open_lake("s3://bucket/x", s3) as lake:
        with pytest.raises(UsageError, match=r"QUARTERLAKE_SPARK_JARS is not set.*make spark-jars"):
            server_settings(SparkOptions(), lake, each)
        with pytest.raises(UsageError, match=r"holds 0 of 37.*make spark-jars"):
            server_settings(SparkOptions(jars=tmp_path), lake, each)


def test_secrets_are_named_in_the_properties_and_stand_in_the_environment(tmp_path: Path) -> None:
    for number in range(37):
        (tmp_path / f"{number}.jar").touch()
    each = {zone: S3Options("http://127.0.0.1:1", zone, f"{zone}-s3cr3t", "t0ken") for zone in NO_S3}
    with open_lake("s3://{zone}", each) as lake:
        properties, secrets = server_settings(SparkOptions(jars=tmp_path), lake, each)
    assert "s3cr3t" not in str(properties)
    assert "t0ken" not in str(properties)
    named = properties["spark.hadoop.fs.s3a.bucket.curated.secret.key"]
    assert secrets[named.removeprefix("${env.").removesuffix("}")] == "curated-s3cr3t"


def test_zones_of_one_bucket_have_one_identity(tmp_path: Path) -> None:
    each = {zone: S3Options("http://127.0.0.1:1", zone, "secret") for zone in NO_S3}
    with (
        open_lake("s3://bucket/{zone}", each) as lake,
        pytest.raises(UsageError, match="one bucket, bucket, with different credentials"),
    ):
        server_settings(SparkOptions(jars=tmp_path), lake, each)


@pytest.mark.parametrize(
    ("remote", "error", "said"),
    [
        ("sc://127.0.0.1:1", EngineUnavailableError, "No Spark Connect server answers at sc://127.0.0.1:1"),
        ("http://127.0.0.1:1", UsageError, "is no Spark Connect address"),
        ("sc://127.0.0.1:1/;token=s3cr3t", EngineUnavailableError, "No Spark Connect server answers"),
    ],
)
def test_a_server_that_is_not_there_is_named(
    tmp_path: Path, lake: Lake, remote: str, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said) as raised:
        open_spark(SparkOptions(remote=remote), lake, NO_S3, tmp_path).__enter__()
    assert "s3cr3t" not in str(raised.value)


@needs_java
def test_a_server_that_does_not_start_shows_its_log(tmp_path: Path) -> None:
    options = SparkOptions(master="nonsense", environment=dict(os.environ))
    with pytest.raises(EngineUnavailableError, match=r"did not start(.|\n)*Master must"):
        local_server(options, {}, {}, tmp_path).__enter__()


@needs_java
def test_a_worker_that_dies_has_its_files_redone_and_nothing_doubles(tmp_path: Path) -> None:
    undisturbed = scene(tmp_path / "undisturbed")
    expected = undisturbed.run()
    options = SparkOptions(master="local[2]", memory="1g", environment=dict(os.environ))
    with local_server(options, {"spark.ui.enabled": "false"}, {}, tmp_path) as remote:
        disturbed = replace(
            scene(tmp_path / "disturbed"), environment={"QUARTERLAKE_ENGINE": "spark", "SPARK_REMOTE": remote}
        )
        killed: list[int] = []
        finished = threading.Event()
        killer = threading.Thread(target=kill_a_worker, args=(killed, finished))
        killer.start()
        try:
            outcome = disturbed.run()
        finally:
            finished.set()
            killer.join()
    assert killed
    assert names(outcome.published) == names(expected.published) == ["sales@2026-Q1.1"]
    assert [build.id for build in outcome.builds] == [build.id for build in expected.builds]
    assert outcome.entries == expected.entries


def scene(root: Path) -> Scene:
    root.mkdir()
    made = Scene(root, LakeTarget(str(root / "lake")))
    for month in ("2026-01", "2026-02", "2026-03"):
        rows = [row for number in range(2_000) for row in sales(month, 20, first=1 + 20 * number)]
        made.put(f"sales_{month}.csv", rows)
    return made


def kill_a_worker(killed: list[int], finished: threading.Event) -> None:
    """Kill the first Python worker that is seen to have worked for a moment."""
    while not killed and not finished.wait(0.02):
        for process in psutil.Process().children(recursive=True):
            try:
                parent = process.parent()
                is_worker = parent is not None and "pyspark.daemon" in " ".join(parent.cmdline())
                if is_worker and sum(process.cpu_times()[:2]) > 0.2:
                    process.kill()
                    killed.append(process.pid)
                    break
            except psutil.Error:
                continue
