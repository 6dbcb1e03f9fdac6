"""Where the engine's memory does not suffice for all its threads, the same work is done alone and with one."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import duckdb
import pytest

from quarterlake.domain.column_types import INT64
from quarterlake.domain.errors import EngineMemoryError
from quarterlake.domain.reading import EVIDENCE
from quarterlake.exporting import export
from quarterlake.processing.engines.duckdb_connections import Connections
from quarterlake.processing.engines.turns import Turns
from quarterlake.processing.inspecting import inspect_path
from quarterlake.processing.samples import sample_file
from quarterlake.processing.sql import parquet_options, rows
from tests.integration.conftest import LakeTarget
from tests.integration.lakes import Scene

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from duckdb import DuckDBPyConnection

THREADS = "SELECT current_setting('threads')"
FIELDS, RECORDS, LITTLE = 100, 16_000, "150MB"
"""Two threads that each take a share of so many wide records apart need more than so little memory, one does not."""
PATIENCE = 30


@pytest.fixture(name="connections")
def opened_connections(tmp_path: Path) -> Iterator[Connections]:
    opened = Connections(lambda: tmp_path, memory=LITTLE, threads=2)
    yield opened
    opened.close()


@pytest.fixture(name="scene")
def made_scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path, LakeTarget(str(tmp_path / "lake")))


@pytest.fixture(name="wide")
def wide_file(tmp_path: Path) -> Path:
    path = tmp_path / "wide.json"
    record = ", ".join(f'"field{number}": {number}' for number in range(FIELDS))
    path.write_text(f"{{{record}}}\n" * RECORDS)
    return path


def test_wide_records_are_read_with_one_thread_where_two_take_too_much(
    connections: Connections, wide: Path, tmp_path: Path
) -> None:
    tried = []

    def sampled(connection: DuckDBPyConnection) -> int:
        tried.append(rows(connection, THREADS)[0][0])
        return sample_file(
            connection, "wide.json", wide, tmp_path, dataset="sales", records=100, stamp=None
        ).rows

    assert connections.sparing(sampled) == 100
    assert tried == [2, 1]
    assert rows(connections.shared(), THREADS) == [(2,)]


def test_wide_files_are_inspected_run_and_their_rejects_exported_in_little_memory(
    wide: Path, scene: Scene, tmp_path: Path
) -> None:
    with wide.open("a") as file:
        file.write('{"field0": 1, "field1": }\n')
    found = inspect_path(wide, EVIDENCE, first=1, memory=LITTLE, threads=2)
    assert (found.records, found.reject_counts) == (RECORDS + 1, {"not a JSON object": 1})
    scene.environment |= {"QUARTERLAKE_MEMORY": LITTLE, "QUARTERLAKE_THREADS": "2"}
    scene.put("sales_2026-01.json", wide.read_bytes())
    scene.run()
    with scene.pipeline() as pipeline:
        assert export(pipeline, "sales", tmp_path / "rejects.csv").rejects == 1


def test_what_one_thread_cannot_hold_either_is_said(connections: Connections) -> None:
    def too_much(connection: DuckDBPyConnection) -> object:
        return rows(connection, "SELECT len(list(i)) FROM range(60_000_000) numbers(i)")

    with pytest.raises(EngineMemoryError, match="QUARTERLAKE_MEMORY"):
        connections.sparing(too_much)
    assert rows(connections.shared(), THREADS) == [(2,)]


def test_other_faults_are_not_tried_again(connections: Connections) -> None:
    tried = []

    def wrong(connection: DuckDBPyConnection) -> object:
        tried.append(1)
        return rows(connection, "SELECT nothing")

    with pytest.raises(duckdb.BinderException):
        connections.sparing(wrong)
    assert tried == [1]


def test_who_wants_to_be_alone_waits_for_those_at_work_and_others_wait_for_it() -> None:
    turns, seen = Turns(), []
    at_work, leave, alone_now, end = (threading.Event() for _ in range(4))

    def beside() -> None:
        with turns.beside_others():
            at_work.set()
            assert leave.wait(PATIENCE)
            seen.append("first")

    def alone() -> None:
        with turns.alone():
            seen.append("alone")
            alone_now.set()
            assert end.wait(PATIENCE)
            seen.append("alone no more")

    def later() -> None:
        assert alone_now.wait(PATIENCE)
        with turns.beside_others():
            seen.append("later")

    workers = [threading.Thread(target=each) for each in (beside, alone, later)]
    workers[0].start()
    assert at_work.wait(PATIENCE)
    for worker in workers[1:]:
        worker.start()
    assert not alone_now.is_set()
    leave.set()
    assert alone_now.wait(PATIENCE)
    end.set()
    for worker in workers:
        worker.join(PATIENCE)
    assert seen == ["first", "alone", "alone no more", "later"]


@pytest.mark.parametrize("columns", [1, 19, 64, 65, 1000])
def test_row_groups_of_wide_tables_hold_fewer_rows(tmp_path: Path, columns: int) -> None:
    target = tmp_path / "wide.parquet"
    values = ", ".join(f"CAST(i AS BIGINT) AS c{number}" for number in range(columns))
    with duckdb.connect() as connection:
        options = parquet_options([INT64] * columns)
        connection.execute(f"COPY (SELECT {values} FROM range(130_000) r(i)) TO '{target}' ({options})")
        found = rows(
            connection,
            f"SELECT DISTINCT row_group_id, row_group_num_rows FROM parquet_metadata('{target}') ORDER BY 1",
        )
    sizes = [int(str(number)) for _, number in found]
    assert sum(sizes) == 130_000
    assert max(sizes) == 122_880 if columns <= 64 else max(sizes) * columns < 65 * 122_880 + 2048 * columns
