"""One large file with one line of a gigabyte in it: what a first run costs, and that nothing but that line is rejected.

    python bench/long_line.py [--rows 190000000] [--line 1000000000]

Orders of the twelve months of a year, in the order of their number, which is not that of their time; the same bytes every time.
The line comes after half of them. Keep three times the file's size of disk free.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
from measure import measure

WORK = Path(__file__).parent / ".work" / "long_line"
HEADER = b"order_id,ordered_at,country,status,amount,quantity\n"
# Odd multipliers scatter the number, as in generate.py.
ORDERS = """
COPY (
    SELECT i,
        strftime(TIMESTAMP '2025-01-01' + to_seconds((i * 2654435761 % 4294967296) % (365 * 86400)), '%Y-%m-%d %H:%M:%S'),
        ['AT', 'BE', 'CH', 'DE', 'ES', 'FR'][1 + i % 6],
        ['open', 'paid', 'shipped', 'returned'][1 + i // 7 % 4],
        CAST(i * 2246822519 % 1000000 / 100 AS DECIMAL(10, 2)),
        1 + i % 20
    FROM (SELECT range AS i FROM range({first}, {last}))
) TO '{path}' (FORMAT csv, HEADER false)
"""
PIECE = 5_000_000


def generate(path: Path, rows: int, line: int) -> None:
    """Write the file, piece by piece."""
    path.parent.mkdir(parents=True)
    connection, piece = duckdb.connect(), WORK / "piece.csv"
    with path.open("wb") as file:
        file.write(HEADER)
        for first in range(0, rows, PIECE):
            if first <= rows // 2 < first + PIECE:
                for written in range(0, line, 1 << 20):
                    file.write(b"x" * min(1 << 20, line - written))
                file.write(b"\n")
            last = min(rows, first + PIECE)
            connection.execute(ORDERS.format(first=first, last=last, path=piece))
            with piece.open("rb") as made:
                shutil.copyfileobj(made, file, 1 << 20)
    piece.unlink()


def main() -> None:
    """Generate, run, print a Markdown table and what became of the records."""
    options = argparse.ArgumentParser()
    options.add_argument("--rows", type=int, default=190_000_000)
    options.add_argument("--line", type=int, default=1_000_000_000)
    given = options.parse_args()
    shutil.rmtree(WORK, ignore_errors=True)
    source, lake = WORK / "source", WORK / "lake"
    path = source / "orders" / "orders_2025.csv"
    generate(path, given.rows, given.line)
    program = [sys.executable, "-m", "quarterlake.cli"]
    print(f"| {path.stat().st_size:,} bytes, one line of {given.line:,} | wall s | CPU s | peak MiB |")
    print("| --- | ---: | ---: | ---: |", flush=True)
    for title, verb in (("ingest", ["ingest", str(source)]), ("run", ["run", str(source)])):
        cost = measure([*program, *verb, "--lake", str(lake)])
        print(
            f"| quarterlake {title} | {cost.wall:.0f} | {cost.cpu:.0f} | {cost.peak / 2**20:.0f} |",
            flush=True,
        )
    status = subprocess.run(
        [*program, "status", "--lake", str(lake)], capture_output=True, text=True, check=True
    )
    print(status.stdout)
    listed = subprocess.run(
        [*program, "rejects", "orders", "--lake", str(lake), "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    for reject in json.loads(listed.stdout)["rejects"]:
        print({**reject, "raw": f"{len(reject['raw'])} characters"})
    shutil.rmtree(WORK)


if __name__ == "__main__":
    main()
