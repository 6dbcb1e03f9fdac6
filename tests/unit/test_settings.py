from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterlake.domain.errors import UsageError
from quarterlake.domain.periods import PeriodKind
from quarterlake.settings import read_settings
from quarterlake.variables import VARIABLES


def test_without_anything_the_defaults_hold() -> None:
    settings = read_settings({}, {})
    assert settings.lake == "./lake"
    assert (settings.contracts, settings.aggregates) == (Path("./contracts"), Path("./aggregates"))
    assert (settings.ingest, settings.publish) == (PeriodKind.MONTH, PeriodKind.QUARTER)
    assert (settings.threads, settings.scratch, settings.cache) == (None, None, None)
    assert {setting.origin for setting in settings.all} == {"default"}
    assert [setting.variable for setting in settings.all] == list(VARIABLES)


def test_the_command_line_goes_before_the_environment_before_the_default() -> None:
    environment = {"QUARTERLAKE_LAKE": "from-environment", "QUARTERLAKE_CONTRACTS": "mine"}
    settings = read_settings({"QUARTERLAKE_LAKE": "given", "QUARTERLAKE_CONTRACTS": None}, environment)
    origins = {setting.variable.name: setting.origin for setting in settings.all}
    assert (settings.lake, settings.contracts) == ("given", Path("mine"))
    assert origins["QUARTERLAKE_LAKE"] == "command line"
    assert origins["QUARTERLAKE_CONTRACTS"] == "environment"
    assert origins["QUARTERLAKE_AGGREGATES"] == "default"


@pytest.mark.parametrize("name", [variable.name for variable in VARIABLES])
def test_an_empty_variable_is_as_good_as_none(name: str) -> None:
    assert read_settings({}, {name: ""}) == read_settings({}, {})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("QUARTERLAKE_INGEST_PERIOD", "week"),
        ("QUARTERLAKE_PUBLISH_PERIOD", "Quarter of a year"),
        ("QUARTERLAKE_MEMORY", "much"),
        ("QUARTERLAKE_MEMORY", "400"),
        ("QUARTERLAKE_MEMORY", "MB"),
        ("QUARTERLAKE_MEMORY", "-4MB"),
        ("QUARTERLAKE_MEMORY", "0MB"),
        ("QUARTERLAKE_MEMORY", "400BIB"),
        ("QUARTERLAKE_MEMORY", "400KMB"),
        ("QUARTERLAKE_MEMORY", "\u00b2MB"),
        ("QUARTERLAKE_THREADS", "0"),
        ("QUARTERLAKE_THREADS", "-1"),
        ("QUARTERLAKE_THREADS", "99999999999"),
        ("QUARTERLAKE_THREADS", "two"),
        ("QUARTERLAKE_THREADS", "1.5"),
        ("QUARTERLAKE_ENGINE", "flink"),
        ("QUARTERLAKE_SPARK_MEMORY", "2GB"),
        ("QUARTERLAKE_SPARK_MEMORY", "0g"),
        ("QUARTERLAKE_URL_SECONDS", "9"),
        ("QUARTERLAKE_URL_SECONDS", "86401"),
        ("QUARTERLAKE_DELIVERY_URL", "data.example.org"),
        ("QUARTERLAKE_DELIVERY_URL", "ftp://data.example.org"),
        ("QUARTERLAKE_DELIVERY_DOWNLOADS", "proxy"),
        ("QUARTERLAKE_REQUESTS_PER_MINUTE", "-1"),
        ("QUARTERLAKE_ACCESS_DAYS", "-1"),
        ("QUARTERLAKE_ACCESS_DAYS", "36501"),
        ("QUARTERLAKE_QUIET_SECONDS", "-1"),
        ("QUARTERLAKE_QUIET_SECONDS", "soon"),
        ("QUARTERLAKE_REQUESTS_PER_MINUTE", "many"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_what_it_means(name: str, value: str) -> None:
    with pytest.raises(UsageError) as raised:
        read_settings({}, {name: value})
    meaning = next(variable.meaning for variable in VARIABLES if variable.name == name)
    assert str(raised.value).startswith(f"{name}={value} ")
    assert meaning in str(raised.value)


@pytest.mark.parametrize("memory", ["400MB", "1GB", "2GiB", "512mib", "100000KB", "1.5GB", "400 MB"])
def test_what_the_engine_takes_as_memory_is_taken(memory: str) -> None:
    assert read_settings({}, {"QUARTERLAKE_MEMORY": memory}).memory == memory


@given(st.integers(1, 256))
def test_any_sensible_count_of_threads_is_taken(threads: int) -> None:
    assert read_settings({}, {"QUARTERLAKE_THREADS": str(threads)}).threads == threads


@given(st.sampled_from(PeriodKind), st.sampled_from(PeriodKind))
def test_data_may_not_arrive_less_often_than_it_is_published(ingest: PeriodKind, publish: PeriodKind) -> None:
    environment = {"QUARTERLAKE_INGEST_PERIOD": str(ingest), "QUARTERLAKE_PUBLISH_PERIOD": str(publish)}
    if ingest.months <= publish.months:
        settings = read_settings({}, environment)
        assert (settings.ingest, settings.publish) == (ingest, publish)
    else:
        with pytest.raises(UsageError, match=r"QUARTERLAKE_INGEST_PERIOD=.*QUARTERLAKE_PUBLISH_PERIOD="):
            read_settings({}, environment)


@pytest.mark.parametrize(
    ("environment", "cache"),
    [
        ({}, None),
        ({"HOME": "/home/me"}, Path("/home/me/.cache/quarterlake")),
        ({"HOME": "/home/me", "XDG_CACHE_HOME": "/caches"}, Path("/caches/quarterlake")),
        ({"HOME": "/home/me", "QUARTERLAKE_CACHE": "/mine"}, Path("/mine")),
    ],
)
def test_where_the_cache_lies(environment: dict[str, str], cache: Path | None) -> None:
    assert read_settings({}, environment).cache == cache


def test_the_endpoint_of_s3_alone_goes_before_the_endpoint_of_all() -> None:
    both = {"AWS_ENDPOINT_URL": "http://all.example", "AWS_ENDPOINT_URL_S3": "http://s3.example"}
    assert read_settings({}, both).s3["raw"].endpoint == "http://s3.example"
    one = read_settings({}, {"AWS_ENDPOINT_URL": "http://all.example"})
    assert one.s3["curated"].endpoint == "http://all.example"
    assert read_settings({}, {}).s3["aggregated"].endpoint is None


def test_a_zone_s_own_credentials_go_before_the_common_ones() -> None:
    common = {"AWS_ACCESS_KEY_ID": "all", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "token"}
    own = {"QUARTERLAKE_S3_RAW_ACCESS_KEY_ID": "reader", "QUARTERLAKE_S3_RAW_SECRET_ACCESS_KEY": "r"}
    s3 = read_settings({}, common | own).s3
    assert (s3["raw"].access_key_id, s3["raw"].secret_access_key, s3["raw"].session_token) == (
        "reader",
        "r",
        None,
    )
    assert (s3["curated"].access_key_id, s3["curated"].session_token) == ("all", "token")


@pytest.mark.parametrize("part", ["ACCESS_KEY_ID", "SECRET_ACCESS_KEY"])
def test_half_a_zone_s_credentials_are_refused(part: str) -> None:
    with pytest.raises(UsageError, match=r"QUARTERLAKE_S3_CURATED_ACCESS_KEY_ID and .*SECRET_ACCESS_KEY"):
        read_settings({}, {f"QUARTERLAKE_S3_CURATED_{part}": "half"})


def test_the_token_of_a_server_is_not_shown() -> None:
    settings = read_settings({}, {"SPARK_REMOTE": "sc://host:15002/;token=s3cr3t"})
    assert settings.spark.shown_remote == "sc://host:15002/"
    assert "s3cr3t" not in repr(settings.spark)


def test_every_variable_that_counts_is_listed_with_its_origin() -> None:
    settings = read_settings({}, {"AWS_ENDPOINT_URL_S3": "http://s3.example"})
    assert "http://s3.example" in {setting.value for setting in settings.all}


def test_secrets_are_marked_and_not_in_the_options_text() -> None:
    secret = {"AWS_SECRET_ACCESS_KEY": "s3cr3t-key", "AWS_SESSION_TOKEN": "s3cr3t-token"}
    settings = read_settings({}, secret)
    marked = {s.variable.name for s in settings.all if s.variable.secret}
    assert {name for name in marked if name.startswith("AWS")} == set(secret)
    unmarked = {s.variable.name for s in settings.all} - marked
    assert not [name for name in unmarked if "SECRET" in name or "TOKEN" in name or name == "SPARK_REMOTE"]
    assert "s3cr3t" not in repr(settings.s3)


def test_the_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUARTERLAKE_LAKE", "elsewhere")
    assert read_settings().lake == "elsewhere"


@pytest.mark.parametrize(
    ("lake", "environment", "expected"),
    [
        ("./lake", {}, "lake/delivery.sqlite"),
        ("/data/lake/{zone}", {}, "/data/lake/delivery.sqlite"),
        ("s3://{zone}", {"HOME": "/home/me"}, "/home/me/.local/state/quarterlake/delivery.sqlite"),
        ("s3://b/{zone}", {"XDG_STATE_HOME": "/state"}, "/state/quarterlake/delivery.sqlite"),
        ("./lake", {"QUARTERLAKE_DELIVERY_DATABASE": "postgresql://u:p@h/d"}, "postgresql://u:p@h/d"),
    ],
)
def test_keys_lie_in_no_zone(lake: str, environment: dict[str, str], expected: str) -> None:
    settings = read_settings({"QUARTERLAKE_LAKE": lake}, environment)
    assert settings.delivery.database == expected
