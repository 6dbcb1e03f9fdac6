"""The rules of replays: lines that keep their places, sheets that give back what they were given, which replay counts."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterlake.domain.errors import UsageError
from quarterlake.domain.landings import Landing, Manifest, Replay, resolve
from quarterlake.domain.repairs import (
    TRACE,
    blanked,
    cells_of,
    in_order,
    lines_of,
    masked,
    parse_trace,
    trace_of,
)
from quarterlake.processing.sheets import OURS, SheetRow, read_sheet, write_sheet

SHA = "a" * 64
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
CELLS = st.dictionaries(st.just(TRACE) | TEXT, st.none() | TEXT, min_size=1, max_size=4)
PLACES = st.integers(0, 10**6).map("b{}".format) | st.integers(0, 10**6).map("r{}".format)


@given(st.dictionaries(PLACES, CELLS, max_size=5), st.lists(PLACES, unique=True, max_size=3))
def test_a_line_gives_back_its_cells_and_is_masked_in_place(
    repairs: dict[str, dict[str, str | None]], discards: list[str]
) -> None:
    lines = list(lines_of(SHA, repairs, discards))
    assert len(lines) == len(repairs) + len(discards)
    assert all(line.count(b"\n") == 1 for line in lines)
    for place, line in zip(in_order(repairs), lines, strict=False):
        assert cells_of(line) == repairs[place]
        assert len(masked(line)) == len(blanked(line)) == len(line)
        assert json.loads(masked(line)) == repairs[place]
        assert parse_trace(json.loads(line)[TRACE]) == (SHA, place)


def test_traces_are_read_back_and_nothing_else_is() -> None:
    assert parse_trace(f" {trace_of(SHA, 'b12')} ") == (SHA, "b12")
    for text in ("", SHA, f"{SHA}@", f"{SHA}@12", f"{SHA}@b-1", f"{SHA}@b01", f"{SHA[1:]}@b1", f"{SHA}@x1"):
        assert parse_trace(text) is None


NAMES = ["a", "=1+1", "'=1+1", "@b", "-5", "+49 30", "c d"]


@given(st.lists(st.dictionaries(st.sampled_from(NAMES), TEXT), max_size=5))
def test_a_sheet_gives_back_what_it_was_given(rows: list[dict[str, str]]) -> None:
    known = dict.fromkeys(OURS, "") | {"_trace": trace_of(SHA, "b1"), "_dataset": "orders"}
    given_rows = [SheetRow(known, cells) for cells in rows]
    stream = io.StringIO(newline="")
    assert write_sheet(stream, NAMES, given_rows) == len(rows)
    for written in csv.reader(io.StringIO(stream.getvalue().removeprefix("\ufeff"), newline="")):
        assert not any(cell.startswith(("=", "@")) for cell in written)
    found = [row for _, row in read_sheet(stream.getvalue().encode(), "here")]
    assert [{k: v for k, v in row.cells.items() if v} for row in found] == [
        {k: v for k, v in cells.items() if v} for cells in rows
    ]
    assert not any(row.is_changed for row in found)


def sheet_of(cell: str) -> bytes:
    known = dict.fromkeys(OURS, "") | {"_trace": trace_of(SHA, "b1"), "_dataset": "orders"}
    stream = io.StringIO(newline="")
    write_sheet(stream, ["a"], [SheetRow(known, {"a": cell})])
    return stream.getvalue().encode()


def test_the_longest_cell_of_an_export_is_taken_back_and_a_longer_one_refused_by_name() -> None:
    before = csv.field_size_limit()
    [(_, row)] = read_sheet(sheet_of("x" * (1 << 20)), "here")
    assert len(row.cells["a"]) == 1 << 20
    assert not row.is_changed
    with pytest.raises(
        UsageError, match=r"here, after row 1: .*with no cell of more than 4,194,304 characters"
    ):
        list(read_sheet(sheet_of("x" * (1 << 23)), "here"))
    assert csv.field_size_limit() == before, "the limit is the whole process's"


def manifest(number: int, source: str, sha256: str, replay: Replay | None = None) -> Manifest:
    return Manifest("orders", number, source, f"key-{number}", sha256, 1, "2026-05-01T00:00:00", replay)


def replay(number: int, source: str, sha256: str) -> Manifest:
    return manifest(
        number,
        f"{source}/repaired",
        f"replay-{number}",
        Replay(source, sha256, "key", "edited", "edited-key"),
    )


def shown(landings: tuple[Landing, ...]) -> list[tuple[int | None, str | None, int | None]]:
    return [(landing.replaced_by, landing.duplicate_of, landing.repairs) for landing in landings]


def test_the_newest_replay_of_live_bytes_counts() -> None:
    first = [manifest(1, "a.csv", "1"), replay(2, "a.csv", "1"), replay(3, "a.csv", "1")]
    assert shown(resolve(first)) == [(None, None, None), (3, None, None), (None, None, 1)]
    corrected = [*first, manifest(4, "a.csv", "2")]
    assert shown(resolve(corrected)) == [
        (4, None, None),
        (3, None, None),
        (4, None, None),
        (None, None, None),
    ]
    back = [*corrected, manifest(5, "a.csv", "1")]
    assert shown(resolve(back))[2:] == [(None, None, 5), (5, None, None), (None, None, None)]


def test_bytes_that_go_on_under_another_name_keep_their_replay() -> None:
    landed = [
        manifest(1, "a.csv", "1"),
        manifest(2, "b.csv", "1"),
        replay(3, "a.csv", "1"),
        manifest(4, "a.csv", "2"),
    ]
    assert shown(resolve(landed)) == [
        (4, None, None),
        (None, None, None),
        (None, None, 2),
        (None, None, None),
    ]
