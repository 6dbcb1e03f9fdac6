"""Byte ranges as RFC 9110 has them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterlake.delivery.ranges import UnsatisfiableError, wanted_ranges


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("bytes=0-3", [(0, 4)]),
        ("bytes=4-", [(4, 10)]),
        ("bytes=-3", [(7, 10)]),
        ("bytes=-30", [(0, 10)]),
        ("bytes=8-99", [(8, 10)]),
        ("BYTES = 0-0", [(0, 1)]),
        ("bytes=0-1, 8-9", [(0, 2), (8, 10)]),
        ("bytes=8-9,0-1", [(8, 10), (0, 2)]),
        ("bytes=0-1,20-30", [(0, 2)]),
        ("bytes=0-5,3-9", None),  # overlap
        ("bytes=3-1", None),
        ("bytes=-", None),
        ("bytes=", None),
        ("bytes=a-b", None),
        ("bytes=0-1,x", None),
        ("lines=0-1", None),
        ("bytes=" + ",".join(f"{n}-{n}" for n in range(0, 100, 2)), None),  # too many
    ],
)
def test_what_a_header_asks_for(header: str | None, expected: list[tuple[int, int]] | None) -> None:
    assert wanted_ranges(header, 10) == expected


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=99-100,50-"])
def test_what_lies_outside_cannot_be_had(header: str) -> None:
    with pytest.raises(UnsatisfiableError):
        wanted_ranges(header, 10)


@given(st.text(alphabet="bytes=0123456789-, ", max_size=40), st.integers(0, 50))
def test_whatever_is_asked_lies_in_the_file_and_does_not_overlap(header: str, size: int) -> None:
    try:
        ranges = wanted_ranges(header, size)
    except UnsatisfiableError:
        return
    taken: set[int] = set()
    for start, end in ranges or []:
        assert 0 <= start < end <= size
        assert taken.isdisjoint(range(start, end))
        taken.update(range(start, end))
