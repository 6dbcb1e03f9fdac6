"""A run killed at any instant leaves nothing half-done, and the next one ends as if nothing had happened."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from quarterlake.lake.location import open_lake
from quarterlake.lake.s3_options import S3Options
from quarterlake.publishing.releases import datasets_with_releases, releases_of
from quarterlake.publishing.verify import verify
from quarterlake.settings import read_settings
from tests.integration.lakes import csv_text, sales

MONTHS = ("2026-01", "2026-02", "2026-03")
ROWS = 20_000
DATASETS = ("rentals", "sales")
KILLS = 10
KILLS_IN_A_ROW = 4


@dataclass(frozen=True)
class Undisturbed:
    source: Path
    lake: Path
    seconds: float


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    root = tmp_path_factory.mktemp("undisturbed")
    source = root / "source"
    for dataset in DATASETS:
        (source / dataset).mkdir(parents=True)
        for month in MONTHS:
            # A dozen records that are no records, so that rejects are at stake too.
            rows = [*sales(month, ROWS), *((f"bad-{n}", "no time", "north", n) for n in range(12))]
            (source / dataset / f"{dataset}_{month}.csv").write_bytes(csv_text(rows))
    finish(source, root / "warm")
    begun = time.monotonic()
    finish(source, root / "lake")
    return Undisturbed(source, root / "lake", time.monotonic() - begun)


def test_a_run_killed_at_ten_moments_ends_like_an_undisturbed_one(
    undisturbed: Undisturbed, tmp_path: Path
) -> None:
    moments = random.Random(2026)  # noqa: S311 - the same moments in every run
    for number in range(KILLS):
        lake = tmp_path / "lake"
        after = (number + moments.random()) / KILLS * undisturbed.seconds
        kill(undisturbed.source, lake, after)
        assert_nothing_half_done(lake)
        finish(undisturbed.source, lake)
        assert_equal(lake, undisturbed.lake, f"killed after {after:.3f} s")
        shutil.rmtree(lake)


def test_several_kills_in_a_row_change_nothing(undisturbed: Undisturbed, tmp_path: Path) -> None:
    moments = random.Random(7)  # noqa: S311 - the same moments in every run
    lake = tmp_path / "lake"
    for _ in range(KILLS_IN_A_ROW):
        kill(undisturbed.source, lake, moments.uniform(0.3, 0.95) * undisturbed.seconds)
        assert_nothing_half_done(lake)
    finish(undisturbed.source, lake)
    assert_equal(lake, undisturbed.lake, "killed several times")


def test_a_landing_cut_short_before_its_manifest_does_not_break_the_verbs_that_look(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    orphan = lake / "raw/sales/2026-01/00000000000000000000000000000000-sales_2026-01.csv"
    orphan.parent.mkdir(parents=True)
    orphan.write_bytes(csv_text(sales("2026-01")))
    for verb in ("status", "ledger", "rejects"):
        done = subprocess.run(
            [*command(verb, lake), "--json"], env=environment(lake), capture_output=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, b""), verb


def command(verb: str, lake: Path) -> list[str]:
    return [sys.executable, "-m", "quarterlake.cli", verb, "--lake", str(lake)]


def environment(lake: Path) -> dict[str, str]:
    here = str(Path(__file__).parents[2] / "src")
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(lake.parent),
        "PYTHONPATH": here,
        "QUARTERLAKE_CONTRACTS": str(lake.parent / "none"),
        "QUARTERLAKE_AGGREGATES": str(lake.parent / "none"),
    }


def run_command(source: Path, lake: Path) -> list[str]:
    return [*command("run", lake), str(source), "--json"]


def finish(source: Path, lake: Path) -> None:
    done = subprocess.run(run_command(source, lake), env=environment(lake), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def kill(source: Path, lake: Path, after: float) -> None:
    """Start a run and send it SIGKILL some seconds later, wherever it is then."""
    process = subprocess.Popen(
        run_command(source, lake),
        env=environment(lake),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        process.wait(timeout=after)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def assert_nothing_half_done(root: Path) -> None:
    """Whatever shows is whole: releases verify, and tables open with files that exist."""
    for log in root.glob("*/**/_delta_log"):
        if any(log.glob("*.json")):
            for file in DeltaTable(str(log.parent)).file_uris():
                assert Path(file).is_file(), f"{file} is in its table but not there"
    with open_lake(str(root), S3Options()) as lake:
        for dataset in datasets_with_releases(lake.aggregated):
            for release in releases_of(lake.aggregated, dataset):
                assert all(file.holds for file in verify(lake, release)), release.name


def assert_equal(lake: Path, expected: Path, how: str) -> None:
    assert published(lake) == published(expected), how
    assert table_files(lake) == table_files(expected), how
    assert printed("ledger", lake) == printed("ledger", expected), how
    assert printed("rejects", lake) == printed("rejects", expected), how
    assert_nothing_half_done(lake)
    left = [path for zone in ("raw", "curated", "aggregated") for path in leftovers(lake / zone)]
    assert not left, f"{how}: {left}"


def leftovers(zone: Path) -> list[Path]:
    """What the scratch folder holds but the lock that every process shares."""
    return [path for path in (zone / ".scratch").rglob("*") if path.name != "lock"]


def published(lake: Path) -> dict[str, str]:
    """The hash of every published file, taken from its bytes."""
    releases = printed("releases", lake)["releases"]
    assert {release["dataset"] for release in releases} == set(DATASETS)
    paths = [file["path"] for release in releases for file in release["files"]]
    return {path: sha256(lake / "aggregated" / path) for path in paths}


def table_files(lake: Path) -> dict[str, str]:
    """The hash of every curated file that its table shows."""
    files = [Path(f) for dataset in DATASETS for f in DeltaTable(str(lake / "curated" / dataset)).file_uris()]
    return {path.relative_to(lake).as_posix(): sha256(path) for path in files}


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def printed(verb: str, lake: Path) -> Any:
    """What a verb prints, asked in this process."""
    from quarterlake.overview import all_releases, ledger_entries, reject_entries
    from quarterlake.pipeline import Pipeline
    from quarterlake.run_document import release_documents
    from tests.integration.lakes import NOW

    settings = read_settings({"QUARTERLAKE_LAKE": str(lake)}, environment(lake))
    with Pipeline(settings, now=NOW) as pipeline:
        if verb == "releases":
            return {"releases": release_documents(all_releases(pipeline, None))}
        return ledger_entries(pipeline, None) if verb == "ledger" else list(reject_entries(pipeline, None))
