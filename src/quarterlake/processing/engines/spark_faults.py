"""Spark's exceptions as quarterlake's."""

from __future__ import annotations

import re
from contextlib import contextmanager
from itertools import takewhile
from typing import TYPE_CHECKING

from quarterlake.domain.errors import (
    DiskFullError,
    EngineUnavailableError,
    QuarterlakeError,
    StoreUnavailableError,
    UsageError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_AGAIN = "Run the same command again when that is mended; it goes on where it stopped."
_RULES: tuple[tuple[str, type[QuarterlakeError], str], ...] = (
    (
        r"PYTHON_VERSION_MISMATCH",
        UsageError,
        "Spark's workers run another minor version of Python than this one. Set the server's PYSPARK_PYTHON to the same version.",
    ),
    (
        r"pyspark\.daemon's stdout and terminated with code: 12[67]",
        UsageError,
        "Spark's workers cannot start Python. Set the server's PYSPARK_PYTHON to one of this one's minor version that has quarterlake.",
    ),
    (
        r"No module named '(?:quarterlake|duckdb|obstore|msgspec|pyarrow)",
        UsageError,
        "Spark's workers lack quarterlake. Install the same version of it into the Python that the server's PYSPARK_PYTHON names.",
    ),
    (
        r"No space left on device|Disk quota exceeded",
        DiskFullError,
        f"A disk of Spark's has no room left. {_AGAIN}",
    ),
    (
        r"ClassNotFoundException: Class org\.apache\.hadoop\.fs\.s3a|No FileSystem for scheme \"s3a\"",
        UsageError,
        "The Spark server cannot read S3: it lacks the jars. Run `make spark-jars` and put them on its class path.",
    ),
    (
        r"InvalidAccessKeyId|SignatureDoesNotMatch|AccessDenied|Status Code: 40[13]|Forbidden",
        StoreUnavailableError,
        f"The object store refuses Spark's credentials. Check those of the server's environment. {_AGAIN}",
    ),
    (
        r"NoSuchBucket|Bucket .{1,80} does not exist",
        StoreUnavailableError,
        f"A bucket of the lake does not exist. {_AGAIN}",
    ),
    (
        r"Path does not exist|PATH_NOT_FOUND|FileNotFoundException",
        EngineUnavailableError,
        f"Spark does not find a file of the lake: does its server see the same store or folder? {_AGAIN}",
    ),
    (
        r"stopped SparkContext|SparkContext (?:was|has been) (?:shut ?down|stopped)",
        EngineUnavailableError,
        f"The Spark server stopped while it worked, perhaps for want of memory: its log says. Raise QUARTERLAKE_SPARK_MEMORY if so. {_AGAIN}",
    ),
    (
        r"OutOfMemoryError",
        EngineUnavailableError,
        f"The Spark server ran out of memory. Raise QUARTERLAKE_SPARK_MEMORY. {_AGAIN}",
    ),
)


@contextmanager
def spark_faults() -> Iterator[None]:
    """Raise an error of ours for what Spark raises while it works; ours pass."""
    from grpc import RpcError
    from pyspark.errors import PySparkException

    try:
        yield
    except (PySparkException, RpcError) as fault:
        raise as_ours(str(fault)) from fault


def as_ours(text: str) -> QuarterlakeError:
    """The error of ours for the text of one of Spark's."""
    for pattern, kind, message in _RULES:
        if re.search(pattern, text):
            return kind(f"{message} ({_gist(text)})")
    return EngineUnavailableError(f"Spark did not finish its work: {_gist(text)}. {_AGAIN}")


def _gist(text: str) -> str:
    """The first lines, since Spark's first alone often names no cause; none of the stack."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = list(takewhile(lambda line: not line.startswith("at "), lines))
    return " ".join(told[:3])[:400] or "no message"
