"""Work that Spark's Python workers do with the embedded engine: one file a task."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from quarterlake import __version__
from quarterlake.domain import errors
from quarterlake.domain.parsed import PARSER_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import pyarrow as pa
    from pyspark.sql.session import SparkSession

VERSION = f"{__version__}, parser {PARSER_VERSION}"
"""What the client and the workers must share: what is parsed is kept under the parser's version."""
_TASKS_AT_ONCE = 64
"""More are several jobs, so that what is done is kept when a later one fails."""
_JOBS_AT_ONCE = 3
"""While the last files of one job are parsed, idle cores take those of the next."""
_ANSWER = "number INT, answer BINARY"


@dataclass(frozen=True, slots=True)
class Task:
    """A call of the embedded engine."""

    method: str
    arguments: tuple[Any, ...]
    version: str = VERSION


class Answer(msgspec.Struct, frozen=True):
    """What a task gave as JSON, or which of our errors it raised."""

    value: bytes = b""
    error: str | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class Workers:
    """Spark's Python workers. `perform` runs in them; it must be a function of a module, which they import by its name."""

    spark: SparkSession
    lake: str
    perform: Callable[[str, Task], Answer]

    def run(self, tasks: Iterable[Task]) -> Iterator[bytes]:
        """The answers in order. A task whose worker dies is done again by Spark.

        Raises the error of ours that a task raised.
        """
        waiting = list(tasks)
        batches = [waiting[at : at + _TASKS_AT_ONCE] for at in range(0, len(waiting), _TASKS_AT_ONCE)]
        if len(batches) == 1:
            yield from self._run(batches[0])
            return
        with ThreadPoolExecutor(_JOBS_AT_ONCE) as jobs:
            for answers in jobs.map(lambda batch: list(self._run(batch)), batches):
                yield from answers

    def _run(self, tasks: Sequence[Task]) -> Iterator[bytes]:
        numbers = self.spark.range(0, len(tasks), 1, len(tasks))
        found = numbers.mapInArrow(_performing(self.lake, tasks, self.perform), _ANSWER)
        for _, encoded in found.toLocalIterator():
            yield _value(msgspec.json.decode(bytes(encoded), type=Answer))


def _performing(
    lake: str, tasks: Sequence[Task], perform: Callable[[str, Task], Answer]
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def on_worker(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        for batch in batches:
            for number in batch.column(0).to_pylist():
                answer = msgspec.json.encode(perform(lake, tasks[number]))
                columns: list[Any] = [
                    pa.array([number], pa.int32()),
                    pa.array([answer], pa.binary()),
                ]
                yield pa.RecordBatch.from_arrays(columns, ["number", "answer"])

    return on_worker


def answering(work: Callable[[], bytes]) -> Answer:
    """What a piece of work gives, an error of ours as an answer; any other is Spark's to try again."""
    try:
        return Answer(work())
    except errors.QuarterlakeError as raised:
        return Answer(error=type(raised).__name__, message=str(raised))


def _value(answer: Answer) -> bytes:
    if answer.error is not None:
        kind = getattr(errors, answer.error, errors.TransientError)
        raise kind(answer.message)
    return answer.value
