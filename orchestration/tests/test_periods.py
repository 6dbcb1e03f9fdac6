"""Which ingest periods make which publish period, as Airflow's scheduler computes it."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.serialization.decoders import decode_partition_mapper
from airflow.serialization.encoders import encode_partition_mapper
from quarterlake_orchestration.periods import ingest_timetable, months_of, publish_mapper, publish_period
from quarterlake_orchestration.settings import SettingError, Settings, read_settings


def core_mapper(ingest: str, publish: str) -> Any:
    settings = Settings("i", "p", "t", ingest=ingest, publish=publish)
    return decode_partition_mapper(encode_partition_mapper(publish_mapper(settings)))


@pytest.mark.parametrize(
    ("ingest", "publish", "key", "period"),
    [
        ("month", "month", "2025-03", "2025-03"),
        ("month", "quarter", "2025-03", "2025-Q1"),
        ("month", "quarter", "2025-10", "2025-Q4"),
        ("month", "year", "2025-12", "2025"),
        ("quarter", "quarter", "2025-04", "2025-Q2"),
        ("quarter", "year", "2025-10", "2025"),
        ("year", "year", "2025-01", "2025"),
    ],
)
def test_each_pair_of_periods_maps_as_quarterlake_names_them(
    ingest: str, publish: str, key: str, period: str
) -> None:
    assert core_mapper(ingest, publish).to_downstream(key) == period
    assert publish_period(key, publish) == period


def test_a_quarter_waits_for_its_three_months() -> None:
    assert core_mapper("month", "quarter").to_upstream("2025-Q2") == {"2025-04", "2025-05", "2025-06"}
    assert len(core_mapper("month", "year").to_upstream("2025")) == 12


@pytest.mark.parametrize("key", ["2025-4", "2025-13", "2025-Q1", "202504", "2025-04-01", ""])
def test_a_key_of_another_format_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="month"):
        publish_period(key, "quarter")


@pytest.mark.parametrize("key", ["2025-13", "2025-Q1", "2025-04-01", ""])
def test_a_key_of_another_format_never_reaches_a_quarter(key: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        core_mapper("month", "quarter").to_downstream(key)


def test_the_months_of_an_ingest_period() -> None:
    assert months_of("2025-04", "month") == ["2025-04"]
    assert months_of("2025-04", "quarter") == ["2025-04", "2025-05", "2025-06"]
    assert len(months_of("2025-01", "year")) == 12


@pytest.mark.parametrize(
    ("ingest", "cron"), [("month", "0 6 5 * *"), ("quarter", "0 6 5 1,4,7,10 *"), ("year", "0 6 5 1 *")]
)
def test_ingestion_runs_on_the_grace_day_after_its_period(ingest: str, cron: str) -> None:
    assert ingest_timetable(Settings("i", "p", "t", ingest=ingest, publish="year")).expression == cron


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("QUARTERLAKE_SERVICE_TOKEN", ""),
        ("QUARTERLAKE_INGEST_PERIOD", "week"),
        ("QUARTERLAKE_INGEST_PERIOD", "year"),
        ("QUARTERLAKE_INGEST_DAY", "31"),
        ("QUARTERLAKE_INGEST_HOUR", "-1"),
        ("QUARTERLAKE_RUN_SECONDS", "soon"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingError, match=name):
        read_settings({"QUARTERLAKE_SERVICE_TOKEN": "t", name: value})


def test_no_representation_shows_the_token() -> None:
    assert "s3cr3t" not in repr(read_settings({"QUARTERLAKE_SERVICE_TOKEN": "s3cr3t"}))
