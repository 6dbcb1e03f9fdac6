"""What the tasks make of a service's answers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException
from airflow.sdk.execution_time.context import set_current_context
from quarterlake_orchestration import stages
from quarterlake_orchestration.client import RefusedError
from quarterlake_orchestration.run import main

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Service

INGESTED = {"landed": [{"dataset": "a", "source": "a/1.csv", "sha256": "f" * 64, "size": 9}], "unchanged": 1}
INGESTED |= {"corrections": [], "duplicates": {}, "unfinished": []}


def dataset(name: str, *months: str, **more: Any) -> dict[str, Any]:
    empty: dict[str, Any] = {"failed": None, "waiting": {}, "outdated": [], "due": [], "released": []}
    return {"dataset": name, "records_by_month": dict.fromkeys(months, 7), **empty, **more}


def run(service: Service, monkeypatch: pytest.MonkeyPatch, task: Any, *given: Any, **context: Any) -> Any:
    """A task as the scheduler runs it, with the services at one address."""
    for name in ("INGESTION", "PROCESSING"):
        monkeypatch.setenv(f"QUARTERLAKE_{name}_URL", service.url)
    ti = SimpleNamespace(dag_id="ingest_month", run_id="r", task_id="t", try_number=1)
    with set_current_context({"ti": ti}):  # type: ignore[typeddict-item]
        return task.function(*given, **context)


def answering(kind: str, **result: Any) -> Callable[[dict[str, Any]], tuple[int, list[dict[str, Any]]]]:
    event = {"event": kind, "result": {"ingest": INGESTED, "datasets": [], **result}}
    return lambda _body: (200, [event | ({"message": "a/bad.csv: no table"} if kind == "refused" else {})])


def test_a_month_without_data_is_skipped_and_what_is_late_published_all_the_same(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = {"2026-Q2": ["2026-04"]}
    held = dataset("a", "2026-01", "2026-02", waiting=waiting, outdated=["2026-Q1"], released=["2026-Q1"])
    service.answer = answering("succeeded", datasets=[held])
    ingested = run(service, monkeypatch, stages.ingest)
    curated = run(service, monkeypatch, stages.curate, ingested, partition_key="2026-04")
    assert stages.confs(curated) == [{"period": "2026-Q1"}]
    with pytest.raises(AirflowSkipException, match=r"No record of 2026-04 has landed\. Waiting: .*2026-04"):
        run(service, monkeypatch, stages.landed, curated)


def test_a_bad_file_does_not_keep_the_others_from_landing_and_fails_by_name(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.answer = answering("succeeded")
    ingested = run(service, monkeypatch, stages.ingest)
    service.answer = answering("refused", datasets=[dataset("a"), dataset("b", "2026-01")])
    curated = run(service, monkeypatch, stages.curate, ingested, partition_key="2026-01")
    events = {stages.LANDED: SimpleNamespace(extra=None)}
    run(service, monkeypatch, stages.landed, curated, outlet_events=events)
    assert events[stages.LANDED].extra["records"] == {"b": 7}
    assert events[stages.LANDED].extra["landed"] == [
        {"dataset": "a", "source": "a/1.csv", "sha256": "f" * 64}
    ]
    with pytest.raises(RefusedError, match=r"a/bad\.csv: no table"):
        run(service, monkeypatch, stages.all_accepted, curated)
    assert run(service, monkeypatch, stages.datasets_of, "2026-Q1") == ["b"]


def test_a_data_set_that_fails_as_a_whole_is_processed_to_fail_by_name(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = [dataset("a", failed="a.odcs.yaml is no YAML"), dataset("b", "2026-01"), dataset("c", "2026-05")]
    service.answer = answering("refused", datasets=held)
    assert run(service, monkeypatch, stages.datasets_of, "2026-Q1") == ["a", "b"]


def test_what_the_ingestion_refuses_fails_by_name_once_the_rest_is_curated(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.answer = answering("refused")
    ingested = run(service, monkeypatch, stages.ingest)
    service.answer = answering("succeeded", datasets=[dataset("b", "2026-01")])
    curated = run(service, monkeypatch, stages.curate, ingested, partition_key="2026-01")
    assert curated["records"] == {"b": 7}
    with pytest.raises(RefusedError, match=r"a/bad\.csv: no table"):
        run(service, monkeypatch, stages.all_accepted, curated)


def test_a_request_that_is_refused_without_a_result_fails_at_once(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.answer = lambda _body: (401, [])
    with pytest.raises(RefusedError, match="QUARTERLAKE_SERVICE_TOKEN"):
        run(service, monkeypatch, stages.ingest)


@pytest.mark.parametrize(
    ("held", "own", "late"),
    [
        ([dataset("a", due=["2026-Q1", "2026-Q2"])], "2026-Q2", ["2026-Q1"]),  # its own has an event to come
        ([dataset("a", due=["2026-Q2", "2026-Q3"])], "2026-Q2", []),
        (
            [dataset("a", due=["2026-Q1"]), dataset("b", released=["2026-Q1"])],
            "2026-Q1",
            ["2026-Q1"],  # its event came before a's last month did
        ),
        (
            [dataset("a", outdated=["2026-Q1", "2025-Q4"]), dataset("b", outdated=["2026-Q1"])],
            "2026-Q2",
            ["2025-Q4", "2026-Q1"],
        ),
        ([dataset("a", due=["2025", "2026"])], "2026", ["2025"]),
        ([], "2026-Q1", []),
    ],
)
def test_late_periods_are_those_that_no_event_asks_for(
    held: list[dict[str, Any]], own: str, late: list[str]
) -> None:
    assert stages.late_periods(held, own) == late


def test_a_terminal_publishes_what_is_good_and_says_what_was_refused(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("INGESTION", "PROCESSING"):
        monkeypatch.setenv(f"QUARTERLAKE_{name}_URL", service.url)
    released = [{"dataset": "b", "published": ["b@2026-Q1.1"], "current": []}]
    good, bad = answering("succeeded", datasets=released), answering("refused")
    service.answer = lambda body: bad(body) if body["stage"] == "ingest" else good(body)
    assert main(["2026-Q1"]) == 1
    shown = capsys.readouterr()
    assert "b: b@2026-Q1.1" in shown.out
    assert "a/bad.csv: no table" in shown.err
    service.answer = good
    assert main(["2026-Q1"]) == 0
