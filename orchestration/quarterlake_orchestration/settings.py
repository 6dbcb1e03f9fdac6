"""The one place of the orchestration that reads the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

PERIODS = ("month", "quarter", "year")


class SettingError(ValueError):
    """A setting is missing or wrong; the message names it."""


@dataclass(frozen=True)
class Settings:
    """Where the services are, what they are called with, and when.

    Attributes:
        ingestion, processing: the services' addresses.
        token: what they are sent; it is in no representation.
        ingest, publish: how often data arrives, and what a release holds: month, quarter or year.
        day, hour: when a period's data is taken for landed: the day of the month after it, and the hour, UTC.
        run_seconds: after so long a run is given up, and tried again where that helps.
        retries, retry_seconds: how often a task whose environment failed is tried again, and after how long first.
    """

    ingestion: str
    processing: str
    token: str = field(repr=False)
    ingest: str = "month"
    publish: str = "quarter"
    day: int = 5
    hour: int = 6
    run_seconds: int = 6 * 3600
    retries: int = 4
    retry_seconds: int = 30


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings. Raises SettingError naming one that is missing or wrong."""
    settings = Settings(
        ingestion=_text(environment, "QUARTERLAKE_INGESTION_URL", "http://ingestion:8000").rstrip("/"),
        processing=_text(environment, "QUARTERLAKE_PROCESSING_URL", "http://processing:8000").rstrip("/"),
        token=_text(environment, "QUARTERLAKE_SERVICE_TOKEN", None),
        ingest=_period(environment, "QUARTERLAKE_INGEST_PERIOD", "month"),
        publish=_period(environment, "QUARTERLAKE_PUBLISH_PERIOD", "quarter"),
        day=_number(environment, "QUARTERLAKE_INGEST_DAY", 5, 1, 28),
        hour=_number(environment, "QUARTERLAKE_INGEST_HOUR", 6, 0, 23),
        run_seconds=_number(environment, "QUARTERLAKE_RUN_SECONDS", 6 * 3600, 60, 7 * 86_400),
        retries=_number(environment, "QUARTERLAKE_RETRIES", 4, 0, 20),
        retry_seconds=_number(environment, "QUARTERLAKE_RETRY_SECONDS", 30, 1, 3600),
    )
    if PERIODS.index(settings.ingest) > PERIODS.index(settings.publish):
        raise SettingError(
            f"QUARTERLAKE_INGEST_PERIOD={settings.ingest} is longer than QUARTERLAKE_PUBLISH_PERIOD={settings.publish}."
        )
    return settings


def _text(environment: Mapping[str, str], name: str, default: str | None) -> str:
    value = environment.get(name) or default
    if not value:
        raise SettingError(f"{name} is not set. Put it into .env; `make env` writes one.")
    return value


def _period(environment: Mapping[str, str], name: str, default: str) -> str:
    value = environment.get(name) or default
    if value not in PERIODS:
        raise SettingError(f"{name}={value} is none of {', '.join(PERIODS)}.")
    return value


def _number(environment: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = environment.get(name) or str(default)
    if not text.isdecimal() or not least <= int(text) <= most:
        raise SettingError(f"{name}={text} is no number from {least} to {most}.")
    return int(text)
