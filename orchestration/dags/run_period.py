"""`run_period`: ingest and publish one period now; by hand, and for corrections and latecomers."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import Param, dag, task, task_group
from quarterlake_orchestration.settings import read_settings
from quarterlake_orchestration.stages import (
    all_accepted,
    datasets_of,
    ingest,
    process,
    publish,
    task_options,
    validate,
)

settings = read_settings()


@task
def period(**context) -> str:
    """The period that was asked for."""
    return str(context["params"]["period"])


@task
def chosen(datasets: list[str], **context) -> list[str]:
    """The data sets that were asked for: one, or all that have records of the period."""
    dataset = context["params"]["dataset"]
    return [dataset] if dataset else datasets


@task
def incomplete(**context) -> bool:
    """Whether a period that lacks months is published all the same."""
    return bool(context["params"]["allow_incomplete"])


@dag(
    schedule=None,
    start_date=datetime(2000, 1, 1, tzinfo=UTC),
    max_active_runs=1,
    default_args=task_options(settings),
    params={
        "period": Param("2013-Q1", type="string", pattern=r"^[0-9]{4}(-(Q[1-4]|0[1-9]|1[0-2]))?$"),
        "dataset": Param(None, type=["null", "string"], pattern=r"^[a-z0-9_]{1,100}$"),
        "allow_incomplete": Param(False, type="boolean"),
    },
    tags=["quarterlake"],
    doc_md=__doc__,
)
def run_period():
    """Ingest, then process, validate and publish the period."""
    wanted, anyway, ingested = period(), incomplete(), ingest()
    found = datasets_of(wanted)
    ingested >> found
    all_accepted(ingested)

    @task_group
    def release(dataset: str, wanted: str, anyway: bool):
        (
            process(dataset, wanted, anyway)
            >> validate(dataset, wanted, anyway)
            >> publish(dataset, wanted, anyway)
        )

    release.partial(wanted=wanted, anyway=anyway).expand(dataset=chosen(found))


run_period()
