"""quarterlake beside a hand-written DuckDB script that does the same work: CPU, wall time, peak memory.

    python bench/compare.py --rows 3000000 10000000 30000000 --repeat 3

Prints Markdown. Source files are made when missing and kept in bench/.work; lakes are made anew and removed.
Each figure is the median of the repetitions, which take turns.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import sysconfig
from collections import defaultdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil
from generate import ROWS_A_MONTH, month_files
from measure import Cost, measure

BENCH = Path(__file__).resolve().parent
WORK = BENCH / ".work"
MONTHS_BEFORE = 24
MIB = 1 << 20
HEADER = """
| {title} | wall s | CPU s | peak MiB | wall ratio | CPU ratio | memory ratio |
| --- | ---: | ---: | ---: | ---: | ---: | ---: |"""

CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: orders
name: orders
version: 1.0.0
status: active
schema:
  - name: orders
    logicalType: object
    properties:
      - name: order_id
        logicalType: integer
        physicalType: int64
        required: true
        unique: true
        primaryKey: true
        primaryKeyPosition: 1
      - name: ordered_at
        logicalType: timestamp
        physicalType: timestamp
        required: true
      - name: customer_id
        logicalType: integer
        physicalType: int64
      - name: country
        logicalType: string
        physicalType: string
      - name: status
        logicalType: string
        physicalType: string
      - name: amount
        logicalType: number
        physicalType: decimal(18,2)
      - name: quantity
        logicalType: integer
        physicalType: int64
    customProperties:
      - property: quarterlake.recordTime
        value: ordered_at
      - property: quarterlake.dimensions
        value: [country, status]
"""

Costs = dict[str, list[Cost]]


def quarterlake(source: Path, lake: Path, contracts: Path) -> list[str]:
    """The command that runs the pipeline; nothing but the given contracts is in force."""
    program = Path(sysconfig.get_path("scripts")) / "quarterlake"
    aggregates = WORK / "no-aggregates"
    aggregates.mkdir(parents=True, exist_ok=True)
    aggregates.mkdir(exist_ok=True)
    options = ["--lake", lake, "--contracts", contracts, "--aggregates", aggregates]
    return [str(part) for part in (program, "run", source, *options)]


def handwritten(source: Path, target: Path) -> list[str]:
    """The command that runs the hand-written script."""
    return [sys.executable, str(BENCH / "handwritten.py"), str(source), str(target)]


def fresh(name: str) -> Path:
    """A path below the work folder at which nothing lies."""
    path = WORK / name
    shutil.rmtree(path, ignore_errors=True)
    return path


def contract_folders() -> tuple[Path, Path]:
    """A folder with the contract of the orders, and one without any."""
    given, none = WORK / "contracts", WORK / "no-contracts"
    given.mkdir(parents=True, exist_ok=True)
    none.mkdir(exist_ok=True)
    (given / "orders.odcs.yaml").write_text(CONTRACT)
    return given, none


def source_of(rows: int, name: str = "source") -> Path:
    """A source folder with so many rows: links to the generated files, which are made when missing."""
    data = WORK / "data"
    subprocess.run(
        [sys.executable, BENCH / "generate.py", str(rows), data], check=True, stdout=subprocess.DEVNULL
    )
    folder = fresh(name) / "orders"
    folder.mkdir(parents=True)
    for path in month_files(rows, data):
        (folder / path.name).hardlink_to(path)
    return folder.parent


def compare_whole(rows: int, repeat: int) -> Costs:
    """The whole job on a fresh lake, then once more with nothing new."""
    given, none = contract_folders()
    source = source_of(rows)
    costs: Costs = defaultdict(list)
    for _ in range(repeat):
        costs["hand-written DuckDB script"].append(measure(handwritten(source, fresh("handwritten"))))
        fresh("handwritten")
        for contracts, label in ((given, "contract given"), (none, "no contract")):
            command = quarterlake(source, fresh("lake"), contracts)
            costs[f"quarterlake run, {label}"].append(measure(command))
            costs[f"quarterlake run again, nothing new, {label}"].append(measure(command))
        fresh("lake")
    return costs


def compare_new_month(repeat: int) -> Costs:
    """A month alone in a fresh lake, beside the same month added to a lake of 24 months."""
    given, _ = contract_folders()
    costs: Costs = defaultdict(list)
    for _ in range(repeat):
        grown = source_of(MONTHS_BEFORE * ROWS_A_MONTH, "grown")
        alone = source_of(ROWS_A_MONTH, "alone")
        costs["quarterlake run, one month in a fresh lake"].append(
            measure(quarterlake(alone, fresh("lake"), given))
        )
        costs["quarterlake run, 24 months"].append(measure(quarterlake(grown, fresh("lake"), given)))
        grown = source_of((MONTHS_BEFORE + 1) * ROWS_A_MONTH, "grown")
        command = quarterlake(grown, WORK / "lake", given)
        costs["quarterlake run, one month added to 24"].append(measure(command))
        fresh("lake")
    return costs


def table(title: str, costs: Costs) -> str:
    """A Markdown table of medians; the ratios are to the first row."""
    lines = [HEADER.format(title=title)]
    medians = {label: median(repetitions) for label, repetitions in costs.items()}
    base = next(iter(medians.values()))
    for label, cost in medians.items():
        lines.append(
            f"| {label} | {cost.wall:.2f} | {cost.cpu:.2f} | {cost.peak / MIB:,.0f} "
            f"| {cost.wall / base.wall:.2f} | {cost.cpu / base.cpu:.2f} | {cost.peak / base.peak:.2f} |"
        )
    return "\n".join(lines)


def median(costs: list[Cost]) -> Cost:
    """The median of each figure by itself."""
    return Cost(
        statistics.median(cost.wall for cost in costs),
        statistics.median(cost.cpu for cost in costs),
        int(statistics.median(cost.peak for cost in costs)),
    )


def help_seconds(repeat: int) -> float:
    """The median wall time of `quarterlake --help`, at least five times."""
    program = Path(sysconfig.get_path("scripts")) / "quarterlake"
    return median([measure([str(program), "--help"]) for _ in range(max(5, repeat))]).wall


def facts(repeat: int) -> str:
    """The machine and the versions."""
    packages = ", ".join(
        f"{name} {installed(name)}" for name in ("quarterlake", "duckdb", "deltalake", "obstore")
    )
    memory = psutil.virtual_memory().total / (1 << 30)
    return (
        f"{processor()}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, {packages}. Medians of {repeat}."
    )


def installed(package: str) -> str:
    """A package's version."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def processor() -> str:
    """The processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def arguments() -> argparse.Namespace:
    """What the user asked for."""
    parser = argparse.ArgumentParser(description="Compare quarterlake with a hand-written DuckDB script.")
    parser.add_argument("--rows", type=int, nargs="*", default=[3_000_000, 10_000_000, 30_000_000])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--skip-new-month", action="store_true", help="leave out the lake of 24 months")
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    options = arguments()
    WORK.mkdir(exist_ok=True)
    print(facts(options.repeat), flush=True)
    for rows in options.rows:
        print(table(f"{rows:,} rows", compare_whole(rows, options.repeat)), flush=True)
    if not options.skip_new_month:
        print(table("one new month (500,000 rows)", compare_new_month(options.repeat)), flush=True)
    print(f"\n`quarterlake --help`: {help_seconds(options.repeat):.2f} s")


if __name__ == "__main__":
    main()
