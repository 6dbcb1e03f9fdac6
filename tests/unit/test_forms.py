"""Formats by the whole column's evidence, on a real DuckDB: what is read is what was written, or it stays text."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import reduce
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarterlake.domain.column_types import DATE, INT64, STRING, TIMESTAMP, ColumnType
from quarterlake.domain.inference import Evidence, infer, plain, widened
from quarterlake.domain.time_forms import named_like_time
from quarterlake.domain.value_formats import NumberFormat, format_for, read_format
from quarterlake.processing.casts import cast_text
from quarterlake.processing.evidence import gather_evidence
from quarterlake.processing.sql import literal, rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@pytest.fixture(name="connection", scope="module")
def opened_connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as opened:
        opened.execute("SET TimeZone = 'UTC'")
        yield opened


def evidence(connection: duckdb.DuckDBPyConnection, texts: Sequence[str]) -> Evidence:
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE texts AS SELECT unnest(?::VARCHAR[]) AS t", [list(texts)]
    )
    return gather_evidence(connection, ["t"], "texts", forms=True)[0]


def values(
    connection: duckdb.DuckDBPyConnection,
    texts: Sequence[str],
    kind: ColumnType,
    form: str,
    zone: str = "UTC",
) -> list[Any]:
    made = ", ".join(f"({literal(text)})" for text in texts)
    return [
        row[0]
        for row in rows(connection, f"SELECT {cast_text('t', kind, zone, form)} FROM (VALUES {made}) v(t)")
    ]


@pytest.mark.parametrize(
    ("texts", "name", "kind", "form"),
    [
        (["31/01/2024", "01/02/2024"], "d", "date", "d/M/yyyy"),
        (["01/31/2024", "1/2/2024"], "d", "date", "M/d/yyyy"),
        (["31-01-2024", "01-02-2024"], "d", "date", "d-M-yyyy"),
        (["01/02/2024", "03/04/2024"], "d", "string", ""),
        (["31/01/2024", "01/31/2024"], "d", "string", ""),
        (["1.2.2024", "3.4.2024"], "d", "date", "d.M.yyyy"),
        (["2024/1/31", "2024/02/01"], "d", "date", "yyyy/M/d"),
        (["2024-1-3", "2024-01-31"], "d", "date", "yyyy-M-d"),
        (["3 Mar 2024", "12 DEC 2023"], "d", "date", "d MMM yyyy"),
        (["March 3, 2024", "May 4, 2023"], "d", "date", "MMMM d, yyyy"),
        (["1/31/2024, 3:04:05 PM"], "d", "timestamp", "M/d/yyyy, h:mm[:ss][ ]a"),
        (["31.01.2024 10:30", "01.02.2024 7:05:09.25"], "d", "timestamp", "d.M.yyyy H:mm[:ss[.SSSSSS]]"),
        (["31.01.2024 10:30", "01.02.2024"], "d", "timestamp", "d.M.yyyy[ H:mm[:ss[.SSSSSS]]]"),
        (["10/Oct/2000:13:55:36 -0700"], "t", "timestamp", "d/MMM/yyyy:H:mm[:ss[.SSSSSS]][[ ]X]"),
        (["20240131", "20240201"], "order_date", "date", "yyyyMMdd"),
        (["20240131", "20240201"], "amount", "int64", ""),
        (["12340131", "12350131"], "order_date", "int64", ""),
        (["20240131101112"], "time", "timestamp", "yyyyMMddHHmmss"),
        (["1720000000", "1720000001"], "created_at", "timestamp", "epoch_s 1990-2099"),
        (["1720000000123"], "eventTime", "timestamp", "epoch_ms 1990-2099"),
        (["1720000000123456"], "ts", "timestamp", "epoch_us 1990-2099"),
        (["1720000000123456000"], "ts", "timestamp", "epoch_ns 1990-2099"),
        (["1720000000123456789"], "ts", "int64", ""),  # microseconds do not hold it: it stays exact
        (["1720000000", "1720000001"], "phone", "int64", ""),
        (["1720000000", "17"], "created_at", "int64", ""),
        (["1234,56", "7,5"], "a", "decimal(18,2)", "1234,56"),
        (["1.234,56", "7,5"], "a", "decimal(18,2)", "1.234,56"),
        (["1,234.56", "7.5"], "a", "decimal(18,2)", "1,234.56"),
        (["1\u202f234,5", "1 000 000"], "a", "decimal(18,1)", "1 234,56"),
        (["1'234.50", "1\u2019000"], "a", "decimal(18,2)", "1'234.56"),
        (["1,234", "1,234,567"], "a", "int64", "1,234"),
        (["1,234", "5,678"], "a", "string", ""),
        (["1.234", "5.678"], "a", "decimal(18,3)", ""),
        (["0,123", "5,678"], "a", "decimal(18,3)", "1234,56"),
        (["1.5", "1,5"], "a", "string", ""),
        (["1.5"] * 20 + ["1,5"], "a", "decimal(18,1)", ""),
        (["1.234.567", "1,234.5"], "a", "string", ""),
        (["192.168.0.1", "10.0.0.1"], "ip", "string", ""),
        (["007", "1,5"], "a", "string", ""),
        (["31/01/24", "01/02/24"], "d", "string", ""),  # of which century?
    ],
)
def test_the_whole_column_decides(
    connection: duckdb.DuckDBPyConnection, texts: list[str], name: str, kind: str, form: str
) -> None:
    found = infer(evidence(connection, texts), name)
    assert (str(found.type), found.format) == (kind, form)
    if form:
        assert None not in values(connection, texts, found.type, form)


def test_what_cannot_be_decided_says_how_it_might_be_read(connection: duckdb.DuckDBPyConnection) -> None:
    found = infer(evidence(connection, ["01/02/2024 10:00"]), "d")
    assert found.alternatives == ("d/M/yyyy H:mm[:ss[.SSSSSS]]", "M/d/yyyy H:mm[:ss[.SSSSSS]]")
    assert "no date in it tells d/M/yyyy from M/d/yyyy" in found.note
    assert infer(evidence(connection, ["1,234"]), "a").alternatives == ("1,234", "1234,56")


def test_impossible_dates_and_other_writings_are_none(connection: duckdb.DuckDBPyConnection) -> None:
    texts = [
        "30/02/2024",
        "31/04/2024",
        "29/02/2023",
        "1/1/24",
        "2024-01-01",
        "1/1/2024 10:00",
        " 1/1/2024 ",
        "32/1/2024",
    ]
    found = values(connection, texts, DATE, "d/M/yyyy")
    assert found == [None] * 6 + [date(2024, 1, 1), None]


def test_offsets_are_taken_to_utc_and_local_times_are_the_zones(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    form = "d/M/yyyy H:mm[:ss][[ ]X]"
    texts = [
        "15/1/2024 12:00 +02:00",
        "15/1/2024 12:00Z",
        "15/1/2024 12:00",
        "31/3/2024 2:30",
        "27/10/2024 2:30",
    ]
    found = values(connection, texts, TIMESTAMP, form, "Europe/Berlin")
    noon = datetime(2024, 1, 15, 12, tzinfo=UTC)
    hour = timedelta(hours=1)
    # A time that clocks skip is none; of one that comes twice the later is meant.
    assert found == [noon - 2 * hour, noon, noon - hour, None, datetime(2024, 10, 27, 1, 30, tzinfo=UTC)]


def test_epochs_are_exact_and_within_their_years(connection: duckdb.DuckDBPyConnection) -> None:
    start = datetime(1970, 1, 1, tzinfo=UTC)
    assert values(connection, ["0", "-1", "1.5", "x", "99999999999999999"], TIMESTAMP, "epoch_s") == [
        start,
        start - timedelta(seconds=1),
        start + timedelta(seconds=1.5),
        None,
        None,
    ]
    assert values(connection, ["1720000000", "1720000000123"], TIMESTAMP, "epoch_ms 1990-2099") == [
        None,
        datetime(2024, 7, 3, 9, 46, 40, 123_000, tzinfo=UTC),
    ]
    assert (
        values(connection, ["1720000000123456789", "1720000000123456000"], TIMESTAMP, "epoch_ns")[0] is None
    )


PATTERNS = {
    "d/M/yyyy": "%d/%m/%Y",
    "M/d/yyyy": "%m/%d/%Y",
    "d.M.yyyy H:mm[:ss[.SSSSSS]]": "%d.%m.%Y %H:%M:%S.%f",
    "yyyy/M/d H:mm[:ss[.SSSSSS]]": "%Y/%m/%d %H:%M:%S",
    "d MMM yyyy": "%d %b %Y",
    "MMMM d, yyyy": "%B %d, %Y",
    "M/d/yyyy, h:mm[:ss][ ]a": "%m/%d/%Y, %I:%M:%S %p",
    "EEE, d MMM yyyy H:mm[:ss[.SSSSSS]][[ ]X]": "%a, %d %b %Y %H:%M:%S +0000",
}


@settings(deadline=None, max_examples=60)
@given(
    pattern=st.sampled_from(sorted(PATTERNS)),
    moments=st.lists(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)), min_size=1, max_size=5),  # noqa: DTZ001
)
def test_times_read_back_as_they_were_written(
    connection: duckdb.DuckDBPyConnection, pattern: str, moments: list[datetime]
) -> None:
    texts = [moment.strftime(PATTERNS[pattern]) for moment in moments]
    written = [
        datetime.strptime(text.replace(" +0000", ""), PATTERNS[pattern].replace(" +0000", ""))  # noqa: DTZ007
        for text in texts
    ]
    found = infer(evidence(connection, texts), "d")
    if found.type == STRING:
        assert pattern in found.alternatives
        return
    if found.type == DATE:
        assert values(connection, texts, DATE, found.format) == [moment.date() for moment in written]
    else:
        assert values(connection, texts, TIMESTAMP, found.format) == [m.replace(tzinfo=UTC) for m in written]


GROUPS = {"": "", ".": ".", ",": ",", " ": "\u202f", "'": "'"}


def spelled(number: Decimal, group: str, decimal: str) -> str:
    return f"{number:,f}".replace(",", "_").replace(".", decimal).replace("_", GROUPS[group])


@settings(deadline=None, max_examples=100)
@given(
    numbers=st.lists(
        st.builds(
            lambda n, scale: Decimal(n).scaleb(-scale), st.integers(-(10**9), 10**9), st.integers(0, 4)
        ),
        min_size=1,
        max_size=6,
    ),
    marks=st.sampled_from([(g, d) for g in GROUPS for d in ".," if g != d]),
)
def test_numbers_read_back_as_they_were_written_or_stay_text(
    connection: duckdb.DuckDBPyConnection, numbers: list[Decimal], marks: tuple[str, str]
) -> None:
    texts = [spelled(number, *marks) for number in numbers]
    found = infer(evidence(connection, texts), "a")
    if found.type == STRING:
        assert found.alternatives
        return
    read = [Decimal(str(value)) for value in values(connection, texts, found.type, found.format)]
    # A point alone is a decimal point, whoever wrote it: nothing in such a column says otherwise.
    alone = not found.format and marks[0] == "."
    assert read == numbers or alone


TEXTS = st.lists(
    st.sampled_from(
        [
            "31/01/2024",
            "01/02/2024",
            "01/31/2024",
            "2024-01-31",
            "1,234",
            "1.234,5",
            "12",
            "1.5",
            "1720000000",
            "NA",
            "x",
        ]
    ),
    max_size=5,
)


@settings(deadline=None, max_examples=40)
@given(parts=st.lists(TEXTS, min_size=1, max_size=4), seed=st.randoms())
def test_the_order_of_files_decides_nothing(
    connection: duckdb.DuckDBPyConnection, parts: list[list[str]], seed: Any
) -> None:
    found = [evidence(connection, texts) for texts in parts]
    together = evidence(connection, [text for texts in parts for text in texts])
    seed.shuffle(found)
    assert infer(reduce(Evidence.__add__, found, Evidence()), "created_at") == infer(together, "created_at")


def test_a_formatted_number_widens_by_its_own_format(connection: duckdb.DuckDBPyConnection) -> None:
    misfits = plain(evidence(connection, ["1.234,567", "8,125"]), "1.234,56")
    assert str(widened(ColumnType.parse("decimal(18,2)"), 100, misfits)) == "decimal(19,3)"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("d/M", "lacks a year"),
        ("yyyy-MM-dd'T", "quote without"),
        ("yyyy-MM-dd[ HH", "bracket without"),
        ("yyyy-QQ-dd", "QQ, which is not known"),
        ("h:mm d/M/yyyy", "lacks a year"),
        ("epoch_h", "no epoch"),
        ("1.234.56", "no format of numbers"),
        ("12", "no format of numbers"),
    ],
)
def test_what_is_no_format_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_format(text)


def test_formats_and_types_go_together() -> None:
    assert isinstance(format_for("1.234,56", INT64), NumberFormat)
    for text, kind in [("1.234,56", DATE), ("d/M/yyyy", INT64), ("d/M/yyyy H:mm", DATE), ("epoch_s", DATE)]:
        with pytest.raises(ValueError, match=r"a format of|a time of day"):
            format_for(text, kind)


@pytest.mark.parametrize(
    "name",
    [
        "created_at",
        "eventTime",
        "TS",
        "unix_timestamp",
        "OrderDate",
        "updatedAt",
        "orderdate",
        "eventtimestamp",
    ],
)
def test_names_of_times(name: str) -> None:
    assert named_like_time(name)


@pytest.mark.parametrize("name", ["id", "phone", "amount", "flat", "rate", "customer", "candidate", "uptime"])
def test_names_of_other_things(name: str) -> None:
    assert not named_like_time(name)
