"""`quarterlake run --engine spark` beside the usual PySpark job, on the same warm server, cores and data.

    python bench/compare_spark.py --rows 3000000 30000000 --repeat 3

Starts a Spark Connect server on `local[2]` with a driver of 2 GB, warms it up with both jobs, lets them take turns and prints
Markdown. CPU is that of the client's process tree and of the server's, its Python workers included: the sum of what every
process of the server's tree and its ended children have used, after less before. The peak is of the client's and the server's
resident memory together.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import psutil
from compare import MIB, WORK, Costs, contract_folders, facts, fresh, quarterlake, source_of, table
from measure import Cost, measure, resident

from quarterlake.lake.location import open_lake
from quarterlake.lake.s3_options import S3Options
from quarterlake.processing.engines.spark_options import SparkOptions
from quarterlake.processing.engines.spark_server import local_server
from quarterlake.processing.engines.spark_session import server_settings

BENCH = Path(__file__).resolve().parent
SAMPLE_SECONDS = 0.1
ALIKE = "the usual Spark job"
OURS = "quarterlake run --engine spark, contract given"
AGAIN = "quarterlake run again, nothing new"


class Server:
    """The server's process tree."""

    def __init__(self) -> None:
        [self._root] = [
            p for p in psutil.Process().children() if "SparkConnectServer" in " ".join(p.cmdline())
        ]

    def processes(self) -> list[psutil.Process]:
        """The server, its Python daemon and the daemon's workers."""
        return [self._root, *self._root.children(recursive=True)]

    def cpu(self) -> float:
        """Seconds that the tree has used so far; a worker that ended counts with the parent that waited for it."""
        return sum(sum(process.cpu_times()[:4]) for process in self.processes())

    def resident(self) -> int:
        """Bytes of the whole tree."""
        return sum(map(resident, self.processes()))


class Peak(threading.Thread):
    """The largest memory of the server's tree while it is watched."""

    def __init__(self, server: Server) -> None:
        super().__init__(daemon=True)
        self._server, self._stopped, self.bytes = server, threading.Event(), 0

    def run(self) -> None:
        while not self._stopped.wait(SAMPLE_SECONDS):
            try:
                self.bytes = max(self.bytes, self._server.resident())
            except psutil.Error:
                continue

    def stop(self) -> None:
        self._stopped.set()
        self.join()


def measured(server: Server, command: list[str]) -> Cost:
    """What a command took of its own and of the server."""
    peak, before = Peak(server), server.cpu()
    peak.start()
    cost = measure(command)
    peak.stop()
    return replace(cost, cpu=cost.cpu + server.cpu() - before, peak=cost.peak + peak.bytes)


def compare(server: Server, rows: int, repeat: int, *, warm_up: bool) -> Costs:
    """Both jobs, in turns, if wanted after one of each to warm up."""
    given, _ = contract_folders()
    source = source_of(rows)
    costs: Costs = defaultdict(list)
    for repetition in range(repeat + warm_up):
        usual = [sys.executable, str(BENCH / "usual_spark.py"), str(source), str(fresh("usual"))]
        ours = [*quarterlake(source, fresh("lake"), given), "--engine", "spark"]
        found = {ALIKE: measured(server, usual), OURS: measured(server, ours), AGAIN: measured(server, ours)}
        for label, cost in found.items():
            print(
                f"{label}: {cost.wall:.1f} s, {cost.cpu:.1f} CPU s, {cost.peak / MIB:,.0f} MiB",
                file=sys.stderr,
            )
            if repetition >= warm_up:
                costs[label].append(cost)
        fresh("usual")
        fresh("lake")
    return costs


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Compare the engine spark with the usual Spark job.")
    parser.add_argument("--rows", type=int, nargs="*", default=[3_000_000, 30_000_000])
    parser.add_argument("--repeat", type=int, default=3)
    wanted = parser.parse_args()
    WORK.mkdir(exist_ok=True)
    print(facts(wanted.repeat), flush=True)
    options = SparkOptions(master="local[2]", memory="2g", environment=dict(os.environ))
    with tempfile.TemporaryDirectory(dir=WORK) as scratch, open_lake(scratch, S3Options()) as lake:
        properties, secrets = server_settings(options, lake, {})
        with local_server(options, properties, secrets, Path(scratch)) as remote:
            os.environ["SPARK_REMOTE"] = remote
            for position, rows in enumerate(wanted.rows):
                costs = compare(Server(), rows, wanted.repeat, warm_up=position == 0)
                print(table(f"{rows:,} rows", costs), flush=True)


if __name__ == "__main__":
    main()
