"""Periods as partitions: an ingest period's key is its first month, `2025-01`; a publish period has its own name, `2025-Q1`."""

from __future__ import annotations

import re

from airflow.sdk import (
    CronPartitionTimetable,
    IdentityMapper,
    MinimumCount,
    PartitionMapper,
    QuarterWindow,
    RollupMapper,
    StartOfQuarterMapper,
    StartOfYearMapper,
    WaitForAll,
    YearWindow,
)

from quarterlake_orchestration.settings import Settings

KEY = "%Y-%m"
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_CRON_MONTHS = {"month": "*", "quarter": "1,4,7,10", "year": "1"}


def ingest_timetable(settings: Settings) -> CronPartitionTimetable:
    """A run for each ingest period, on the settings' day after its end."""
    cron = f"0 {settings.hour} {settings.day} {_CRON_MONTHS[settings.ingest]} *"
    return CronPartitionTimetable(cron, timezone="UTC", run_offset=-1, key_format=KEY)


def publish_mapper(settings: Settings) -> PartitionMapper:
    """From the keys of ingest periods to that of the publish period which waits for all of them."""
    if settings.publish == "month":
        return IdentityMapper()
    start = StartOfQuarterMapper if settings.publish == "quarter" else StartOfYearMapper
    if settings.ingest == settings.publish:
        return start(input_format=KEY)
    parts = _MONTHS[settings.publish] // _MONTHS[settings.ingest]
    # The windows count months; of a year's twelve, quarterly ingestion gives the first of each quarter.
    every = WaitForAll() if settings.ingest == "month" else MinimumCount(parts)
    window = QuarterWindow() if settings.publish == "quarter" else YearWindow()
    return RollupMapper(upstream_mapper=start(input_format=KEY), window=window, wait_policy=every)


def publish_period(key: str, publish: str) -> str:
    """The publish period that holds a month. Raises ValueError for what is no month."""
    if not re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", key):
        raise ValueError(f"{key!r} is no month such as 2025-01")
    year, month = key.split("-")
    return {"month": key, "quarter": f"{year}-Q{(int(month) + 2) // 3}", "year": year}[publish]


def months_of(key: str, ingest: str) -> list[str]:
    """The months of the ingest period whose first month this is."""
    year, month = map(int, key.split("-"))
    return [f"{year}-{number:02d}" for number in range(month, month + _MONTHS[ingest])]
