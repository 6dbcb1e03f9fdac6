"""Runs of the services, over HTTP."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from quarterlake_orchestration.settings import Settings

SILENCE_SECONDS = 60
"""A service sends something every ten seconds; after this long without, the connection is taken for lost."""
_WAIT_SECONDS = 1800
_log = logging.getLogger("quarterlake")


class RefusedError(Exception):
    """The data or the request is wrong: trying again gives the same answer. `result` is what the run did all the same."""

    def __init__(self, message: str, result: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.result = result


class FailedError(Exception):
    """The environment failed: trying again may help."""


@dataclass(frozen=True)
class Client:
    """Calls the services. `transport` is httpx's, for those who need another."""

    settings: Settings
    transport: httpx.BaseTransport | None = None

    def run(
        self,
        stage: str,
        *,
        caller: str,
        dataset: str | None = None,
        period: str | None = None,
        allow_incomplete: bool = False,
    ) -> dict[str, Any]:
        """Do a stage and return its result, its progress going to the log. When this process dies the run is cancelled.

        Raises:
            RefusedError: the data or the request is wrong.
            FailedError: a service or what it needs is away, or it took too long.
        """
        base = self.settings.ingestion if stage == "ingest" else self.settings.processing
        body = {
            "stage": stage,
            "dataset": dataset,
            "period": period,
            "allow_incomplete": allow_incomplete,
            "wait": _WAIT_SECONDS,
            "caller": caller,
        }
        end = time.monotonic() + self.settings.run_seconds
        try:
            for event in self._events(f"{base}/runs", body):
                kind = event.get("event")
                if kind == "succeeded":
                    return dict(event["result"])
                if kind == "refused":
                    raise RefusedError(event["message"], event.get("result"))
                if kind == "failed":
                    raise FailedError(event["message"])
                _tell(event)
                if time.monotonic() > end:
                    raise FailedError(
                        f"The run took longer than {self.settings.run_seconds} s (QUARTERLAKE_RUN_SECONDS); it was cancelled."
                    )
        except httpx.HTTPError as lost:
            raise FailedError(f"{base} was lost: {type(lost).__name__} {lost}") from lost
        raise FailedError(f"{base} ended the run without an outcome.")

    def _events(self, url: str, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
        headers = {"Authorization": f"Bearer {self.settings.token}"}
        timeout = httpx.Timeout(SILENCE_SECONDS, connect=10)
        with (
            httpx.Client(
                headers=headers, timeout=timeout, transport=self.transport, trust_env=False
            ) as client,
            client.stream("POST", url, json=body) as answer,
        ):
            if answer.status_code != httpx.codes.OK:
                answer.read()
                _refuse(url, answer)
            for line in answer.iter_lines():
                yield json.loads(line)


def _refuse(url: str, answer: httpx.Response) -> None:
    text = answer.text[:1000]
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        raise RefusedError(
            f"{url} refuses QUARTERLAKE_SERVICE_TOKEN: it must be the same for Airflow and the services."
        )
    if answer.status_code == httpx.codes.CONFLICT or answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
        raise FailedError(f"{url} answered {answer.status_code}: {text}")
    raise RefusedError(f"{url} answered {answer.status_code}: {text}")


def _tell(event: dict[str, Any]) -> None:
    match event.get("event"):
        case "started":
            _log.info("run %s started", event.get("run"))
        case "progress":
            _log.info(
                "%s: %s of %s %s", event.get("step"), event.get("done"), event.get("of"), event.get("what")
            )
        case "waiting":
            _log.info("waiting for %s", event.get("holder"))
