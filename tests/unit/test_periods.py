from __future__ import annotations

import pickle
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterlake.domain.errors import UsageError
from quarterlake.domain.periods import Period, PeriodKind

KINDS = st.sampled_from(PeriodKind)
ZONES = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
INSTANTS = st.datetimes(
    min_value=datetime(1, 1, 2),  # noqa: DTZ001 - the strategy adds the zone
    max_value=datetime(9998, 12, 30),  # noqa: DTZ001
    timezones=ZONES,
)
PERIODS = st.builds(Period.of, INSTANTS, KINDS)


@given(INSTANTS, KINDS)
def test_an_instant_lies_in_its_period_and_in_no_neighbour(instant: datetime, kind: PeriodKind) -> None:
    period = Period.of(instant, kind)
    assert period.contains(instant)
    assert period.start <= instant < period.end
    if period.end.year < 9999:
        assert not period.next().contains(instant)


@given(PERIODS)
def test_a_name_reads_back(period: Period) -> None:
    assert Period.parse(period.name) == period
    assert str(period) == period.name


@given(PERIODS.filter(lambda period: 1 < period.start.year < 9998))
def test_neighbours_touch(period: Period) -> None:
    assert period.next().start == period.end
    assert period.next().previous() == period
    assert period.previous() < period < period.next()


@given(PERIODS, KINDS)
def test_the_parts_cover_the_whole(period: Period, kind: PeriodKind) -> None:
    if kind.months > period.kind.months:
        with pytest.raises(ValueError, match="cannot be split"):
            period.split(kind)
        return
    parts = period.split(kind)
    assert parts[0].start == period.start
    assert parts[-1].end == period.end
    assert all(left.end == right.start for left, right in pairwise(parts))
    assert {part.widen(period.kind) for part in parts} == {period}


@given(st.lists(st.builds(Period.of, INSTANTS, st.just(PeriodKind.MONTH))))
def test_months_sort_like_their_names(months: list[Period]) -> None:
    assert [month.name for month in sorted(months)] == sorted(month.name for month in months)


@pytest.mark.parametrize(
    ("name", "start", "end", "kind"),
    [
        ("2026-07", (2026, 7), (2026, 8), PeriodKind.MONTH),
        ("2026-12", (2026, 12), (2027, 1), PeriodKind.MONTH),
        ("2026-Q3", (2026, 7), (2026, 10), PeriodKind.QUARTER),
        ("2026-Q4", (2026, 10), (2027, 1), PeriodKind.QUARTER),
        ("2026", (2026, 1), (2027, 1), PeriodKind.YEAR),
        ("0001", (1, 1), (2, 1), PeriodKind.YEAR),
        ("9998-Q4", (9998, 10), (9999, 1), PeriodKind.QUARTER),
    ],
)
def test_names(name: str, start: tuple[int, int], end: tuple[int, int], kind: PeriodKind) -> None:
    period = Period.parse(name)
    assert period.start == datetime(*start, 1, tzinfo=UTC)
    assert period.end == datetime(*end, 1, tzinfo=UTC)
    assert (period.kind, period.name) == (kind, name)


def test_a_lower_case_quarter_is_understood() -> None:
    assert Period.parse("2026-q3").name == "2026-Q3"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-13",
        "2026-00",
        "2026-Q5",
        "2026-Q0",
        "2026-7",
        "0000",
        "9999",
        "2026-07-15",
        " 2026",
        "2026-07\n",
        "२०२६",
    ],
)
def test_other_text_is_refused_with_the_accepted_forms(text: str) -> None:
    with pytest.raises(UsageError, match=r"names no period: .*2026-07.*2026-Q3.*2026") as error:
        Period.parse(text)
    assert repr(text) in str(error.value)


def test_an_instant_is_turned_to_utc_first() -> None:
    new_year_in_kolkata = datetime(2027, 1, 1, 3, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    assert Period.of(new_year_in_kolkata, PeriodKind.MONTH).name == "2026-12"


def test_a_date_is_its_midnight_in_utc() -> None:
    july = Period.of(date(2026, 7, 1), PeriodKind.MONTH)
    assert july.name == "2026-07"
    assert july.contains(date(2026, 7, 31))
    assert not july.contains(date(2026, 8, 1))


def test_a_naive_datetime_is_refused() -> None:
    naive = datetime(2026, 7, 1)  # noqa: DTZ001
    with pytest.raises(ValueError, match="no time zone"):
        Period.of(naive, PeriodKind.MONTH)
    with pytest.raises(ValueError, match="no time zone"):
        Period.parse("2026-07").contains(naive)


@pytest.mark.parametrize(
    "instant",
    [
        datetime(9999, 1, 1, tzinfo=UTC),
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))),
        datetime.min.replace(tzinfo=timezone(timedelta(hours=1))),
    ],
)
def test_instants_beyond_the_range_are_refused(instant: datetime) -> None:
    with pytest.raises(ValueError, match="years 1 to 9998"):
        Period.of(instant, PeriodKind.YEAR)
    assert not Period.parse("2026").contains(instant)


def test_there_is_nothing_before_the_first_period_or_after_the_last() -> None:
    with pytest.raises(ValueError, match="years 1 to 9998"):
        Period.parse("9998-12").next()
    with pytest.raises(ValueError, match="years 1 to 9998"):
        Period.parse("0001-Q1").previous()


def test_a_start_inside_a_period_is_refused() -> None:
    with pytest.raises(ValueError, match="does not begin a quarter"):
        Period(datetime(2026, 8, 1, tzinfo=UTC), PeriodKind.QUARTER)


def test_a_quarter_does_not_lie_in_a_month() -> None:
    with pytest.raises(ValueError, match="does not lie in one month"):
        Period.parse("2026-Q3").widen(PeriodKind.MONTH)


def test_a_shorter_period_with_the_same_start_comes_first() -> None:
    periods = [Period.parse(name) for name in ("2026", "2026-Q1", "2026-02", "2026-01")]
    assert [period.name for period in sorted(periods)] == ["2026-01", "2026-Q1", "2026", "2026-02"]


def test_a_period_survives_pickling() -> None:
    period = Period.parse("2026-Q3")
    assert pickle.loads(pickle.dumps(period)) == period  # noqa: S301 - our own bytes
