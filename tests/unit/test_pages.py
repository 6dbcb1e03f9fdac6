"""What pages draw and say, apart from HTML."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterlake.delivery.pages import wording
from quarterlake.delivery.pages.charts import bar_chart, histogram, spark_path
from quarterlake.delivery.pages.lineage import _COLUMNS, WIDTH
from quarterlake.domain.profiles import Histogram, Quantiles, Spread


@given(values=st.lists(st.integers(0, 10**12), min_size=1, max_size=60))
def test_bars_are_as_tall_as_their_values_say_and_stay_inside(values: list[int]) -> None:
    chart = bar_chart([(f"2026-{number:02}", value) for number, value in enumerate(values)])

    assert chart is not None
    highest = chart.ticks[-1].value
    assert highest >= max(values)
    assert 2 <= len(chart.ticks) <= 7
    for bar, value in zip(chart.bars, values, strict=True):
        assert bar.value == value
        assert abs(bar.height - (chart.base - chart.ticks[-1].y) * value / highest) < 0.02
        assert chart.left <= bar.x <= bar.x + bar.width <= chart.width
    shown = [bar.middle for bar in chart.bars if bar.shown]
    assert all(right - left > 75 for left, right in itertools.pairwise(shown))


def test_no_values_are_no_chart() -> None:
    assert bar_chart([]) is None
    assert spark_path([]) == spark_path([3]) == ""


@given(counts=st.lists(st.integers(0, 10**9), min_size=1, max_size=33).filter(any))
def test_a_histogram_has_a_bar_for_each_count_that_is_not_nothing(counts: list[int]) -> None:
    shape = histogram(Histogram(tuple(range(len(counts) + 1)), tuple(counts)))

    assert shape.path.count("M") == sum(count > 0 for count in counts)
    assert shape.tallest == max(counts)
    assert all(0 <= float(y) <= shape.height for y in re.findall(r"M[0-9.]+ ([0-9.]+)h", shape.path))


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (2013, "2,013"),
        ("-1234.50", "-1,234.50"),
        ("12345678901234567890123", "12,345,678,901,234,567,890,123"),
        ("0.5", "0.5"),
        (1234567, "1,234,567"),
        (-3, "-3"),
        (0.0, "0"),
        (7.975086288772036, "7.97509"),
        (1e300, "1e+300"),
        (1234567.5, "1,234,568"),
        (1e-9, "1e-09"),
        ("1.10", "1.10"),
        ("2013-07-01T00:00:00Z", "2013-07-01"),
        ("2013-07-05T21:02:31.071428Z", "2013-07-05 21:02:31"),
        (None, "none"),
    ],
)
def test_values_are_said_shortly(found: object, said: str) -> None:
    assert wording.value(found) == said  # type: ignore[arg-type]


def test_numbers_of_a_column_have_their_thousands_apart_and_years_have_not() -> None:
    def spread(low: object, mean: float, high: object) -> Spread:
        at = (low, low, low, high, high)
        return Spread(low, high, mean, 1.0, Quantiles(at, None), Histogram((low, high), (2,)))  # type: ignore[arg-type]

    times = spread(1, 1347.27, 2400)
    assert [wording.saying(times)(found) for found in (1, 1358, times.mean)] == ["1", "1,358", "1,347.27"]
    years = spread(2012, 2012.5, 2013)
    assert [wording.saying(years)(found) for found in (2012, years.mean)] == ["2012", "2012.5"]
    assert wording.saying(spread(2012.0, 2012.5, 2013.0))(2012.0) == "2,012"


def test_every_box_of_a_lineage_lies_inside_with_its_stroke() -> None:
    stroke = 1.5
    for x, width in _COLUMNS:
        assert stroke / 2 <= x <= x + width <= WIDTH - stroke / 2


def test_shares_and_sizes() -> None:
    assert [wording.share(1, 3), wording.share(0, 3), wording.share(1, 10**6), wording.share(0, 0)] == [
        "33.33%",
        "0%",
        "<0.01%",
        "0%",
    ]
    assert [wording.size(n) for n in (0, 999, 1000, 38631, 10**9)] == [
        "0 bytes",
        "999 bytes",
        "1.0 kB",
        "38.6 kB",
        "1.0 GB",
    ]


def test_code_in_messages_is_marked_and_the_rest_escaped() -> None:
    assert str(wording.ticked("<b> `a <i>` `")) == "&lt;b&gt; <code>a &lt;i&gt;</code> `"
