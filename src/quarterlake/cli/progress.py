"""Progress for people: bars on a terminal, a line a stage elsewhere; always on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from quarterlake.domain.printable import printable
from quarterlake.domain.progress import Progress

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

_STEP = 10


@contextmanager
def listener() -> Iterator[Progress]:
    """What fits standard error: bars on a terminal, plain lines elsewhere."""
    if not sys.stderr.isatty():
        yield PlainLines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[last]}", style="dim", markup=False),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        yield BarLines(bars)


class PlainLines:
    """Lines without colour: when a stage begins, now and then within it, and at its end."""

    def __init__(self) -> None:
        self._stage, self._total, self._done = "", 0, 0

    def start(self, stage: str, total: int) -> None:
        """See Progress."""
        self._stage, self._total, self._done = stage, total, 0
        self._say(f"{stage}: {total} to do")

    def step(self, what: str) -> None:
        """See Progress."""
        self._done += 1
        if self._done == self._total or self._done % max(_STEP, self._total // _STEP) == 0:
            self._say(f"{self._stage}: {self._done} of {self._total} ({what})")

    def _say(self, line: str) -> None:
        print(printable(line), file=sys.stderr, flush=True)


class BarLines:
    """One bar, of the stage at work."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._task: TaskID | None = None

    def start(self, stage: str, total: int) -> None:
        """See Progress."""
        if self._task is not None:
            self._bars.remove_task(self._task)
        self._task = self._bars.add_task(stage, total=total, last="")

    def step(self, what: str) -> None:
        """See Progress."""
        if self._task is not None:
            self._bars.update(self._task, advance=1, last=printable(what))
