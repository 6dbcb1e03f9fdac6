"""One run of one stage, in a process of its own: `python -m quarterlake.service.work` with the request on standard input.

Events go to standard output, a line each, the last one the outcome. A process of its own can be cancelled at any instant,
since every step is memoised, and gives all its memory back.
"""

from __future__ import annotations

import contextlib
import ctypes
import signal
import sys
import time
import traceback
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from quarterlake.domain.errors import QuarterlakeError, TerminalError, TransientError
from quarterlake.domain.periods import Period
from quarterlake.outcomes import DatasetOutcome, Wishes
from quarterlake.pipeline import Pipeline
from quarterlake.run_document import complaints, is_clean, run_document
from quarterlake.settings import read_settings

if TYPE_CHECKING:
    from types import FrameType

CANCELLED = "The run was cancelled. The same request goes on where it stopped."
_QUIET_SECONDS = 0.2
_LISTED = 50
_LONGEST = 2000
_SIGNAL_OF_THE_PARENTS_DEATH = 1
"""https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html"""


class Order(msgspec.Struct, frozen=True):
    """A checked request, as the service hands it to the process that does it. `run` names the run."""

    stage: str
    run: str
    dataset: str | None = None
    period: str | None = None
    allow_incomplete: bool = False


class CancelledError(BaseException):
    """The service asked this process to stop."""


class _Events:
    """Progress as events; steps that follow each other closely are one."""

    def __init__(self) -> None:
        self._stage, self._total, self._done, self._told = "", 0, 0, 0.0

    def start(self, stage: str, total: int) -> None:
        """See Progress."""
        self._stage, self._total, self._done = stage, total, 0
        self._tell("")

    def step(self, what: str) -> None:
        """See Progress."""
        self._done += 1
        if self._done == self._total or time.monotonic() - self._told > _QUIET_SECONDS:
            self._tell(what)

    def _tell(self, what: str) -> None:
        self._told = time.monotonic()
        emit("progress", step=self._stage, done=self._done, of=self._total, what=what[:_LONGEST])


def emit(event: str, **fields: Any) -> None:
    """Write an event."""
    sys.stdout.buffer.write(msgspec.json.encode({"event": event, **fields}) + b"\n")
    sys.stdout.buffer.flush()


def work(order: Order) -> None:
    """Do a run; the last event says how it ended."""
    try:
        settings = read_settings()
        with Pipeline(settings, now=datetime.now(UTC), progress=_Events(), run=order.run) as pipeline:
            ingested, outcomes = _perform(pipeline, order)
            notes = pipeline.notes() if outcomes else []
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    except TerminalError as refused:
        emit("refused", error=type(refused).__name__, message=str(refused)[:_LONGEST])
    except QuarterlakeError as failed:
        emit("failed", error=type(failed).__name__, message=str(failed)[:_LONGEST])
    except CancelledError:
        emit("failed", error="Cancelled", message=CANCELLED)
    except Exception as unexpected:  # noqa: BLE001 - whatever it is, the caller hears of it, and the log has the rest
        emit("log", text=traceback.format_exc())
        emit("failed", error=type(unexpected).__name__, message=str(unexpected)[:_LONGEST])
    else:
        document = run_document(ingested, outcomes, settings, notes)
        if is_clean(ingested, outcomes):
            emit("succeeded", result=document)
        else:
            why = complaints(ingested, outcomes)
            more = [f"and {len(why) - _LISTED} more"] if len(why) > _LISTED else []
            emit("refused", error="Refused", message="; ".join(why[:_LISTED] + more), result=document)


def _perform(pipeline: Pipeline, order: Order) -> tuple[Any, list[DatasetOutcome]]:
    """What a run landed, and its outcomes. Raises what one of them failed with where the same run may succeed later."""
    if order.stage == "ingest":
        return pipeline.ingest(pipeline.settings.source), []
    wishes = Wishes(
        (order.dataset,) if order.dataset else (),
        (Period.parse(order.period),) if order.period and order.stage != "curate" else (),
        order.allow_incomplete,
    )

    def perform(dataset: str) -> DatasetOutcome:
        match order.stage:
            case "curate":
                return pipeline.curate(dataset)
            case "process":
                return pipeline.process(dataset, wishes)
            case "validate":
                return pipeline.validate(dataset, wishes)
            case _:
                return pipeline.publish(dataset, wishes)

    outcomes = pipeline.each(wishes, perform)
    for outcome in outcomes:
        if isinstance(outcome.failed, TransientError):
            raise outcome.failed
    return None, outcomes


def _cancel(_number: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise CancelledError


def _end_with_the_service() -> None:
    """Let Linux end this process when the service dies, however it dies."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_SIGNAL_OF_THE_PARENTS_DEATH, signal.SIGTERM)


def main() -> None:
    """Read the order and do it."""
    signal.signal(signal.SIGTERM, _cancel)
    _end_with_the_service()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    work(msgspec.json.decode(sys.stdin.buffer.read(), type=Order))


if __name__ == "__main__":
    main()
