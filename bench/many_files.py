"""Ten thousand small files in one drop: a first run, a second with nothing new, and what looks at the lake.

    python bench/many_files.py [--files 10000] [--rows 100] [--keep]

Files of 100 orders each, spread over the twelve months of a year; the same bytes every time.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

from measure import measure

WORK = Path(__file__).parent / ".work" / "many"
MONTHS = 12
HEADER = "order_id,ordered_at,country,status,amount,quantity"
COUNTRIES = ("AT", "BE", "CH", "DE", "ES", "FR")
STATES = ("open", "paid", "shipped", "returned")


def lines(number: int, rows: int) -> list[str]:
    """The orders of one file."""
    month = 1 + number % MONTHS
    return [
        f"{i},2025-{month:02d}-{1 + i % 28:02d} {i % 24:02d}:{i % 60:02d}:00,{COUNTRIES[i % 6]},{STATES[i // 7 % 4]},{i % 9973}.{i % 90 + 10},{1 + i % 20}"
        for i in range(number * rows, (number + 1) * rows)
    ]


def generate(folder: Path, files: int, rows: int) -> None:
    """Write the files and put them on the disk: else it would still be busy with them when the run begins."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "orders").mkdir(parents=True)
    for number in range(files):
        name = f"orders_2025-{1 + number % MONTHS:02d}_{number:05d}.csv"
        (folder / "orders" / name).write_text("\n".join([HEADER, *lines(number, rows), ""]))
    os.sync()


def main() -> None:
    """Generate, run, print a Markdown table."""
    options = argparse.ArgumentParser()
    options.add_argument("--files", type=int, default=10_000)
    options.add_argument("--rows", type=int, default=100)
    options.add_argument("--keep", action="store_true", help="leave the lake where it is")
    given = options.parse_args()
    source, lake = WORK / "source", WORK / "lake"
    generate(source, given.files, given.rows)
    shutil.rmtree(lake, ignore_errors=True)
    program = [sys.executable, "-m", "quarterlake.cli"]
    print(f"| {given.files:,} files of {given.rows:,} rows | wall s | CPU s | peak MiB |")
    print("| --- | ---: | ---: | ---: |")
    for title, verb in (
        ("run", ["run", str(source)]),
        ("run again, nothing new", ["run", str(source)]),
        ("status", ["status"]),
        ("ledger", ["ledger"]),
    ):
        cost = measure([*program, *verb, "--lake", str(lake)])
        print(
            f"| quarterlake {title} | {cost.wall:.1f} | {cost.cpu:.1f} | {cost.peak / 2**20:.0f} |",
            flush=True,
        )
    if not given.keep:
        shutil.rmtree(WORK)


if __name__ == "__main__":
    main()
