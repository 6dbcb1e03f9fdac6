"""What the client makes of a service's answers."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from quarterlake_orchestration.client import Client, FailedError, RefusedError
from quarterlake_orchestration.settings import Settings

if TYPE_CHECKING:
    from tests.conftest import Service


def client(service: Service) -> Client:
    return Client(Settings(service.url, service.url, "the-token"))


def test_a_run_returns_its_result_and_tells_its_progress(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    progress = {"event": "progress", "step": "parse flights", "done": 1, "of": 2, "what": "a.csv"}
    events = [
        {"event": "started", "run": "r1"},
        progress,
        {"event": "heartbeat"},
        {"event": "succeeded", "result": {"x": 1}},
    ]
    service.answer = lambda _body: (200, events)
    with caplog.at_level(logging.INFO, "quarterlake"):
        assert client(service).run("publish", caller="dag/run/task/1", period="2013-Q1") == {"x": 1}
    assert "parse flights: 1 of 2 a.csv" in caplog.text
    assert service.asked == [
        {
            "stage": "publish",
            "dataset": None,
            "period": "2013-Q1",
            "allow_incomplete": False,
            "wait": 1800,
            "caller": "dag/run/task/1",
        }
    ]
    assert service.tokens == ["Bearer the-token"]
    assert "the-token" not in caplog.text


@pytest.mark.parametrize(
    ("status", "events", "kind", "said"),
    [
        (200, [{"event": "refused", "message": "a.csv: no table"}], RefusedError, r"a\.csv: no table"),
        (200, [{"event": "failed", "message": "the store is away"}], FailedError, "the store is away"),
        (200, [{"event": "started"}], FailedError, "without an outcome"),
        (200, [], FailedError, "without an outcome"),
        (401, [{}], RefusedError, "QUARTERLAKE_SERVICE_TOKEN"),
        (409, [{"holder": "somebody"}], FailedError, "somebody"),
        (422, [{"detail": "no such stage"}], RefusedError, "no such stage"),
        (503, [], FailedError, "503"),
    ],
)
def test_what_may_help_is_tried_again_and_nothing_else(
    service: Service, status: int, events: list[dict[str, Any]], kind: type[Exception], said: str
) -> None:
    service.answer = lambda _body: (status, events)
    with pytest.raises(kind, match=said):
        client(service).run("curate", caller="x")


def test_a_service_that_is_away_may_come_back() -> None:
    with pytest.raises(FailedError, match=r"127\.0\.0\.1:1 was lost: ConnectError"):
        Client(Settings("http://127.0.0.1:1", "http://127.0.0.1:1", "t")).run("ingest", caller="x")


def test_a_run_that_takes_too_long_is_given_up(service: Service) -> None:
    service.answer = lambda _body: (200, [{"event": "heartbeat"}] * 3)
    limited = Client(replace(client(service).settings, run_seconds=-1))
    with pytest.raises(FailedError, match="QUARTERLAKE_RUN_SECONDS"):
        limited.run("curate", caller="x")


def test_what_a_refused_run_did_all_the_same_is_kept(service: Service) -> None:
    service.answer = lambda _body: (200, [{"event": "refused", "message": "no", "result": {"datasets": []}}])
    with pytest.raises(RefusedError) as refused:
        client(service).run("curate", caller="x")
    assert refused.value.result == {"datasets": []}
