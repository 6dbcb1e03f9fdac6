"""What becomes of several versions of a record: under a declared key, an inferred one, and none."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from deltalake import DeltaTable
from hypothesis import example, given, settings
from hypothesis import strategies as st

from quarterlake.domain.dedup import Version, newest
from quarterlake.outcomes import Wishes
from quarterlake.overview import ledger_entries
from tests.integration.conftest import LakeTarget
from tests.integration.lakes import HEADER, Row, Scene, contract_yaml, curated_rows, names, sales

if TYPE_CHECKING:
    from quarterlake.outcomes import DatasetOutcome

FIRST_QUARTER = ("2026-01", "2026-02", "2026-03")
COLUMNS = (("id", "bigint"), ("at", "timestamp"), ("seq", "bigint"), ("value", "varchar"))
VERSION_HEADER = tuple(name for name, _ in COLUMNS)
KEYED = contract_yaml(
    COLUMNS,
    key=["id"],
    extra={"recordTime": "at", "sequence": "seq"},
    gates=[("months_present", "off", None)],
)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path, LakeTarget(str(tmp_path / "lake")))


def at(month: int, day: int) -> str:
    return f"2026-{month:02d}-{day:02d}T00:00:00Z"


def process(scene: Scene) -> DatasetOutcome:
    with scene.pipeline() as pipeline:
        pipeline.ingest(scene.source)
        outcome = pipeline.process(scene.dataset, Wishes())
        for entry in ledger_entries(pipeline, scene.dataset):
            entry.check()
    return outcome


def values(scene: Scene) -> list[tuple[object, ...]]:
    """Key, month and value of the curated records."""
    with scene.pipeline() as pipeline:
        rows = curated_rows(pipeline)
    return sorted((row["id"], row["_month"], row["value"]) for row in rows)


# Months


def test_one_file_with_many_months_keeps_every_record(scene: Scene) -> None:
    scene.put("sales.csv", [row for month in FIRST_QUARTER for row in sales(month)])

    outcome = scene.run()

    with scene.pipeline() as pipeline:
        rows = curated_rows(pipeline)
    assert sorted(row["sale_id"] for row in rows) == sorted(
        str(row[0]) for month in FIRST_QUARTER for row in sales(month)
    )
    assert all(f"{row['sold_at']:%Y-%m}" == row["_month"] for row in rows)
    assert [entry.superseded for entry in outcome.entries] == [0]
    assert names(outcome.published) == ["sales@2026-Q1.1"]


# A declared key


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param((1, at(1, 9), 1, "old"), (1, at(1, 2), 2, "new"), id="sequence"),
        pytest.param((1, at(1, 2), 5, "old"), (1, at(1, 9), 5, "new"), id="time"),
        pytest.param((1, at(1, 2), 5, "old"), (1, at(1, 2), 5, "new"), id="landing"),
        pytest.param((1, at(1, 9), "", "old"), (1, at(1, 2), 1, "new"), id="no sequence is the oldest"),
    ],
)
def test_the_newest_version_of_a_declared_key_wins(scene: Scene, old: Row, new: Row) -> None:
    scene.declare(KEYED)
    scene.put("a.csv", [old, (2, at(1, 3), 1, "other")], VERSION_HEADER)
    scene.put("b.csv", [new], VERSION_HEADER)

    outcome = process(scene)

    assert values(scene) == [(1, "2026-01", "new"), (2, "2026-01", "other")]
    assert [(entry.accepted, entry.superseded) for entry in outcome.entries] == [(1, 1), (1, 0)]


def test_a_sequence_decides_whatever_lands_first(scene: Scene) -> None:
    scene.declare(KEYED)
    scene.put("a.csv", [(1, at(1, 2), 9, "newest")], VERSION_HEADER)
    scene.put("b.csv", [(1, at(1, 5), 3, "older")], VERSION_HEADER)

    process(scene)

    assert values(scene) == [(1, "2026-01", "newest")]


def test_a_corrected_record_time_changes_both_months_in_one_commit(scene: Scene) -> None:
    scene.declare(KEYED)
    scene.put("a.csv", [(1, at(1, 2), 1, "old"), (2, at(1, 3), 1, "stays")], VERSION_HEADER)
    scene.put("b.csv", [(3, at(2, 2), 1, "there")], VERSION_HEADER)
    process(scene)
    table = str(scene.root / "lake" / "curated" / "sales")
    before = DeltaTable(table).version()
    scene.put("c.csv", [(1, at(2, 9), 2, "moved")], VERSION_HEADER)

    process(scene)

    assert values(scene) == [(1, "2026-02", "moved"), (2, "2026-01", "stays"), (3, "2026-02", "there")]
    assert DeltaTable(table).version() == before + 1


def test_the_loser_of_another_month_comes_back_when_the_winner_is_corrected_away(scene: Scene) -> None:
    scene.declare(KEYED)
    scene.put("a.csv", [(1, at(1, 2), 1, "old"), (2, at(1, 3), 1, "stays")], VERSION_HEADER)
    scene.put("c.csv", [(1, at(2, 9), 2, "moved"), (3, at(2, 9), 2, "there")], VERSION_HEADER)
    process(scene)
    scene.put("c.csv", [(3, at(2, 9), 2, "there")], VERSION_HEADER)

    process(scene)

    assert values(scene) == [(1, "2026-01", "old"), (2, "2026-01", "stays"), (3, "2026-02", "there")]


def test_a_key_of_one_month_leaves_other_months_alone(scene: Scene) -> None:
    extra: dict[str, object] = {"recordTime": "at", "sequence": "seq", "keyScope": "month"}
    scene.declare(contract_yaml(COLUMNS, key=["id"], extra=extra))
    scene.put("a.csv", [(1, at(1, 2), 1, "old"), (1, at(1, 3), 2, "new")], VERSION_HEADER)
    process(scene)
    scene.put("c.csv", [(1, at(2, 9), 2, "moved")], VERSION_HEADER)

    process(scene)

    assert values(scene) == [(1, "2026-01", "new"), (1, "2026-02", "moved")]


def test_records_without_a_key_are_never_each_others_versions(scene: Scene) -> None:
    scene.declare(KEYED)
    scene.put("a.csv", [("", at(1, 2), 1, "one"), ("", at(1, 2), 2, "two")], VERSION_HEADER)

    process(scene)

    assert [value for _, _, value in sorted(values(scene), key=str)] == ["one", "two"]


versions = st.tuples(
    st.integers(1, 3),
    st.builds(at, st.integers(1, 2), st.integers(1, 2)),
    st.sampled_from(["", 1, 2]),
    st.sampled_from(["x", "y"]),
)


def version_of(row: Row, landing: int) -> Version:
    cells: list[Any] = [None if given == "" else given for given in row]
    number, time, sequence, value = cells
    instant = datetime.fromisoformat(str(time))
    return Version(sequence, instant, landing, (number, instant, sequence, value))


@settings(max_examples=20, deadline=None)
@given(st.lists(versions, min_size=1, max_size=6), st.lists(versions, min_size=1, max_size=6))
@example([(1, at(1, 1), "", "x")], [(1, at(2, 1), "", "x"), (2, at(1, 1), 1, "y")])
def test_the_winner_is_the_newest_of_the_domain(first: list[Row], second: list[Row]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        scene = Scene(Path(folder), LakeTarget(str(Path(folder) / "lake")))
        scene.declare(KEYED)
        landed = {1: [*first, (8, at(1, 1), 1, "one")], 2: [*second, (9, at(2, 1), 1, "two")]}
        for number, rows in landed.items():
            scene.put(f"part{number}.csv", rows, VERSION_HEADER)
        process(scene)
        with scene.pipeline() as pipeline:
            curated = curated_rows(pipeline)
    found = {row["id"]: row for row in curated}
    assert len(curated) == len(found)
    every = [(row[0], version_of(row, number), row) for number, rows in landed.items() for row in rows]
    for key in {number for number, _, _ in every}:
        best = newest(version for number, version, _ in every if number == key)
        row = next(row for number, version, row in every if number == key and version == best)
        held = found[key]
        assert (held["at"], held["seq"], held["value"]) == (best.time, best.sequence, row[3])


# An inferred key, and none


def test_an_inferred_key_removes_only_rows_that_are_equal(scene: Scene) -> None:
    scene.put_months(*FIRST_QUARTER)
    equal, (number, time, store, _) = sales("2026-02")[:2]
    scene.put(
        "sales_2026-02_more.csv", [equal, (number, time, store, "99.00"), *sales("2026-02", 3, first=50)]
    )

    outcome = scene.run()

    assert outcome.contract is not None
    assert outcome.contract.key == ("sale_id",)
    assert [(entry.records, entry.accepted, entry.superseded) for entry in outcome.entries] == [
        (20, 20, 0), (20, 20, 0), (5, 4, 1), (20, 20, 0),
    ]  # fmt: skip
    found = next(gate for gate in outcome.reports[0].gates if gate.gate == "key_unique")
    assert (found.passed, found.observed, found.stops) == (False, 1, False)
    assert names(outcome.published) == ["sales@2026-Q1.1"]


def test_without_a_key_every_row_stays_and_equal_rows_are_counted(scene: Scene) -> None:
    for month in FIRST_QUARTER:
        rows = [row[1:] for row in sales(month)]
        scene.put(f"sales_{month}.csv", [*rows, *rows[:2]] if month == "2026-02" else rows, HEADER[1:])

    outcome = scene.run()

    assert outcome.contract is not None
    assert outcome.contract.key == ()
    assert sum(entry.accepted for entry in outcome.entries) == 62
    assert outcome.builds[0].observations.equal_rows == 2
    assert names(outcome.published) == ["sales@2026-Q1.1"]


def test_a_file_whose_name_alone_gives_the_time_belongs_to_that_month(scene: Scene) -> None:
    for month in FIRST_QUARTER:
        scene.put(
            f"sales_{month}.csv",
            [(row[0], row[2], row[3]) for row in sales(month)],
            ("sale_id", "store", "amount"),
        )

    outcome = scene.run(datetime(2026, 4, 1, tzinfo=UTC))

    assert outcome.builds[0].observations.rows_by_month == dict.fromkeys(FIRST_QUARTER, 20)
