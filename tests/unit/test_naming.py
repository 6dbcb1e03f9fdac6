from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from urllib.parse import unquote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from quarterlake.domain.errors import UsageError
from quarterlake.domain.naming import dataset_of, safe_file_name, skip_reason, slug, timestamp_in
from quarterlake.domain.periods import Period, PeriodKind

SECONDS = st.datetimes(
    min_value=datetime(1900, 1, 1),  # noqa: DTZ001 - the strategy adds the zone
    max_value=datetime(2199, 12, 31, 23, 59, 59),  # noqa: DTZ001
    timezones=st.just(UTC),
).map(lambda instant: instant.replace(microsecond=0))
WORDS = st.from_regex(r"[A-Za-su-y]{0,8}", fullmatch=True)


@pytest.mark.parametrize(
    ("file_name", "text", "period"),
    [
        ("orders_2026-07.csv", "2026-07", "2026-07"),
        ("2026_07_orders.csv", "2026_07", "2026-07"),
        ("orders202607.csv", "202607", "2026-07"),
        ("orders.2026.07.csv", "2026.07", "2026-07"),
        ("orders-2026-Q3.csv", "2026-Q3", "2026-Q3"),
        ("orders2026Q3.csv", "2026Q3", "2026-Q3"),
        ("orders_2026_q3.csv", "2026_q3", "2026-Q3"),
        ("orders-2026.parquet", "2026", "2026"),
        ("orders_2026-07-99.csv", "2026-07", "2026-07"),
        ("2026_orders_2026-07.csv", "2026-07", "2026-07"),
        ("2026-Q3_202608.csv", "202608", "2026-08"),
        ("2026-06_2026-07.csv", "2026-07", "2026-07"),
        ("2026-07_202608.csv", "202608", "2026-08"),
        ("2026-Q1_2026-Q3.csv", "2026-Q3", "2026-Q3"),
        ("2025_2024_2026.csv", "2026", "2026"),
    ],
)
def test_periods_in_names(file_name: str, text: str, period: str) -> None:
    stamp = timestamp_in(file_name)
    assert stamp is not None
    expected = Period.parse(period)
    assert (stamp.text, stamp.start, stamp.end) == (text, expected.start, expected.end)
    assert file_name[slice(*stamp.span)] == text


@pytest.mark.parametrize(
    ("text", "start", "length"),
    [
        ("2026-07-15", (2026, 7, 15), timedelta(days=1)),
        ("20260715", (2026, 7, 15), timedelta(days=1)),
        ("2026_07_15", (2026, 7, 15), timedelta(days=1)),
        ("2024.02.29", (2024, 2, 29), timedelta(days=1)),
        ("20260715T10", (2026, 7, 15, 10), timedelta(hours=1)),
        ("2026071510", (2026, 7, 15, 10), timedelta(hours=1)),
        ("2026-07-15T10-30", (2026, 7, 15, 10, 30), timedelta(minutes=1)),
        ("202607151030", (2026, 7, 15, 10, 30), timedelta(minutes=1)),
        ("20260715T103000", (2026, 7, 15, 10, 30), timedelta(seconds=1)),
        ("2026-07-15T10-30-00", (2026, 7, 15, 10, 30), timedelta(seconds=1)),
        ("2026-07-15T10-30-00Z", (2026, 7, 15, 10, 30), timedelta(seconds=1)),
        ("2026-07-15 10:30:00", (2026, 7, 15, 10, 30), timedelta(seconds=1)),
        ("20260715_103000", (2026, 7, 15, 10, 30), timedelta(seconds=1)),
        ("20260715103000", (2026, 7, 15, 10, 30), timedelta(seconds=1)),
        ("99991231T235959", None, None),
        ("21991231T235959", (2199, 12, 31, 23, 59, 59), timedelta(seconds=1)),
    ],
)
def test_days_and_times_in_names(
    text: str, start: tuple[int, int, int] | None, length: timedelta | None
) -> None:
    stamp = timestamp_in(f"orders_2025_{text}.csv.gz")
    assert stamp is not None
    if start is None:
        assert stamp.text == "2025"
        return
    assert stamp.text == text
    assert stamp.start == datetime(*start, tzinfo=UTC)
    assert stamp.end - stamp.start == length


@pytest.mark.parametrize(
    "file_name",
    [
        "",
        "orders.csv",
        "1234567890.csv",
        "v20260799.csv",
        "part-2026000123.csv",
        "202613.csv",
        "20260230.csv",
        "1899-12.csv",
        "2200.csv",
        "12026-07.csv",
        "orders_٢٠٢٦.csv",
        "2026२.csv",
        "part-00000-7a3b2026-07f1-4c1d-9abc-0123456789ab.csv",
        "orders-ab12cd34ef2026ab12cd34ef56ab7890.csv",
    ],
)
def test_names_without_a_timestamp(file_name: str) -> None:
    assert timestamp_in(file_name) is None


def test_a_word_that_begins_with_z_is_not_utc() -> None:
    stamp = timestamp_in("20260715T103000zones.csv")
    assert stamp is not None
    assert stamp.text == "20260715T103000"


@given(
    SECONDS,
    WORDS,
    WORDS,
    st.sampled_from(["%Y%m%d%H%M%S", "%Y%m%dT%H%M%SZ", "%Y-%m-%dT%H-%M-%S", "%Y_%m_%d_%H%M%S"]),
)
def test_a_written_second_is_read_back(instant: datetime, before: str, after: str, form: str) -> None:
    stamp = timestamp_in(f"{before}_{instant.strftime(form)}_{after}.csv")
    assert stamp is not None
    assert (stamp.start, stamp.end) == (instant, instant + timedelta(seconds=1))


@given(SECONDS, st.sampled_from(PeriodKind), WORDS)
def test_a_written_period_is_read_back(instant: datetime, kind: PeriodKind, word: str) -> None:
    period = Period.of(instant, kind)
    stamp = timestamp_in(f"{word}_{period.name}.csv")
    assert stamp is not None
    assert (stamp.start, stamp.end, stamp.text) == (period.start, period.end, period.name)


@given(st.text(alphabet="0129-_.TZqQ :x7", max_size=40))
def test_what_is_found_stands_alone_in_the_name(file_name: str) -> None:
    stamp = timestamp_in(file_name)
    if stamp is None:
        return
    first, last = stamp.span
    assert stamp.start < stamp.end
    assert stamp.text == file_name[first:last]
    assert not file_name[:first][-1:].isdigit()
    assert not file_name[last:][:1].isdigit()


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("orders/2026-07.csv", "orders"),
        ("Web Clicks/2026/07/x.csv", "web_clicks"),
        ("orders_2026-07.csv", "orders"),
        ("2026-07_orders.csv.gz", "orders"),
        ("orders.2026-07.v2.csv", "orders_v2"),
        ("orders_2026-07_eu.NDJSON.zst", "orders_eu"),
        ("orders.csv", "orders"),
        ("orders.csv.2026-07-15", "orders"),
        ("orders.2026-07", "orders"),
        ("orders-20260715T103000Z.jsonl", "orders"),
        ("orders_2026-07.xlsx", "orders"),
        ("orders.backup.dat", "orders_backup"),
        ("orders2026Q3eu.csv", "orders_eu"),
        ("orders", "orders"),
        ("2026-07.csv", "shop_data"),
        ("2026-07", "shop_data"),
        ("2026-07.csv.gz", "shop_data"),
        ("_2026-07_.csv", "shop_data"),
        ("---.csv", "shop_data"),
    ],
)
def test_the_data_set_of_a_file(path: str, name: str) -> None:
    assert dataset_of(PurePosixPath(path), "Shop Data") == name


def test_a_folder_without_a_name_is_refused() -> None:
    with pytest.raises(UsageError, match=r"'---'.*rename"):
        dataset_of(PurePosixPath("---/2026-07.csv"), "data_source")


@given(
    SECONDS, st.sampled_from(["{n}_{t}.csv", "{t}_{n}.csv.gz", "{n}.{t}.parquet", "{n}-{t}", "{n}{t}.JSON"])
)
def test_months_of_one_data_set_share_its_name(instant: datetime, form: str) -> None:
    month = Period.of(instant, PeriodKind.MONTH)
    assert dataset_of(PurePosixPath(form.format(n="orders", t=month.name)), "data_source") == "orders"


@given(st.text(max_size=120))
def test_a_slug_is_safe_and_stays_as_it_is(text: str) -> None:
    try:
        name = slug(text)
    except UsageError:
        assert not any(character.isalnum() for character in text)
        return
    assert slug(name) == name
    assert re.fullmatch(r"\w{1,100}", name)
    assert not name.startswith("_")
    assert not name.endswith("_")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Orders", "orders"),
        ("web - clicks!", "web_clicks"),
        ("Bestellungen München", "bestellungen_münchen"),
        ("Mu\u0308nchen", "münchen"),
        ("注文", "注文"),
        ("../../etc", "etc"),
        ("x" * 99 + " y", "x" * 99),
    ],
)
def test_slugs(text: str, name: str) -> None:
    assert slug(text) == name


@pytest.mark.parametrize("text", ["", "   ", "___", "../..", "!?"])
def test_a_name_without_word_characters_has_no_slug(text: str) -> None:
    with pytest.raises(UsageError, match="rename it") as error:
        slug(text)
    assert repr(text) in str(error.value)


@given(st.text(max_size=200))
def test_a_safe_file_name_is_safe(name: str) -> None:
    safe = safe_file_name(name)
    assert re.fullmatch(r"(?:[A-Za-z0-9._-]|%[0-9A-F]{2}){1,150}", safe)
    assert len(safe) <= 150
    assert safe not in {".", ".."}


@given(st.text(min_size=1, max_size=12))
def test_a_short_safe_file_name_reads_back(name: str) -> None:
    assert unquote(safe_file_name(name)) == name


@given(st.integers(0, 8), st.integers(0, 200))
def test_the_end_of_a_long_name_stays(plain: int, wide: int) -> None:
    assume(plain + wide > 0)
    name = "é" * wide + "a" * plain + ".csv"
    safe = safe_file_name(name)
    assert safe.endswith("a" * plain + ".csv")
    assert name.endswith(unquote(safe, errors="ignore"))
    assert len(safe) > 147 or unquote(safe) == name


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("orders_2026-07.csv", "orders_2026-07.csv"),
        ("a b/c%.csv", "a%20b%2Fc%25.csv"),
        ("é", "%C3%A9"),
        ("\udcff.csv", "%FF.csv"),
        ("", "_"),
        (".", "%2E"),
        ("..", "%2E%2E"),
    ],
)
def test_safe_file_names(name: str, safe: str) -> None:
    assert safe_file_name(name) == safe


@pytest.mark.parametrize(
    "name",
    [".hidden", ".DS_Store", "orders.csv.part", "orders.TMP", "x.partial", "x.CrDownload", "orders.csv~"],
)
def test_unfinished_names(name: str) -> None:
    assert skip_reason(name) is not None


@pytest.mark.parametrize("name", ["orders.csv", "part-0001.csv", "tmp", "a~b.csv", "x.part.csv", "partial"])
def test_finished_names(name: str) -> None:
    assert skip_reason(name) is None
