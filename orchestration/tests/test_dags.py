"""The DAGs import, and are built as they are meant to be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from quarterlake_orchestration.client import FailedError, RefusedError

DAGS = Path(__file__).parents[1] / "dags"


@pytest.fixture(scope="module")
def dags() -> dict[str, Any]:
    bag = DagBag(DAGS)
    assert bag.import_errors == {}
    return dict(bag.dags)


def test_there_are_three(dags: dict[str, Any]) -> None:
    assert set(dags) == {"ingest_month", "publish_quarter", "run_period"}


@pytest.mark.parametrize("name", ["publish_quarter", "run_period"])
def test_stages_follow_each_other(dags: dict[str, Any], name: str) -> None:
    tasks = dags[name].task_dict
    assert tasks["release.process"].downstream_task_ids == {"release.validate"}
    assert tasks["release.validate"].downstream_task_ids == {"release.publish"}
    assert "release.process" in tasks["datasets_of"].get_flat_relative_ids(upstream=False)


def test_nothing_is_curated_before_it_has_landed(dags: dict[str, Any]) -> None:
    assert dags["ingest_month"].task_dict["ingest"].downstream_task_ids == {"curate"}
    assert dags["run_period"].task_dict["ingest"].downstream_task_ids == {"datasets_of", "all_accepted"}


def test_what_is_late_waits_neither_for_the_month_nor_for_bad_files(dags: dict[str, Any]) -> None:
    month = dags["ingest_month"].task_dict
    assert month["curate"].downstream_task_ids == {"landed", "late_periods", "all_accepted"}
    assert [task for task in month if month[task].outlets] == ["landed"]
    for name in ("landed", "all_accepted"):
        assert month[name].downstream_task_ids == set()


def test_one_run_at_a_time_and_every_task_has_a_limit(dags: dict[str, Any]) -> None:
    for dag in dags.values():
        assert dag.max_active_runs == 1
        assert not dag.catchup
        for task in dag.tasks:
            assert task.execution_timeout is not None
            assert task.retries == 4


def test_only_what_may_help_is_retried(dags: dict[str, Any]) -> None:
    policy = dags["publish_quarter"].task_dict["release.process"].retry_policy
    refused = policy.evaluate(RefusedError("bad"), try_number=1, max_tries=4)
    failed = policy.evaluate(FailedError("away"), try_number=1, max_tries=4)
    assert str(refused.action.value) == "fail"
    assert str(failed.action.value) != "fail"
