"""Small files are parsed together; what comes of each is what parsing it alone gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

from quarterlake.processing.engines import duckdb_connections, parse_groups
from quarterlake.processing.engines.duckdb_connections import Connections
from quarterlake.processing.small_files import SMALL
from tests.integration.conftest import LakeTarget
from tests.integration.lakes import HEADER, Row, Scene, csv_text, names, objects, sales

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest


ODD: dict[int, Callable[[list[Row]], bytes]] = {
    4: lambda rows: csv_text([*rows, ("bad", "no time", "north", 1)]),
    7: lambda rows: csv_text(rows, HEADER[::-1]),  # no record of it fits
    11: lambda rows: csv_text(rows).replace(b"north", b'no"rth'),
    13: lambda rows: csv_text(rows).replace(b"\n", b"\r\n"),
    15: lambda _: b"",
    17: lambda rows: csv_text([row[::-1] for row in rows], HEADER[::-1]),
    19: lambda rows: csv_text([*rows, *sales("2026-02", 3, first=900)]),
    21: lambda rows: csv_text(rows).replace(b",", b";"),
    23: lambda rows: csv_text(rows).replace(b"south", b'"so,uth"'),
    25: lambda rows: csv_text(rows) + b'"never closed,2026-01-01T00:00:00Z,x,1',
    27: lambda rows: csv_text(rows).replace(b"north", b""),
}


def lay_out(scene: Scene) -> None:
    """Thirty files: most alike, some with what sets them apart."""
    for number in range(30):
        month = f"2026-{1 + number % 3:02d}"
        rows = sales(month, 9, first=1 + 9 * number)
        scene.put(f"sales_{month}_{number:02d}.csv", ODD.get(number, csv_text)(rows))


def outcome_of(scene: Scene) -> tuple[list[str], dict[str, str], list[object], dict[str, bytes]]:
    outcome = scene.run()
    with scene.pipeline() as pipeline:
        found = objects(pipeline.lake.curated, "_quarterlake/") | objects(pipeline.lake.aggregated, "sales/")
    kept = {
        key: data
        for key, data in found.items()
        if "_delta_log" not in key  # which has times
    }
    return names(outcome.published), outcome.refused, list(outcome.entries), kept


def test_files_that_are_parsed_together_give_what_each_gives_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenes = [Scene(tmp_path / name, LakeTarget(str(tmp_path / name / "lake"))) for name in ("one", "two")]
    for scene in scenes:
        lay_out(scene)
    together = outcome_of(scenes[0])
    monkeypatch.setattr(parse_groups, "SMALL", -1)
    alone = outcome_of(scenes[1])
    assert together[:3] == alone[:3]
    assert together[3].keys() == alone[3].keys()
    different = [key for key, data in together[3].items() if data != alone[3][key]]
    # Of a column without nulls, DuckDB says so in a file that it writes alone, not in one of several.
    assert all("/parsed/" in key and key.endswith(".parquet") for key in different)
    for key in different:
        one, two = (
            duckdb.read_parquet(str(tmp_path / name / "lake" / "curated" / key)) for name in ("one", "two")
        )
        assert (one.columns, one.types, one.fetchall()) == (two.columns, two.types, two.fetchall())


def test_the_rest_of_a_broken_record_is_no_record_beside_other_files_either(tmp_path: Path) -> None:
    """After the second stray quote DuckDB drops a record's beginning and takes its end for another: as many as there should be."""
    scene = Scene(tmp_path, LakeTarget(str(tmp_path / "lake")))
    broken = b'2,"a"b,x,"c"d,west,2026-01-06,777.5\n'
    for month, line in (("2026-01", broken), ("2026-02", b""), ("2026-03", b"")):
        header = b"sale_id,store,sold_at,amount\n"
        rows = b"".join(f"{month}-{n},north,{month}-05,1.5\n".encode() for n in range(2))
        scene.put(
            f"sales_{month}.csv", header + rows + line + rows.replace(b"-0,", b"-8,").replace(b"-1,", b"-9,")
        )
    found = {entry.source[-11:-4]: (entry.accepted, entry.rejected) for entry in scene.run().entries}
    assert found == {"2026-01": (4, 1), "2026-02": (4, 0), "2026-03": (4, 0)}


def test_the_records_of_each_file_stay_in_their_order(tmp_path: Path) -> None:
    """DuckDB's own partitions do not keep it: of a hundred files of nine records sixteen came out otherwise."""
    scene = Scene(tmp_path, LakeTarget(str(tmp_path / "lake")))
    for number in range(100):
        rows = sales("2026-02", 1 + number % 20, first=100 * number)
        if number % 7 == 0:
            rows += sales("2026-01", 3, first=100 * number + 50)
        scene.put(f"sales_2026-02_{number:03d}.csv", rows)
    scene.run()
    parsed = sorted((tmp_path / "lake" / "curated").glob("_quarterlake/sales/parsed/*.parquet"))
    assert len(parsed) == 100
    for path in parsed:
        ids = duckdb.read_parquet(str(path)).project("sale_id").fetchall()
        assert ids == sorted(ids)


def test_a_column_named_like_the_engines_own_row_number_changes_no_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []
    for name, small in (("one", SMALL), ("two", -1)):
        scene = Scene(tmp_path / name, LakeTarget(str(tmp_path / name / "lake")))
        for number in range(4):
            rows = [f"{9 - i},2026-{1 + i % 3:02d}-05T00:00:00Z,{number * 10 + i}" for i in range(6)]
            scene.put(f"sales_{number}.csv", "\n".join(["rowid,sold_at,sale_id", *rows, ""]).encode())
        monkeypatch.setattr(parse_groups, "SMALL", small)
        scene.run()
        with scene.pipeline() as pipeline:
            parsed = [
                str(tmp_path / name / "lake" / "curated" / key)
                for key in sorted(objects(pipeline.lake.curated, "_quarterlake/"))
                if "/parsed/" in key and key.endswith(".parquet")
            ]
        written.append([duckdb.read_parquet(path).fetchall() for path in parsed])
    assert len(written[0]) == 4
    assert written[0] == written[1]


def test_engines_of_one_thread_are_lent_again(tmp_path: Path) -> None:
    connections = Connections(lambda: tmp_path, memory="100MB", threads=1)
    with connections.of_one_thread() as first, connections.of_one_thread() as beside:
        assert beside is not first
    with connections.of_one_thread() as again:
        assert again in (first, beside)
    connections.close()


def test_files_too_large_for_the_small_engines_memory_are_parsed_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duckdb_connections, "_SMALL_MEMORY", "1MB")
    scene = Scene(tmp_path, LakeTarget(str(tmp_path / "lake")))
    for number in range(3):
        scene.put(f"sales_2026-0{1 + number}.csv", csv_text(sales(f"2026-0{1 + number}", 2000)))
    outcome = scene.run()
    assert [entry.accepted for entry in outcome.entries] == [2000] * 3
