"""The one place that reads the environment.

A setting comes from the command line, else from the environment, else from its default; `quarterlake doctor` says which.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from quarterlake.domain.errors import UsageError
from quarterlake.domain.periods import PeriodKind
from quarterlake.lake.location import ZONES
from quarterlake.lake.s3_options import S3Options
from quarterlake.processing.engines.spark_options import SparkOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable that quarterlake reads. A `secret` is never shown."""

    name: str
    default: str
    meaning: str
    secret: bool = False


MAX_THREADS = 256
MAX_REQUESTS = 1_000_000
MAX_DAYS = 36_500
MAX_QUIET_SECONDS = 86_400
MIN_URL_SECONDS, MAX_URL_SECONDS = 10, 86_400
# https://duckdb.org/docs/stable/configuration/pragmas.html#memory-limit: powers of 1000 (MB) or 1024 (MiB)
_MEMORY = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,12})?) *([KMGT])(I?B)?")
_LEAST_MEMORY, _MOST_MEMORY = 64e6, 1e15

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
_ENGINES = ("duckdb", "spark")


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting's value and where it came from: `command line`, `environment` or `default`."""

    variable: Variable
    value: str
    origin: str


@dataclass(frozen=True, slots=True)
class DeliveryOptions:
    """How releases are handed out.

    Attributes:
        key: the first key, which opens everything; None where keys are made by command alone.
        database: where keys are kept, a path or a URL of PostgreSQL.
        url: the API's address as callers see it; None for the one that they called.
        gateway: whether the API itself gives the bytes of a lake on S3.
        signing: what download URLs are signed with.
        url_seconds: how long these work.
        requests_per_minute: what each key may send; 0 for no limit.
        access_days: how long lines of the ledger of accesses are kept; 0 for ever.
    """

    key: str | None
    database: str
    url: str | None
    gateway: bool
    signing: S3Options
    url_seconds: int
    requests_per_minute: int
    access_days: int

    @property
    def root(self) -> str:
        """The path that all of the API's paths begin with as callers see them: that of `url`, empty or such as `/data`."""
        return urlsplit(self.url or "").path.rstrip("/")


@dataclass(frozen=True, slots=True)
class PullOptions:
    """Where releases are downloaded from, and the key that opens them."""

    url: str
    key: str | None


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set, read and checked."""

    lake: str
    source: Path
    service_token: str | None
    delivery: DeliveryOptions
    pull: PullOptions
    contracts: Path
    aggregates: Path
    ingest: PeriodKind
    publish: PeriodKind
    quiet_seconds: int
    memory: str
    threads: int | None
    scratch: Path | None
    cache: Path | None
    s3: Mapping[str, S3Options]
    engine: str
    spark: SparkOptions
    all: tuple[Setting, ...]

    @property
    def keys_lie_in_the_lake(self) -> bool:
        """Whether API keys lie beside the zones of a lake in a folder, since no other place was set."""
        return self.delivery.database == _beside_zones(self.lake)


def read_settings(
    given: Mapping[str, str | None] | None = None, environment: Mapping[str, str] | None = None
) -> Settings:
    """Read the settings; `given` has those of the command line by variable name. Raises UsageError naming a wrong one."""
    environment = os.environ if environment is None else environment
    found = {variable.name: _setting(variable, given or {}, environment) for variable in VARIABLES}
    value = {name: setting.value for name, setting in found.items()}
    settings = Settings(
        lake=value["QUARTERLAKE_LAKE"],
        source=Path(value["QUARTERLAKE_SOURCE"]),
        service_token=value["QUARTERLAKE_SERVICE_TOKEN"] or None,
        delivery=DeliveryOptions(
            key=value["QUARTERLAKE_DELIVERY_KEY"] or None,
            database=value["QUARTERLAKE_DELIVERY_DATABASE"]
            or _database(value["QUARTERLAKE_LAKE"], environment),
            url=_parsed(found["QUARTERLAKE_DELIVERY_URL"], _address),
            gateway=_parsed(found["QUARTERLAKE_DELIVERY_DOWNLOADS"], _is_gateway),
            signing=_signing(value),
            url_seconds=_parsed(found["QUARTERLAKE_URL_SECONDS"], _between(MIN_URL_SECONDS, MAX_URL_SECONDS)),
            requests_per_minute=_parsed(found["QUARTERLAKE_REQUESTS_PER_MINUTE"], _between(0, MAX_REQUESTS)),
            access_days=_parsed(found["QUARTERLAKE_ACCESS_DAYS"], _between(0, MAX_DAYS)),
        ),
        pull=PullOptions(value["QUARTERLAKE_URL"], value["QUARTERLAKE_KEY"] or None),
        contracts=Path(value["QUARTERLAKE_CONTRACTS"]),
        aggregates=_parsed(found["QUARTERLAKE_AGGREGATES"], _folder),
        ingest=_parsed(found["QUARTERLAKE_INGEST_PERIOD"], PeriodKind),
        publish=_parsed(found["QUARTERLAKE_PUBLISH_PERIOD"], PeriodKind),
        quiet_seconds=_parsed(found["QUARTERLAKE_QUIET_SECONDS"], _between(0, MAX_QUIET_SECONDS)),
        memory=_parsed(found["QUARTERLAKE_MEMORY"], _memory),
        threads=_parsed(found["QUARTERLAKE_THREADS"], _threads),
        scratch=_path(value["QUARTERLAKE_SCRATCH"]),
        cache=_cache(value["QUARTERLAKE_CACHE"], environment),
        s3={zone: _s3(value, zone) for zone in ZONES},
        engine=_parsed(found["QUARTERLAKE_ENGINE"], _engine),
        spark=SparkOptions(
            remote=value["SPARK_REMOTE"] or None,
            master=value["QUARTERLAKE_SPARK_MASTER"],
            memory=_parsed(found["QUARTERLAKE_SPARK_MEMORY"], _java_memory),
            jars=_path(value["QUARTERLAKE_SPARK_JARS"]),
            spark_home=_path(value["SPARK_HOME"]),
            java_home=_path(value["JAVA_HOME"]),
            environment=environment,
        ),
        all=tuple(found.values()),
    )
    if settings.ingest.months > settings.publish.months:
        raise UsageError(
            f"QUARTERLAKE_INGEST_PERIOD={settings.ingest} is longer than QUARTERLAKE_PUBLISH_PERIOD={settings.publish}. Make it the same or shorter."
        )
    return settings


def _setting(variable: Variable, given: Mapping[str, str | None], environment: Mapping[str, str]) -> Setting:
    if (chosen := given.get(variable.name)) is not None:
        return Setting(variable, chosen, "command line")
    if environment.get(variable.name):
        return Setting(variable, environment[variable.name], "environment")
    return Setting(variable, variable.default, "default")


def _parsed(setting: Setting, parse: Callable[[str], T]) -> T:
    try:
        return parse(setting.value)
    except ValueError:
        raise UsageError(
            f"{setting.variable.name}={setting.value} cannot be used. {setting.variable.meaning}"
        ) from None


def _s3(value: Mapping[str, str], zone: str) -> S3Options:
    """How a zone is reached: by credentials of its own, else by the common ones."""
    prefix = f"QUARTERLAKE_S3_{zone.upper()}_"
    own = {part: value[prefix + part] for part in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN")}
    if bool(own["ACCESS_KEY_ID"]) != bool(own["SECRET_ACCESS_KEY"]):
        raise UsageError(
            f"Of {prefix}ACCESS_KEY_ID and {prefix}SECRET_ACCESS_KEY one is set without the other. Set both, or neither."
        )
    given = own if own["ACCESS_KEY_ID"] else {part: value[f"AWS_{part}"] for part in own}
    return S3Options(
        endpoint=value["AWS_ENDPOINT_URL_S3"] or value["AWS_ENDPOINT_URL"] or None,
        access_key_id=given["ACCESS_KEY_ID"] or None,
        secret_access_key=given["SECRET_ACCESS_KEY"] or None,
        session_token=given["SESSION_TOKEN"] or None,
        region=value["AWS_REGION"],
    )


def _signing(value: Mapping[str, str]) -> S3Options:
    own, secret = (value[f"QUARTERLAKE_S3_SIGNING_{part}"] for part in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"))
    if bool(own) != bool(secret):
        raise UsageError(
            "Of QUARTERLAKE_S3_SIGNING_ACCESS_KEY_ID and QUARTERLAKE_S3_SIGNING_SECRET_ACCESS_KEY one is set without the other. Set both, or neither."
        )
    zone = _s3(value, "aggregated")
    public = replace(zone, endpoint=value["QUARTERLAKE_S3_PUBLIC_ENDPOINT"] or zone.endpoint)
    return replace(public, access_key_id=own, secret_access_key=secret, session_token=None) if own else public


def _between(least: int, most: int) -> Callable[[str], int]:
    """Reads a whole number within bounds."""

    def read(text: str) -> int:
        if not least <= (number := int(text)) <= most:
            raise ValueError(text)
        return number

    return read


def _is_gateway(text: str) -> bool:
    if text not in {"presigned", "gateway"}:
        raise ValueError(text)
    return text == "gateway"


def _address(text: str) -> str | None:
    address = urlsplit(text)
    if text and (address.scheme not in {"http", "https"} or not address.hostname or address.query):
        raise ValueError(text)
    return text.rstrip("/") or None


def _database(lake: str, environment: Mapping[str, str]) -> str:
    """Where keys lie unless that is set: beside a folder's zones, in none of them."""
    if (beside := _beside_zones(lake)) is not None:
        return beside
    state = environment.get("XDG_STATE_HOME") or f"{environment.get('HOME', '.')}/.local/state"
    return str(Path(state) / "quarterlake" / "delivery.sqlite")


def _beside_zones(lake: str) -> str | None:
    """The place beside a folder's zones; None for a lake on S3."""
    return None if "://" in lake else str(Path(lake.partition("{zone}")[0]).expanduser() / "delivery.sqlite")


def _path(text: str) -> Path | None:
    return Path(text) if text else None


def _engine(text: str) -> str:
    if text not in _ENGINES:
        raise ValueError(text)
    return text


def _java_memory(text: str) -> str:
    if not re.fullmatch(r"[1-9][0-9]{0,6}[mMgG]", text):
        raise ValueError(text)
    return text


def _memory(text: str) -> str:
    match = _MEMORY.fullmatch(text.strip().upper())
    if match is None:
        raise ValueError(text)
    base = 1024 if match[3] == "IB" else 1000
    if not _LEAST_MEMORY <= float(match[1]) * base ** (" KMGT".index(match[2])) <= _MOST_MEMORY:
        raise ValueError(text)
    return text


def _folder(text: str) -> Path:
    """A folder that may not be there yet; any other thing of its name would be taken for an empty one."""
    path = Path(text)
    try:
        usable = path.is_dir() or not path.exists()
    except OSError:
        usable = False
    if not usable:
        raise ValueError(text)
    return path


def _threads(text: str) -> int | None:
    return _between(1, MAX_THREADS)(text) if text else None


def _cache(text: str, environment: Mapping[str, str]) -> Path | None:
    if text:
        return Path(text)
    base = environment.get("XDG_CACHE_HOME") or (
        f"{environment['HOME']}/.cache" if environment.get("HOME") else None
    )
    return Path(base) / "quarterlake" if base else None
