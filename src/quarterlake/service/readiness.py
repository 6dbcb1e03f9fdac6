"""Whether a service could do a run now."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from quarterlake.domain.errors import QuarterlakeError
from quarterlake.lake.location import open_lake
from quarterlake.processing.engines.spark_server import is_listening
from quarterlake.processing.engines.spark_session import address_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from quarterlake.settings import Settings

_SECONDS = 5
_FRESH_SECONDS = 5
_log = logging.getLogger("quarterlake.service")


def ingestion_problems(settings: Settings) -> list[str]:
    """What keeps ingestion from working."""
    problems = [] if settings.source.is_dir() else [f"There is no folder {settings.source}."]
    return problems + _zone_problems(settings, ("raw",))


def processing_problems(settings: Settings) -> list[str]:
    """What keeps processing from working."""
    problems = _zone_problems(settings, ("raw", "curated", "aggregated"))
    remote = settings.spark.shown_remote
    if settings.engine == "spark" and remote:
        try:
            if not is_listening(*address_of(remote), seconds=_SECONDS):
                problems.append(f"No Spark Connect server answers at {remote}.")
        except QuarterlakeError as wrong:
            problems.append(str(wrong))
    return problems


def _zone_problems(settings: Settings, zones: tuple[str, ...]) -> list[str]:
    problems = []
    with open_lake(settings.lake, settings.s3, settings.scratch) as lake:
        for store in (getattr(lake, zone) for zone in zones):
            try:
                store.ping()
            except QuarterlakeError as problem:
                problems.append(str(problem))
    return problems


@dataclass(slots=True)
class Readiness:
    """The answer of a check that may take long, asked for at most every few seconds; the log says when it changes."""

    check: Callable[[], list[str]]
    _problems: list[str] | None = None
    _at: float = 0.0
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def problems(self) -> list[str]:
        """What is wrong; nothing when a run could start."""
        async with self._lock:
            if self._problems is None or time.monotonic() - self._at > _FRESH_SECONDS:
                found = await self._found()
                if found != self._problems:
                    level = logging.WARNING if found else logging.INFO
                    _log.log(level, "not ready" if found else "ready", extra={"fields": {"problems": found}})
                self._problems, self._at = found, time.monotonic()
            return self._problems

    async def _found(self) -> list[str]:
        try:
            async with asyncio.timeout(2 * _SECONDS):
                return await asyncio.to_thread(self.check)
        except TimeoutError:
            return [f"The lake did not answer within {2 * _SECONDS} s."]
