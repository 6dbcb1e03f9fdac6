"""The one place that reads the environment.

A setting comes from the command line, else from the environment, else from its default; `quarterlake doctor` says which.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from quarterlake import setting_values as values
from quarterlake.domain.errors import UsageError
from quarterlake.domain.periods import PeriodKind
from quarterlake.lake.location import ZONES
from quarterlake.lake.s3_options import S3Options
from quarterlake.processing.engines.spark_options import SparkOptions
from quarterlake.variables import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from quarterlake.variables import Variable

T = TypeVar("T")

_MAX_REQUESTS = 1_000_000
_MAX_DAYS = 36_500
_MAX_QUIET_SECONDS = 86_400
_MIN_URL_SECONDS, _MAX_URL_SECONDS = 10, 86_400


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
        return self.delivery.database == values.beside_zones(self.lake)


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
            or values.database(value["QUARTERLAKE_LAKE"], environment),
            url=_parsed(found["QUARTERLAKE_DELIVERY_URL"], values.address),
            gateway=_parsed(found["QUARTERLAKE_DELIVERY_DOWNLOADS"], values.is_gateway),
            signing=_signing(value),
            url_seconds=_parsed(
                found["QUARTERLAKE_URL_SECONDS"], values.between(_MIN_URL_SECONDS, _MAX_URL_SECONDS)
            ),
            requests_per_minute=_parsed(
                found["QUARTERLAKE_REQUESTS_PER_MINUTE"], values.between(0, _MAX_REQUESTS)
            ),
            access_days=_parsed(found["QUARTERLAKE_ACCESS_DAYS"], values.between(0, _MAX_DAYS)),
        ),
        pull=PullOptions(value["QUARTERLAKE_URL"], value["QUARTERLAKE_KEY"] or None),
        contracts=Path(value["QUARTERLAKE_CONTRACTS"]),
        aggregates=_parsed(found["QUARTERLAKE_AGGREGATES"], values.folder),
        ingest=_parsed(found["QUARTERLAKE_INGEST_PERIOD"], PeriodKind),
        publish=_parsed(found["QUARTERLAKE_PUBLISH_PERIOD"], PeriodKind),
        quiet_seconds=_parsed(found["QUARTERLAKE_QUIET_SECONDS"], values.between(0, _MAX_QUIET_SECONDS)),
        memory=_parsed(found["QUARTERLAKE_MEMORY"], values.memory),
        threads=_parsed(found["QUARTERLAKE_THREADS"], values.threads),
        scratch=values.path(value["QUARTERLAKE_SCRATCH"]),
        cache=values.cache(value["QUARTERLAKE_CACHE"], environment),
        s3={zone: _s3(value, zone) for zone in ZONES},
        engine=_parsed(found["QUARTERLAKE_ENGINE"], values.engine),
        spark=SparkOptions(
            remote=value["SPARK_REMOTE"] or None,
            master=value["QUARTERLAKE_SPARK_MASTER"],
            memory=_parsed(found["QUARTERLAKE_SPARK_MEMORY"], values.java_memory),
            jars=values.path(value["QUARTERLAKE_SPARK_JARS"]),
            spark_home=values.path(value["SPARK_HOME"]),
            java_home=values.path(value["JAVA_HOME"]),
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
