"""Measure a command with everything it starts: wall time, CPU time and peak memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Sequence

SAMPLE_SECONDS = 0.02
# Linux counts ru_maxrss in KiB, macOS in bytes.
MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Cost:
    """What a command took: seconds of wall and of CPU, bytes at its peak."""

    wall: float
    cpu: float
    peak: int


class MemorySampler(threading.Thread):
    """Adds up the resident memory of a process and its descendants, until stopped; `peak` is in bytes.

    Pages that processes share are counted once for each of them.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self._root = psutil.Process(pid)
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.wait(SAMPLE_SECONDS):
            self.peak = max(self.peak, self._resident())

    def stop(self) -> None:
        self._stopped.set()
        self.join()

    def _resident(self) -> int:
        try:
            return sum(resident(process) for process in [self._root, *self._root.children(recursive=True)])
        except psutil.Error:
            return 0


def resident(process: psutil.Process) -> int:
    """A process's resident memory in bytes; 0 when it has ended."""
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def measure(command: Sequence[str]) -> Cost:
    """Run a command to its end.

    `wait4` gives the CPU time of the process and of the descendants it waited for, and the largest resident
    size that any one of them had; the sampler adds the processes up. The peak is the larger of the two.

    Exits with the command's output when it fails.
    """
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        sampler = MemorySampler(process.pid)
        sampler.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        sampler.stop()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            sys.exit(
                f"{' '.join(command)} gave {process.returncode}:\n{output.read().decode(errors='replace')}"
            )
    return Cost(wall, usage.ru_utime + usage.ru_stime, max(sampler.peak, usage.ru_maxrss * MAXRSS_UNIT))
