"""Runs: each a process, its events passed on, its end sure."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import anyio
import msgspec

from quarterlake.service.holds import Holder, Holds
from quarterlake.service.work import CANCELLED, Order

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from quarterlake.service.metrics import Metrics
    from quarterlake.service.requests import RunRequest

HEARTBEAT_SECONDS = 10
"""A stream is never silent for longer, so that either side notices when the other is gone."""
_STOP_SECONDS = 15
_LONGEST_LINE = 64 << 20
_LAST = frozenset({"succeeded", "refused", "failed"})
_log = logging.getLogger("quarterlake.service")

Event = dict[str, Any]


@dataclass(slots=True)
class Runs:
    """The runs of one service. `folder` is where they work; None is the service's own working directory."""

    metrics: Metrics
    folder: Path | None = None
    holds: Holds = field(default_factory=Holds)
    _processes: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)
    _stopping: bool = False

    def new_holder(self, request: RunRequest) -> Holder:
        """What a request holds while its run is at work; ingestion holds everything."""
        dataset = None if request.stage == "ingest" else request.dataset
        since = datetime.now(UTC).isoformat(timespec="seconds")
        return Holder(uuid4().hex, str(request.stage), dataset, since, request.caller)

    async def stream(self, request: RunRequest, holder: Holder) -> AsyncGenerator[bytes]:
        """The events of a run as NDJSON, the last one its outcome. When nobody listens any more the run is cancelled."""
        async with contextlib.aclosing(self._events(request, holder)) as events:
            async for event in events:
                yield msgspec.json.encode({**event, "run": holder.run}) + b"\n"

    async def _events(self, request: RunRequest, holder: Holder) -> AsyncGenerator[Event]:
        end = time.monotonic() + request.wait
        while True:
            left = max(0.0, end - time.monotonic())
            async with self.holds.hold(holder, min(HEARTBEAT_SECONDS, left)) as other:
                if other is None:
                    async with contextlib.aclosing(self._held(request, holder)) as events:
                        async for event in events:
                            yield event
                    return
            if time.monotonic() >= end:
                yield _outcome("failed", "Held", f"Run {other.run} ({other.stage}) still holds the data set.")
                return
            yield {"event": "waiting", "holder": msgspec.to_builtins(other)}

    async def _held(self, request: RunRequest, holder: Holder) -> AsyncGenerator[Event]:
        begun = time.monotonic()
        told = {"run": holder.run, "stage": holder.stage, "dataset": holder.dataset, "caller": holder.caller}
        _log.info("run started", extra={"fields": {**told, "period": request.period}})
        yield {"event": "started", **told, "period": request.period}
        outcome = _outcome("failed", "Cancelled", "Nobody listened any more.")
        with self.metrics.running(holder.stage):
            try:
                async with contextlib.aclosing(self._relayed(request, holder)) as events:
                    async for event in events:
                        if event["event"] in _LAST:
                            outcome = event
                        yield event
            finally:
                self.metrics.ended(holder.stage, outcome, time.monotonic() - begun)
                how = {
                    "outcome": outcome["event"],
                    "error": outcome.get("error"),
                    "why": outcome.get("message"),
                }
                _log.info("run ended", extra={"fields": {**told, **how}})

    async def _relayed(self, request: RunRequest, holder: Holder) -> AsyncGenerator[Event]:
        try:
            process = await self._start(request, holder)
        except OSError as lack:
            yield _outcome(
                "failed", "Lost", f"The run's process could not be started: {lack.strerror}. Ask again later."
            )
            return
        try:
            ended = False
            while not ended:
                event = await _next(process)
                if event is None:
                    break
                if event["event"] == "log":
                    _log.error("unexpected", extra={"fields": {"run": holder.run, "text": event["text"]}})
                    continue
                if event["event"] == "progress":
                    _log.info("progress", extra={"fields": {"run": holder.run, **event}})
                ended = event["event"] in _LAST
                yield event
            if not ended:
                yield await _unexplained(process)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_STOP_SECONDS):
                    await process.wait()
        finally:
            with anyio.CancelScope(shield=True):
                await _end(process)
            self._processes.pop(holder.run, None)

    async def _start(self, request: RunRequest, holder: Holder) -> asyncio.subprocess.Process:
        name = f"{request.caller}#{holder.run}" if request.caller else holder.run
        order = Order(str(request.stage), name, request.dataset, request.period, request.allow_incomplete)
        environment = {key: value for key, value in os.environ.items() if key != "QUARTERLAKE_SERVICE_TOKEN"}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "quarterlake.service.work"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=environment,
            cwd=self.folder,
            limit=_LONGEST_LINE,
        )
        self._processes[holder.run] = process
        if process.stdin is None:
            raise RuntimeError("the process has no standard input")
        process.stdin.write(msgspec.json.encode(order))
        process.stdin.close()
        if self._stopping:
            self.stop()
        return process

    def stop(self) -> None:
        """Cancel all runs, as when the service stops; their streams end with an outcome."""
        self._stopping = True
        for process in self._processes.values():
            with contextlib.suppress(ProcessLookupError):
                process.terminate()


def _outcome(event: str, error: str, message: str) -> Event:
    return {"event": event, "error": error, "message": message}


async def _next(process: asyncio.subprocess.Process) -> Event | None:
    """The next event, a heartbeat where there is none for a while, None at the end."""
    if process.stdout is None:
        raise RuntimeError("the process has no standard output")
    try:
        async with asyncio.timeout(HEARTBEAT_SECONDS):
            line = await process.stdout.readline()
    except TimeoutError:
        return {"event": "heartbeat"}
    if not line:
        return None
    try:
        found = msgspec.json.decode(line)
    except msgspec.DecodeError:
        found = None
    if isinstance(found, dict) and "event" in found:
        return found
    # A library has printed it.
    return {"event": "log", "text": line.decode(errors="replace").rstrip()}


async def _unexplained(process: asyncio.subprocess.Process) -> Event:
    code = await process.wait()
    if code == -signal.SIGTERM:
        return _outcome("failed", "Cancelled", CANCELLED)
    why = (
        f"was killed by signal {-code}, perhaps for want of memory" if code < 0 else f"ended with code {code}"
    )
    return _outcome("failed", "Lost", f"The run's process {why}. The same request goes on where it stopped.")


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a process that may still be at work: politely, then not."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
