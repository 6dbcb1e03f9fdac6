"""A session with Spark: at a server that runs, or one that is started here, configured for the lake."""

from __future__ import annotations

import contextlib
import re
import warnings
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from quarterlake.domain.errors import EngineUnavailableError, UsageError
from quarterlake.processing.engines.spark_server import is_listening, local_server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pyspark.sql.session import SparkSession

    from quarterlake.lake.location import Lake
    from quarterlake.lake.s3_options import S3Options
    from quarterlake.processing.engines.spark_options import SparkOptions

JARS = 37
"""So many jars does S3 take; `spark/jars.lock` lists them."""
_CONNECT_SECONDS = 10
PORT = 15002
"""Spark Connect's own."""
_TRIES = 4
_LEAST_VERSION = (4, 1)
_UNAUTHENTICATED = re.compile(
    r"UNAUTHENTICATED|Invalid (?:authentication )?token|No authentication token", re.IGNORECASE
)
_BASE = {
    "spark.ui.enabled": "false",
    "spark.task.maxFailures": "4",
    # Python workers hold DuckDB, which the driver's heap knows nothing of.
    "spark.python.worker.reuse": "true",
}
_SESSION = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.caseSensitive": "false",
    "spark.sql.decimalOperations.allowPrecisionLoss": "true",
    "spark.sql.requireAllClusterKeysForDistribution": "false",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
}
"""What results depend on, whatever a server of the user's own is set to."""
# A server that is gone without a word is noticed after some six minutes; Connect's server takes a ping every five.
_KEEPALIVE = [
    ("grpc.keepalive_time_ms", 330_000),
    ("grpc.keepalive_timeout_ms", 30_000),
    ("grpc.http2.max_pings_without_data", 0),
]
_S3A = {
    # A server's folder for spilled data; elsewhere, such as on workers of a cluster, the system's.
    "spark.hadoop.fs.s3a.buffer.dir": "${env.QUARTERLAKE_S3A_BUFFER:-/tmp/quarterlake-s3a}",
    "spark.hadoop.fs.s3a.path.style.access": "true",
    "spark.hadoop.fs.s3a.committer.name": "magic",
    "spark.hadoop.fs.s3a.connection.establish.timeout": "10s",
    "spark.hadoop.fs.s3a.attempts.maximum": "3",
    "spark.hadoop.fs.s3a.retry.limit": "3",
    "spark.hadoop.mapreduce.outputcommitter.factory.scheme.s3a": "org.apache.hadoop.fs.s3a.commit.S3ACommitterFactory",
    "spark.sql.sources.commitProtocolClass": "org.apache.spark.internal.io.cloud.PathOutputCommitProtocol",
    "spark.sql.parquet.output.committer.class": "org.apache.spark.internal.io.cloud.BindingParquetOutputCommitter",
}


@contextlib.contextmanager
def open_spark(
    options: SparkOptions, lake: Lake, s3: Mapping[str, S3Options], scratch: Path
) -> Iterator[SparkSession]:
    """A session at `options.remote`, else at a server that is started for it; `s3` has each zone's way to S3.

    Raises:
        UsageError: Spark's client, Java, Spark or the jars for S3 are missing, or of a wrong version.
        EngineUnavailableError: the server cannot be reached, or did not start.
    """
    _check_client()
    with contextlib.ExitStack() as stack:
        remote = options.remote
        if remote is None:
            properties, secrets = server_settings(options, lake, s3)
            remote = stack.enter_context(local_server(options, properties, secrets, scratch))
        yield stack.enter_context(_session(remote))


def _check_client() -> None:
    try:
        import pyspark.sql.connect.session  # noqa: F401 - whether it imports is the question
    except ImportError as missing:
        raise UsageError(
            f"The engine spark needs Spark's client ({missing}). Install it with `pip install 'quarterlake[spark]'`, "
            "or with `'quarterlake[spark-local]'` where Spark itself is to run on this machine."
        ) from missing


@contextlib.contextmanager
def _session(remote: str) -> Iterator[SparkSession]:
    from pyspark.errors import PySparkException
    from pyspark.sql.connect.client.core import DefaultChannelBuilder
    from pyspark.sql.connect.client.retries import DefaultPolicy
    from pyspark.sql.connect.session import SparkSession as ConnectSession

    shown = remote.split(";", maxsplit=1)[0]
    if not is_listening(*address_of(remote), seconds=_CONNECT_SECONDS):
        raise EngineUnavailableError(
            f"No Spark Connect server answers at {shown}. Start it or correct SPARK_REMOTE, then run the same command again."
        )
    # The error that follows says it too, as one of ours.
    warnings.filterwarnings("ignore", message=r"\[RETRIES_EXCEEDED\]")
    try:
        session: Any = ConnectSession.builder.channelBuilder(
            DefaultChannelBuilder(remote, channelOptions=_KEEPALIVE)
        ).create()
        session.client.set_retry_policies([DefaultPolicy(max_retries=_TRIES)])
        version = session.version
    except PySparkException as refused:
        if _UNAUTHENTICATED.search(str(refused)):
            raise UsageError(
                f"The Spark Connect server at {shown} refuses the token, or there is none. Set SPARK_REMOTE='{shown}/;token=…' to its "
                "SPARK_CONNECT_AUTHENTICATE_TOKEN."
            ) from refused
        raise EngineUnavailableError(
            f"The Spark Connect server at {shown} does not answer as one: {str(refused).splitlines()[0][:300]}"
        ) from refused
    if tuple(map(int, version.split(".")[:2])) < _LEAST_VERSION:
        raise UsageError(f"The server at {shown} is Spark {version}; quarterlake needs Spark 4.1 or newer.")
    for name, value in _SESSION.items():
        session.conf.set(name, value)
    try:
        yield session
    finally:
        with contextlib.suppress(Exception):
            session.stop()


def address_of(remote: str) -> tuple[str, int]:
    """The host and port of a Spark Connect address. Raises UsageError for what is none."""
    shown = remote.split(";", maxsplit=1)[0]
    try:
        address = urlsplit(shown)
        host, port = address.hostname, address.port or PORT
    except ValueError:
        host, port = None, 0
    if host is None or address.scheme != "sc":
        raise UsageError(f"SPARK_REMOTE={shown} is no Spark Connect address. Use sc://host:port.")
    return host, port


def server_settings(
    options: SparkOptions, lake: Lake, s3: Mapping[str, S3Options]
) -> tuple[dict[str, str], dict[str, str]]:
    """The properties of a server for a lake, and the environment that holds the secrets which they name."""
    zones = {"raw": lake.raw.url, "curated": lake.curated.url, "aggregated": lake.aggregated.url}
    buckets: dict[str, str] = {}
    for zone, url in zones.items():
        if url.startswith("s3://"):
            bucket = url.removeprefix("s3://").split("/")[0]
            if bucket in buckets and s3[buckets[bucket]] != s3[zone]:
                raise UsageError(
                    f"The zones {buckets[bucket]} and {zone} lie in one bucket, {bucket}, with different credentials, which s3a cannot tell apart. "
                    "Give them one identity, or each a bucket."
                )
            buckets.setdefault(bucket, zone)
    if not buckets:
        return dict(_BASE), {}
    properties = {**_BASE, **_S3A, **_class_path(options)}
    secrets: dict[str, str] = {}
    for bucket, zone in buckets.items():
        own, named = _bucket_settings(f"spark.hadoop.fs.s3a.bucket.{bucket}", zone, s3[zone])
        properties |= own
        secrets |= named
    return properties, secrets


def _class_path(options: SparkOptions) -> dict[str, str]:
    found = len(list(options.jars.glob("*.jar"))) if options.jars else 0
    if options.jars is None or found < JARS:
        where = (
            f"{options.jars} holds {found} of {JARS}" if options.jars else "QUARTERLAKE_SPARK_JARS is not set"
        )
        raise UsageError(
            f"Spark needs {JARS} jars to read a lake on S3, and {where}. Run `make spark-jars` in quarterlake's source and set "
            "QUARTERLAKE_SPARK_JARS to the folder that it names."
        )
    path = f"{options.jars.resolve()}/*"
    return {"spark.driver.extraClassPath": path, "spark.executor.extraClassPath": path}


def _bucket_settings(prefix: str, zone: str, s3: S3Options) -> tuple[dict[str, str], dict[str, str]]:
    """Hadoop's Configuration puts the environment in for `${env.NAME}`, so that no secret is a property."""
    settings = {f"{prefix}.endpoint.region": s3.region}
    if s3.endpoint:
        settings[f"{prefix}.endpoint"] = s3.endpoint
        settings[f"{prefix}.connection.ssl.enabled"] = str(not s3.allow_http).lower()
    if not s3.access_key_id or not s3.secret_access_key:
        return settings, {}
    names = {
        part: f"QUARTERLAKE_S3_{zone.upper()}_{part}"
        for part in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN")
    }
    secrets = {names["ACCESS_KEY_ID"]: s3.access_key_id, names["SECRET_ACCESS_KEY"]: s3.secret_access_key}
    settings[f"{prefix}.access.key"] = f"${{env.{names['ACCESS_KEY_ID']}}}"
    settings[f"{prefix}.secret.key"] = f"${{env.{names['SECRET_ACCESS_KEY']}}}"
    provider = "SimpleAWSCredentialsProvider"
    if s3.session_token:
        provider = "TemporaryAWSCredentialsProvider"
        secrets[names["SESSION_TOKEN"]] = s3.session_token
        settings[f"{prefix}.session.token"] = f"${{env.{names['SESSION_TOKEN']}}}"
    settings[f"{prefix}.aws.credentials.provider"] = f"org.apache.hadoop.fs.s3a.{provider}"
    return settings, secrets
