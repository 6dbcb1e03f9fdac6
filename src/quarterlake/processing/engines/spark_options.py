"""How Spark is reached, or started."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class SparkOptions:
    """How Spark is reached, or started.

    Attributes:
        remote: `sc://host:port` of a Spark Connect server; None starts one on this machine. It may hold a token.
        master: what a server on this machine runs on, such as `local[*]` or `spark://host:7077`.
        memory: the memory of its driver, such as `2g`.
        jars: the folder with what Spark needs to read S3 (`make spark-jars`).
        spark_home: a Spark installation; None for the one that the package `pyspark` brings.
        java_home: a Java installation; None for the `java` on the path.
        environment: the environment of a server that is started here; it may hold secrets.
    """

    remote: str | None = field(default=None, repr=False)
    master: str = "local[*]"
    memory: str = "2g"
    jars: Path | None = None
    spark_home: Path | None = None
    java_home: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def shown_remote(self) -> str | None:
        """The server's address without what may be a token."""
        return self.remote.split(";")[0] if self.remote else None

    @property
    def is_cluster(self) -> bool:
        """Whether executors run elsewhere than the driver."""
        return not self.master.startswith("local")
