"""What Spark says, as what a user can act on: retry, or mend something first."""

from __future__ import annotations

import pytest

from quarterlake.domain.errors import (
    DiskFullError,
    EngineUnavailableError,
    StoreUnavailableError,
    TransientError,
    UsageError,
)
from quarterlake.processing.engines.spark_faults import as_ours

LOST = "ExecutorLostFailure (executor 1 exited caused by one of the running tasks) Reason: worker lost"
NO_PYTHON = """Lost task 0.3
Error from python worker:
  python3.9: not found
org.apache.spark.SparkException: EOFException occurred while reading the port number from pyspark.daemon's stdout and terminated with code: 127."""


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        (
            "[PYTHON_VERSION_MISMATCH] Python in worker has different version: 3.12",
            UsageError,
            "PYSPARK_PYTHON",
        ),
        (
            NO_PYTHON,
            UsageError,
            "Error from python worker: python3.9: not found",
        ),
        ("ModuleNotFoundError: No module named 'quarterlake'", UsageError, "lack quarterlake"),
        ("java.io.IOException: No space left on device", DiskFullError, "no room left"),
        (
            "java.lang.RuntimeException: java.lang.ClassNotFoundException: Class org.apache.hadoop.fs.s3a.S3AFileSystem not found",
            UsageError,
            "make spark-jars",
        ),
        (
            "getFileStatus on s3a://b/x: The request signature … SignatureDoesNotMatch",
            StoreUnavailableError,
            "refuses",
        ),
        (
            "The AWS Access Key Id you provided (Service: S3, Status Code: 403)",
            StoreUnavailableError,
            "refuses",
        ),
        ("java.io.FileNotFoundException: Bucket curated does not exist", StoreUnavailableError, "bucket"),
        ("[PATH_NOT_FOUND] Path does not exist: file:/lake/x", EngineUnavailableError, "see the same store"),
        ("java.lang.OutOfMemoryError: Java heap space", EngineUnavailableError, "QUARTERLAKE_SPARK_MEMORY"),
        (
            "IllegalStateException: Cannot call methods on a stopped SparkContext.",
            EngineUnavailableError,
            "QUARTERLAKE_SPARK_MEMORY",
        ),
        (LOST, EngineUnavailableError, "did not finish its work: ExecutorLostFailure"),
    ],
)
def test_each_fault_has_its_class_and_says_what_to_do(text: str, kind: type[Exception], said: str) -> None:
    ours = as_ours(text + "\n\tat org.apache.spark.Somewhere(Somewhere.scala:1)")
    assert type(ours) is kind
    assert said in str(ours)
    assert "Somewhere.scala" not in str(ours)


def test_only_a_wrong_set_up_is_terminal() -> None:
    assert not isinstance(as_ours("No module named 'duckdb'"), TransientError)
    assert isinstance(as_ours(""), TransientError)
    assert "no message" in str(as_ours(""))


def test_a_long_message_is_cut() -> None:
    assert len(str(as_ours("x" * 100_000))) < 600
