"""What runs in Spark's Python workers: the embedded engine on one file, with this worker's own settings and credentials."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from quarterlake.domain.errors import UsageError
from quarterlake.lake.location import open_lake
from quarterlake.processing.engines.duckdb import DuckDBEngine
from quarterlake.processing.engines.spark_tasks import VERSION, Answer, Task, answering
from quarterlake.settings import read_settings

if TYPE_CHECKING:
    from quarterlake.processing.engines.port import Engine


def perform(lake: str, task: Task) -> Answer:
    """Do one task on the lake at a URL."""
    return answering(lambda: _perform(lake, task))


def _perform(url: str, task: Task) -> bytes:
    if task.version != VERSION:
        raise UsageError(
            f"Spark's workers have quarterlake {VERSION}, this is {task.version}. Install the same version into the Python that "
            "the server's PYSPARK_PYTHON names."
        )
    settings = read_settings({"QUARTERLAKE_LAKE": url})
    with open_lake(settings.lake, settings.s3, settings.scratch) as lake:
        engine = DuckDBEngine(lake, memory=settings.memory, threads=1)
        try:
            return msgspec.json.encode(_call(engine, task))
        finally:
            engine.close()


def _call(engine: Engine, task: Task) -> object:
    match task.method:
        case "parse":
            (request,) = task.arguments
            return next(iter(engine.parse([request])))
        case "sample":
            manifest, stamp, records, written = task.arguments
            return next(iter(engine.sample([(manifest, stamp)], records, written)))
        case "evidence":
            manifest, columns = task.arguments
            return engine.evidence([manifest], columns)
        case "distinct":
            file, columns, limit = task.arguments
            return engine.distinct([file], columns, limit)
        case _:
            raise ValueError(f"no task is called {task.method}")
