from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterlake.domain.errors import LedgerError
from quarterlake.domain.ledger import FileEntry, release_entry, totals

COUNTS = st.integers(0, 1_000)
MONTHS = [f"2026-{month:02d}" for month in range(1, 13)]


def entry(records: int = 0, accepted: int = 0, rejected: int = 0, superseded: int = 0) -> FileEntry:
    return FileEntry(
        dataset="orders",
        source="orders_2026-07.csv",
        sha256="ab",
        size=100,
        records=records,
        accepted=accepted,
        rejected=rejected,
        superseded=superseded,
    )


BALANCED = st.builds(lambda a, r, s: entry(a + r + s, a, r, s), COUNTS, COUNTS, COUNTS)


@given(BALANCED)
def test_a_balanced_entry_passes(balanced: FileEntry) -> None:
    balanced.check()


@given(BALANCED, st.sampled_from(["records", "accepted", "rejected", "superseded"]), COUNTS.filter(bool))
def test_any_one_count_off_is_an_error(balanced: FileEntry, count: str, off: int) -> None:
    wrong = msgspec.structs.replace(balanced, **{count: getattr(balanced, count) + off})
    with pytest.raises(LedgerError, match=r"orders_2026-07\.csv does not balance"):
        wrong.check()


@pytest.mark.parametrize(
    "wrong",
    [entry(5, 6, 0, -1), entry(5, 6, -1, 0), entry(5, -1, 6, 0), entry(-1, -1, 0, 0)],
    ids=["superseded", "rejected", "accepted", "records"],
)
def test_a_negative_count_is_an_error_even_where_the_sum_is_right(wrong: FileEntry) -> None:
    with pytest.raises(LedgerError):
        wrong.check()


def test_a_file_without_records_balances() -> None:
    entry().check()


def test_nothing_totals_to_nothing() -> None:
    assert totals([]) == {"files": 0, "records": 0, "accepted": 0, "rejected": 0, "superseded": 0}


@given(st.lists(BALANCED, max_size=5), st.lists(BALANCED, max_size=5))
def test_totals_add_up_and_balance(first: list[FileEntry], second: list[FileEntry]) -> None:
    both, left, right = totals(first + second), totals(first), totals(second)
    assert both == {name: left[name] + right[name] for name in both}
    assert both["files"] == len(first) + len(second)
    assert both["records"] == both["accepted"] + both["rejected"] + both["superseded"]


def test_a_release_tells_records_of_other_quarters_from_its_own() -> None:
    part = release_entry(
        entry(10, 7, 2, 1), {"2026-06": 3, "2026-07": 1, "2026-08": 3}, ["2026-07", "2026-08", "2026-09"]
    )
    assert (part.accepted, part.accepted_elsewhere, part.rejected, part.superseded) == (4, 3, 2, 1)
    assert (part.source, part.sha256, part.records) == ("orders_2026-07.csv", "ab", 10)
    assert part.balances


def test_more_accepted_by_month_than_by_file_does_not_balance() -> None:
    assert not release_entry(entry(2, 2), {"2026-07": 3}, ["2026-07"]).balances


@given(st.dictionaries(st.sampled_from(MONTHS), COUNTS), COUNTS, COUNTS)
def test_the_quarters_releases_together_hold_each_accepted_record_once(
    by_month: dict[str, int], rejected: int, superseded: int
) -> None:
    accepted = sum(by_month.values())
    file = entry(accepted + rejected + superseded, accepted, rejected, superseded)
    parts = [release_entry(file, by_month, MONTHS[start : start + 3]) for start in range(0, 12, 3)]
    assert all(part.balances for part in parts)
    assert sum(part.accepted for part in parts) == accepted
