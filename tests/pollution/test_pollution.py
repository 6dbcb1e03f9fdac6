from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.pollution.pollutions import COUNT, Polluted, pollutions
from tests.pollution.readers import quarterlake_reader
from tests.pollution.scoring import MOST, Read, score

if TYPE_CHECKING:
    from pathlib import Path

ALL = list(pollutions())
FLOORS = {
    "one record": 9.95,  # the record itself is rejected: 83 of 84 are left
    "no escape": 9.5,  # a quote that nothing escapes: what it stands in is rejected
}


def read(polluted: Polluted, folder: Path) -> float:
    path = folder / "polluted.csv"
    path.write_bytes(polluted.data)
    return score(polluted, quarterlake_reader(path))


@pytest.mark.parametrize("polluted", ALL, ids=lambda one: f"{one.kind}: {one.name}")
def test_a_polluted_file_is_read_like_the_clean_one(polluted: Polluted, tmp_path: Path) -> None:
    floor = FLOORS.get(polluted.name, FLOORS.get(polluted.kind, MOST))
    assert read(polluted, tmp_path) >= floor - 1e-9


def test_a_perfect_reader_gets_everything_and_one_that_fails_nothing() -> None:
    for polluted in ALL:
        if polluted.rows:
            assert score(polluted, Read(polluted.header or [], polluted.rows)) == pytest.approx(MOST)
            assert score(polluted, None) == 0
            half = score(polluted, Read(polluted.header or [], polluted.rows[: COUNT // 2]))
            assert half < MOST - 1 or len(polluted.rows) == 1
