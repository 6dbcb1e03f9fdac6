"""Small files are parsed together; what comes of each is what parsing it alone gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

from quarterlake.processing.engines import duckdb as engine
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
    monkeypatch.setattr(engine, "SMALL", -1)
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
