"""The environment variables that quarterlake reads, with their defaults and what they mean: `.env.example` is made from them."""

from __future__ import annotations

from dataclasses import dataclass

from quarterlake.lake.location import ZONES


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable that quarterlake reads. A `secret` is never shown."""

    name: str
    default: str
    meaning: str
    secret: bool = False


VARIABLES = (
    Variable(
        "QUARTERLAKE_LAKE", "./lake", "The lake: a folder, or an S3 URL such as s3://bucket/prefix/{zone}."
    ),
    Variable(
        "QUARTERLAKE_SOURCE", "./data_source", "The folder that the ingestion service takes files from."
    ),
    Variable(
        "QUARTERLAKE_SERVICE_TOKEN",
        "",
        "The token that callers of the services send, 32 characters or more.",
        secret=True,
    ),
    Variable(
        "QUARTERLAKE_DELIVERY_KEY",
        "",
        "The first key of the delivery API, ql_<12 hexadecimal digits>_<64 hexadecimal digits>, which opens everything; "
        "quarterlake keys create makes others.",
        secret=True,
    ),
    Variable(
        "QUARTERLAKE_DELIVERY_DATABASE",
        "",
        "Where API keys and the ledger of accesses are kept: a file of SQLite, or postgresql://user:password@host/database; "
        "empty for delivery.sqlite beside the zones of a lake in a folder, else in the user's folder for state.",
        secret=True,
    ),
    Variable(
        "QUARTERLAKE_DELIVERY_URL",
        "",
        "The delivery API's address as its callers see it, such as https://data.example.org or https://example.org/data; empty for the one "
        "that they called.",
    ),
    Variable(
        "QUARTERLAKE_DELIVERY_DOWNLOADS",
        "presigned",
        "How files of a lake on S3 are downloaded: presigned, from the store itself, or gateway, through the delivery API.",
    ),
    Variable(
        "QUARTERLAKE_REQUESTS_PER_MINUTE",
        "1200",
        "How many requests each key may send to the delivery API in a minute; 0 for no limit.",
    ),
    Variable(
        "QUARTERLAKE_ACCESS_DAYS",
        "400",
        "How many days lines of the delivery API's ledger of accesses are kept, 36500 at most; 0 for ever.",
    ),
    Variable(
        "QUARTERLAKE_S3_PUBLIC_ENDPOINT",
        "",
        "The S3 server's address as those who download see it; empty for AWS_ENDPOINT_URL.",
    ),
    Variable(
        "QUARTERLAKE_S3_SIGNING_ACCESS_KEY_ID",
        "",
        "The S3 access key that signs download URLs, which may do nothing but GET; empty for that of the zone aggregated.",
    ),
    Variable("QUARTERLAKE_S3_SIGNING_SECRET_ACCESS_KEY", "", "Its secret key.", secret=True),
    Variable("QUARTERLAKE_URL_SECONDS", "900", "How long a download URL works, 10 to 86400 seconds."),
    Variable(
        "QUARTERLAKE_URL", "http://127.0.0.1:8080", "The delivery API that quarterlake pull downloads from."
    ),
    Variable("QUARTERLAKE_KEY", "", "The key that it sends there; empty for none.", secret=True),
    Variable("QUARTERLAKE_CONTRACTS", "./contracts", "The folder of contracts, <dataset>.odcs.yaml each."),
    Variable(
        "QUARTERLAKE_AGGREGATES", "./aggregates", "The folder of aggregates, <dataset>/<name>.sql each."
    ),
    Variable("QUARTERLAKE_INGEST_PERIOD", "month", "How often data arrives: month, quarter or year."),
    Variable(
        "QUARTERLAKE_QUIET_SECONDS",
        "0",
        "A source file that was changed within so many seconds is not landed yet, 0 to 86400: for files that are written in place, slowly.",
    ),
    Variable(
        "QUARTERLAKE_PUBLISH_PERIOD",
        "quarter",
        "What a release holds: month, quarter or year, not shorter than the ingest period.",
    ),
    Variable(
        "QUARTERLAKE_MEMORY",
        "400MB",
        "What the embedded engine keeps in memory, 64MB or more, such as 1.5GB; beyond it, it spills to disk.",
    ),
    Variable("QUARTERLAKE_THREADS", "", "Threads of the embedded engine, 1 to 256; empty for one a core."),
    Variable("QUARTERLAKE_ENGINE", "duckdb", "What processes the data: duckdb, embedded, or spark."),
    Variable(
        "SPARK_REMOTE",
        "",
        "The Spark Connect server, sc://host:port; empty to start one on this machine for each run.",
        secret=True,
    ),
    Variable("QUARTERLAKE_SPARK_MASTER", "local[*]", "What a Spark server that is started here runs on."),
    Variable("QUARTERLAKE_SPARK_MEMORY", "2g", "The memory of its driver, such as 2g or 512m."),
    Variable(
        "QUARTERLAKE_SPARK_JARS",
        "",
        "The folder with the jars that Spark needs for a lake on S3; make spark-jars fills it.",
    ),
    Variable("SPARK_HOME", "", "A Spark installation; empty for the one that the package pyspark brings."),
    Variable("JAVA_HOME", "", "A Java installation for Spark; empty for the java on the path."),
    Variable(
        "QUARTERLAKE_SCRATCH",
        "",
        "Where working copies of an S3 lake go; empty for the system's folder for temporary files.",
    ),
    Variable(
        "QUARTERLAKE_CACHE",
        "",
        "Where hashes of unchanged source files are remembered, and what quarterlake pull downloads is kept; "
        "empty for the user's cache folder.",
    ),
    Variable("AWS_ENDPOINT_URL", "", "The S3 server's address; empty for Amazon's."),
    Variable("AWS_ENDPOINT_URL_S3", "", "The same for S3 alone; it goes before AWS_ENDPOINT_URL."),
    Variable("AWS_REGION", "us-east-1", "The S3 region."),
    Variable("AWS_ACCESS_KEY_ID", "", "The S3 access key."),
    Variable("AWS_SECRET_ACCESS_KEY", "", "The S3 secret key.", secret=True),
    Variable("AWS_SESSION_TOKEN", "", "The token of temporary S3 credentials.", secret=True),
    *(
        Variable(
            f"QUARTERLAKE_S3_{zone.upper()}_{part}",
            "",
            f"{meaning} for the zone {zone}; empty for {instead}.",
            secret=part != "ACCESS_KEY_ID",
        )
        for zone in ZONES
        for part, meaning, instead in (
            ("ACCESS_KEY_ID", "The S3 access key", "AWS_ACCESS_KEY_ID"),
            ("SECRET_ACCESS_KEY", "The S3 secret key", "AWS_SECRET_ACCESS_KEY"),
            ("SESSION_TOKEN", "The session token", "none"),
        )
    ),
)
