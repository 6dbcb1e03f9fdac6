"""Names that people and systems give to files: what is one path, what is skipped, and what a terminal is spared."""

from __future__ import annotations

import json
import subprocess
import sys
import unicodedata
from typing import TYPE_CHECKING

import pytest

from quarterlake.domain.printable import printable
from quarterlake.ingestion.discover import discover
from quarterlake.overview import reject_entries
from tests.integration.conftest import LakeTarget
from tests.integration.lakes import HEADER, Scene, contract_yaml, csv_text, names, sales

if TYPE_CHECKING:
    from pathlib import Path

QUARTER = ("2026-01", "2026-02", "2026-03")
COLUMNS = (
    ("sale_id", "varchar"),
    ("sold_at", "timestamp"),
    ("store", "varchar"),
    ("amount", "decimal(18,2)"),
)
ODD = "caf\u00e9 [/bold]\x1b[31m\u202e"


def scene_of(root: Path) -> Scene:
    return Scene(root, LakeTarget(str(root / "lake")))


def test_a_name_composed_in_two_ways_is_one_path(tmp_path: Path) -> None:
    scene = scene_of(tmp_path)
    for month in QUARTER:
        scene.put(unicodedata.normalize("NFD", f"caf\u00e9_{month}.csv"), sales(month))
    assert names(scene.run().published) == ["sales@2026-Q1.1"]
    # A copy over another system: other bytes of the name, the same path, so a correction and not a second file.
    for path in list((scene.source / "sales").iterdir()):
        path.unlink()
    for month in QUARTER:
        scene.put(unicodedata.normalize("NFC", f"caf\u00e9_{month}.csv"), sales(month, 21))
    outcome = scene.run()
    assert names(outcome.published) == ["sales@2026-Q1.2"]
    assert sum(outcome.records_by_month.values()) == 63


def test_two_files_whose_names_are_one_path_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "orders"
    folder.mkdir()
    for form in ("NFC", "NFD"):
        (folder / unicodedata.normalize(form, "\u00fc_2026-01.csv")).write_bytes(b"a\n1\n")
    if len(list(folder.iterdir())) == 1:
        pytest.skip("this file system composes names itself")
    found = discover(tmp_path)
    assert not found.files
    assert "composed in different ways" in found.refused["orders/\u00fc_2026-01.csv"]


def test_folders_named_like_columns_change_no_value(tmp_path: Path) -> None:
    """DuckDB's readers take `store=9` in a path for the column `store`."""
    found = []
    for root in (tmp_path / "plain", tmp_path / "store=9" / "amount=3" / "[x]*"):
        root.mkdir(parents=True)
        scene = scene_of(root)
        scene.declare(contract_yaml(COLUMNS, gates=[("reject_ratio", "warning", None)]))
        bad = ("x", "2026-02-01T00:00:00Z", "north", "many")
        scene.put("a_2026-01.csv", sales("2026-01"))
        scene.put("b_2026-02.csv", [*sales("2026-02"), bad])
        records = [dict(zip(HEADER, row, strict=True)) for row in [*sales("2026-03"), bad]]
        scene.put("c_2026-03.json", json.dumps(records).encode())
        [release] = scene.run().published
        with scene.pipeline() as pipeline:
            rejects = [entry.raw for entry in reject_entries(pipeline, None)]
        files = [file.sha256 for aggregate in release.build.aggregates for file in aggregate.files]
        found.append((files, rejects))
    assert found[0] == found[1]
    assert len(found[0][1]) == 2


def test_an_archive_moves_a_file_under_the_name_that_it_has(tmp_path: Path) -> None:
    scene = scene_of(tmp_path)
    path = scene.put(unicodedata.normalize("NFD", "\u00fc_2026-01.csv"), sales("2026-01"))
    with scene.pipeline() as pipeline:
        report = pipeline.ingest(scene.source, tmp_path / "archive")
    assert not report.unfinished
    assert not path.exists()
    assert (tmp_path / "archive/sales" / path.name).is_file()


@pytest.mark.parametrize(
    "name",
    [
        ".hidden.csv",
        "a.csv.part",
        "a.csv.TMP",
        "a.csv.crdownload",
        "a.csv~",
        "~$a.csv",
        "a.csv.bak",
        ".a.csv.swp",
        "#a.csv#",
        ".~lock.a.csv#",
        "_SUCCESS",
        "_temporary",
        "Thumbs.db",
        "a.csv.filepart",
    ],
)
def test_what_is_no_data_by_its_name_is_skipped_and_said(tmp_path: Path, name: str) -> None:
    (tmp_path / "orders").mkdir()
    (tmp_path / "orders" / name).write_bytes(b"a\n1\n")
    (tmp_path / "orders/a_2026-01.csv").write_bytes(b"a\n1\n")
    found = discover(tmp_path)
    assert [file.source for file in found.files] == ["orders/a_2026-01.csv"]
    assert found.skipped[f"orders/{name}"].endswith("by its name")


def test_a_folder_and_files_at_the_top_of_one_name_are_one_data_set_and_said(tmp_path: Path) -> None:
    scene = scene_of(tmp_path)
    scene.put("a_2026-01.csv", sales("2026-01"))
    (scene.source / "sales_2026-02.csv").write_bytes(csv_text(sales("2026-02")))
    with scene.pipeline() as pipeline:
        report = pipeline.ingest(scene.source)
        assert pipeline.datasets() == ["sales"]
    assert report.joined == {
        "sales": "the folder sales and files beside it, such as sales_2026-02.csv, are one data set, sales"
    }


def test_names_never_reach_the_terminal_as_commands(tmp_path: Path) -> None:
    scene = scene_of(tmp_path)
    for month in QUARTER:
        scene.put(f"{ODD}\n_{month}.txt", sales(month))
    scene.put(f"{ODD}\n.part", b"x")
    scene.put(f"{ODD}_empty_2026-01.csv", b"")
    for verb in (["run", str(scene.source)], ["status"], ["rejects", "list"], ["ledger"]):
        for flags in ([], ["--json"]):
            done = subprocess.run(
                [sys.executable, "-m", "quarterlake.cli", *verb, *flags, "--lake", str(tmp_path / "lake")],
                capture_output=True,
                check=False,
                cwd=tmp_path,
            )
            assert done.returncode in {0, 1}, done.stderr
            text = (done.stdout + done.stderr).decode()
            if flags or verb[0] in {"rejects", "ledger"}:
                json.loads(done.stdout)
            else:
                assert "\x1b" not in text
                assert "\u202e" not in text
            assert b"\x1b" not in done.stderr


def test_what_is_not_seen_is_escaped() -> None:
    assert printable("caf\u00e9 x.csv") == "caf\u00e9 x.csv"
    assert printable("a\nb\x1b[2J\u202e\x7f") == "a\\nb\\x1b[2J\\u202e\\x7f"
    assert printable("a\nb", lines=True) == "a\nb"
