"""What rejects cost: the same months clean, with a value in a hundred that does not fit, and with a stray quote in a hundred records.

    python bench/rejects.py [--rows 3000000] [--repeat 3]

The contract of `compare.py` is given. Runs take turns; prints Markdown.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from typing import TYPE_CHECKING

from compare import contract_folders, fresh, median, quarterlake, source_of
from measure import Cost, measure

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

EVERY = 101  # a hundred would be just above what the gate on rejects lets pass
MIB = 1 << 20


def spoil_value(line: bytes) -> bytes:
    """Words where the amount was."""
    fields = line.split(b",")
    fields[5] = b"unknown"
    return b",".join(fields)


def stray_quote(line: bytes) -> bytes:
    """A country that opens a quote and never closes it."""
    fields = line.split(b",")
    fields[3] = b'"' + fields[3]
    return b",".join(fields)


def spoiled(clean: Path, spoil: Callable[[bytes], bytes], name: str) -> Path:
    """A source folder with one record in so many of the clean one spoilt."""
    folder = fresh(name) / "orders"
    folder.mkdir(parents=True)
    for path in sorted((clean / "orders").iterdir()):
        lines = path.read_bytes().splitlines(keepends=True)
        lines[EVERY::EVERY] = map(spoil, lines[EVERY::EVERY])
        (folder / path.name).write_bytes(b"".join(lines))
    return folder.parent


def main() -> None:
    """Generate, run in turns, print a Markdown table."""
    options = argparse.ArgumentParser()
    options.add_argument("--rows", type=int, default=3_000_000)
    options.add_argument("--repeat", type=int, default=3)
    given = options.parse_args()
    contracts, _ = contract_folders()
    clean = source_of(given.rows)
    sources = {
        "as they are (100 of 3M rejected)": clean,
        "1 % values that do not fit": spoiled(clean, spoil_value, "spoiled"),
        "1 % stray quotes": spoiled(clean, stray_quote, "stray"),
    }
    costs: dict[str, list[Cost]] = defaultdict(list)
    for _ in range(given.repeat):
        for label, source in sources.items():
            costs[label].append(measure(quarterlake(source, fresh("lake"), contracts)))
    print(f"| {given.rows:,} rows | wall s | CPU s | peak MiB | wall ratio | CPU ratio |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    base = median(costs[next(iter(costs))])
    for label, runs in costs.items():
        cost = median(runs)
        print(
            f"| {label} | {cost.wall:.2f} | {cost.cpu:.2f} | {cost.peak / MIB:,.0f} "
            f"| {cost.wall / base.wall:.2f} | {cost.cpu / base.cpu:.2f} |"
        )


if __name__ == "__main__":
    main()
