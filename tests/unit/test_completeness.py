from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from quarterlake.domain.completeness import Completeness, assess
from quarterlake.domain.periods import Period, PeriodKind

MONTH, QUARTER, YEAR = PeriodKind.MONTH, PeriodKind.QUARTER, PeriodKind.YEAR
DURING = datetime(2026, 8, 15, tzinfo=UTC)
Q3 = {"2026-07": 1_000, "2026-08": 1_000, "2026-09": 1_000}
MONTHS = st.builds("{:04d}-{:02d}".format, st.integers(2024, 2027), st.integers(1, 12))
RECORDS = st.dictionaries(MONTHS, st.integers(0, 5_000), max_size=12)
NOWS = st.datetimes(datetime(2023, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the strategy adds it


def quarters(
    records: dict[str, int], now: datetime = DURING, *, named: tuple[str, ...] = ()
) -> dict[str, Completeness]:
    found = assess(records, publish=QUARTER, ingest=MONTH, now=now, named=named)
    return {one.period.name: one for one in found}


def test_without_records_there_is_no_period() -> None:
    assert assess({}, publish=QUARTER, ingest=MONTH, now=DURING) == []
    assert assess({"2026-07": 0}, publish=QUARTER, ingest=MONTH, now=DURING) == []


def test_the_calendar_closes_a_quarter_at_its_end() -> None:
    end = datetime(2026, 10, 1, tzinfo=UTC)
    before = datetime(2026, 9, 30, 23, 59, 59, 999999, tzinfo=UTC)
    assert quarters(Q3, end)["2026-Q3"].is_complete
    assert not quarters(Q3, before)["2026-Q3"].is_complete
    assert quarters(Q3, before)["2026-Q3"].waits_for == "open until 2026-10-01 or until a later month lands"


def test_a_later_month_closes_a_quarter() -> None:
    found = quarters(Q3 | {"2026-10": 900})
    assert found["2026-Q3"].is_complete
    assert found["2026-Q3"].waits_for == ""
    assert not found["2026-Q4"].is_complete


def test_a_month_of_the_quarter_itself_does_not_close_it() -> None:
    assert not quarters(Q3)["2026-Q3"].closed


def test_one_record_dated_2099_closes_nothing() -> None:
    assert not quarters(Q3 | {"2099-01": 1})["2026-Q3"].is_complete
    assert not quarters({"2026-07": 1, "2026-08": 1, "2026-09": 1, "2099-01": 1})["2026-Q3"].is_complete


@pytest.mark.parametrize(("later", "closed"), [(9, False), (10, True)])
def test_a_later_month_needs_a_hundredth_of_a_usual_one(later: int, closed: bool) -> None:  # noqa: FBT001 - a table's column
    assert quarters(Q3 | {"2026-10": later})["2026-Q3"].closed is closed


def test_a_month_in_a_files_name_closes_with_one_record() -> None:
    assert quarters(Q3 | {"2026-10": 1}, named=("2026-10",))["2026-Q3"].is_complete
    assert not quarters(Q3 | {"2026-10": 1}, named=("2026-09",))["2026-Q3"].is_complete


def test_a_gap_is_waited_for_even_when_the_calendar_is_past() -> None:
    found = quarters({"2026-07": 5, "2026-09": 5}, datetime(2027, 1, 1, tzinfo=UTC))["2026-Q3"]
    assert found.lacking == ("2026-08",)
    assert found.landed == ("2026-07", "2026-09")
    assert found.closed
    assert not found.is_complete
    assert found.waits_for == "no records for 2026-08"


def test_a_month_without_records_has_not_landed() -> None:
    assert quarters(Q3 | {"2026-08": 0})["2026-Q3"].lacking == ("2026-08",)


@pytest.mark.parametrize(
    ("publish", "ingest", "period", "lacking"),
    [
        (MONTH, MONTH, "2026-07", ()),
        (QUARTER, MONTH, "2026-Q3", ("2026-08", "2026-09")),
        (QUARTER, QUARTER, "2026-Q3", ()),
        (YEAR, MONTH, "2026", tuple(f"2026-{month:02d}" for month in (1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12))),
        (YEAR, QUARTER, "2026", ("2026-Q1", "2026-Q2", "2026-Q4")),
        (YEAR, YEAR, "2026", ()),
    ],
)
def test_a_period_lacks_ingest_periods(
    publish: PeriodKind, ingest: PeriodKind, period: str, lacking: tuple[str, ...]
) -> None:
    [found] = assess({"2026-07": 5}, publish=publish, ingest=ingest, now=DURING)
    assert found.period == Period.parse(period)
    assert found.lacking == lacking
    assert found.landed == ("2026-07",)


@given(RECORDS, NOWS, st.sampled_from(PeriodKind))
def test_each_month_lies_in_one_period_in_order(
    records: dict[str, int], now: datetime, publish: PeriodKind
) -> None:
    found = assess(records, publish=publish, ingest=MONTH, now=now)
    assert [one.period for one in found] == sorted({one.period for one in found})
    assert [m for one in found for m in one.landed] == sorted(m for m, count in records.items() if count)
    for one in found:
        assert sorted((*one.landed, *one.lacking)) == [part.name for part in one.period.split(MONTH)]
        assert one.is_complete is (one.waits_for == "")


@given(RECORDS, NOWS)
def test_the_order_of_the_months_does_not_matter(records: dict[str, int], now: datetime) -> None:
    assert quarters(dict(sorted(records.items(), reverse=True)), now) == quarters(
        dict(sorted(records.items())), now
    )


@given(RECORDS, NOWS, NOWS)
def test_time_only_closes(records: dict[str, int], one: datetime, other: datetime) -> None:
    before, after = quarters(records, min(one, other)), quarters(records, max(one, other))
    assert before.keys() == after.keys()
    assert all(after[name].closed for name in before if before[name].closed)


@given(RECORDS, NOWS)
@example({"2026-07": 1_000, "2026-08": 1_000, "2026-10": 9}, DURING)
def test_a_stray_record_of_the_far_future_changes_nothing_before_it(
    records: dict[str, int], now: datetime
) -> None:
    alone, with_stray = quarters(records, now), quarters(records | {"2099-05": 1}, now)
    assert all(with_stray[name].lacking == one.lacking for name, one in alone.items())
    assert all(with_stray[name].closed is one.closed for name, one in alone.items())
    assert not with_stray["2099-Q2"].is_complete


@given(RECORDS, NOWS)
def test_only_a_past_end_or_a_later_month_closes(records: dict[str, int], now: datetime) -> None:
    last = max((Period.parse(month).start for month, count in records.items() if count > 1), default=None)
    for one in quarters(records, now).values():
        if one.closed and now < one.period.end:
            assert last is not None
            assert last >= one.period.end
        if now >= one.period.end:
            assert one.closed
