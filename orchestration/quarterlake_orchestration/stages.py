"""The tasks: each one call of a service."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from airflow.sdk import (
    Asset,
    ExceptionRetryPolicy,
    RetryAction,
    RetryRule,
    get_current_context,
    task,
)
from airflow.sdk.exceptions import AirflowSkipException

from quarterlake_orchestration.client import Client, RefusedError
from quarterlake_orchestration.periods import months_of, publish_period
from quarterlake_orchestration.settings import Settings, read_settings

LANDED = Asset("quarterlake_landed", uri="quarterlake://raw/landed")
"""An event a period whose data has landed and is curated, its partition the period's first month."""
RELEASED = Asset("quarterlake_released", uri="quarterlake://aggregated/releases")
"""An event a data set and period that was published; its extra names the releases, with their hashes."""


def task_options(settings: Settings) -> dict[str, Any]:
    """Retry what may help, soon and then later; never what the data is to blame for."""
    return {
        "retries": settings.retries,
        "retry_delay": timedelta(seconds=settings.retry_seconds),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(minutes=15),
        "execution_timeout": timedelta(seconds=settings.run_seconds + 600),
        "retry_policy": ExceptionRetryPolicy(
            rules=[
                RetryRule(
                    exception=RefusedError, action=RetryAction.FAIL, reason="the data or the request is wrong"
                )
            ]
        ),
    }


def caller() -> str:
    """Airflow's ids of the running task: they are kept with the build and the release that the run makes."""
    ti = get_current_context()["ti"]
    name = f"{ti.dag_id}/{ti.run_id}/{ti.task_id}/{ti.try_number}"
    return "".join(letter if "!" <= letter <= "~" else "_" for letter in name)[:300]


def _run(stage: str) -> tuple[dict[str, Any], list[str]]:
    """What a stage did for all data sets, and why it refused some of the data: the rest is done all the same."""
    try:
        return Client(read_settings()).run(stage, caller=caller()), []
    except RefusedError as refused:
        if refused.result is None:
            raise
        return refused.result, [str(refused)]


@task
def ingest() -> dict[str, Any]:
    """Land what is new in the source folder. Returns what landed, with hashes, and what was refused."""
    result, refusals = _run("ingest")
    kept = ("landed", "unchanged", "corrections", "duplicates", "unfinished")
    return {**{name: result["ingest"][name] for name in kept}, "refusals": refusals}


@task
def curate(ingested: dict[str, Any], **context: Any) -> dict[str, Any]:
    """Parse and curate. Returns the period's records by data set, the periods to publish that its event does not ask for, and what was refused."""
    settings = read_settings()
    key = context["partition_key"]
    result, refusals = _run("curate")
    datasets = result["datasets"]
    months = months_of(key, settings.ingest)
    records = {
        held["dataset"]: sum(held["records_by_month"].get(month, 0) for month in months) for held in datasets
    }
    return {
        "months": months,
        "records": {dataset: count for dataset, count in records.items() if count},
        "landed": [{k: m[k] for k in ("dataset", "source", "sha256")} for m in ingested["landed"]][:500],
        "late": late_periods(datasets, publish_period(key, settings.publish)),
        "waiting": {held["dataset"]: held["waiting"] for held in datasets},
        "refusals": [*ingested["refusals"], *refusals],
    }


def late_periods(datasets: Sequence[dict[str, Any]], own: str) -> list[str]:
    """The periods to publish that no event asks for: outdated ones, and due ones whose event has come already.

    A period later than `own`, that of the run, has its event still to come; so has `own` while nothing of it is released.
    """
    is_over = any(own in held["released"] for held in datasets)
    late = {name for held in datasets for name in held["outdated"]}
    late |= {d for held in datasets for d in held["due"] if d < own or (d == own and is_over)}
    return sorted(late)


@task(outlets=[LANDED])
def landed(curated: dict[str, Any], **context: Any) -> None:
    """Say that the period has landed, unless no record of it has."""
    if not curated["records"]:
        raise AirflowSkipException(
            f"No record of {', '.join(curated['months'])} has landed. Waiting: {curated['waiting']}"
        )
    context["outlet_events"][LANDED].extra = {name: curated[name] for name in ("records", "landed")}


@task
def all_accepted(done: dict[str, Any]) -> None:
    """Fail where some of the data was refused, with the files' names and the reasons; the rest has gone on."""
    if done["refusals"]:
        raise RefusedError("; ".join(done["refusals"]))


@task
def datasets_of(period: str) -> list[str]:
    """The data sets that hold records of a publish period, and those of which that cannot be told."""
    settings = read_settings()
    result, _ = _run("curate")  # a data set at fault is refused by name when it is processed
    return [
        held["dataset"]
        for held in result["datasets"]
        if held["failed"]
        or any(publish_period(month, settings.publish) == period for month in held["records_by_month"])
    ]


def _stage(stage: str, dataset: str, period: str, *, allow_incomplete: bool = False) -> dict[str, Any]:
    result = Client(read_settings()).run(
        stage, caller=caller(), dataset=dataset, period=period, allow_incomplete=allow_incomplete
    )
    [found] = result["datasets"]
    kept = ("dataset", "totals", "builds", "published", "current")
    return {**{name: found[name] for name in kept}, "releases": result["releases"]}


@task
def process(dataset: str, period: str, allow_incomplete: bool = False) -> dict[str, Any]:
    """Make the build of a data set and period."""
    return _stage("process", dataset, period, allow_incomplete=allow_incomplete)


@task
def validate(dataset: str, period: str, allow_incomplete: bool = False) -> dict[str, Any]:
    """Look at its gates."""
    return _stage("validate", dataset, period, allow_incomplete=allow_incomplete)


@task(outlets=[RELEASED])
def publish(dataset: str, period: str, allow_incomplete: bool = False, **context: Any) -> dict[str, Any]:
    """Publish it, unless it is published."""
    done = _stage("publish", dataset, period, allow_incomplete=allow_incomplete)
    context["outlet_events"][RELEASED].extra = {
        "dataset": dataset,
        "period": period,
        "published": done["published"],
        "current": done["current"],
        "files": [file for release in done["releases"] for file in release["files"]][:500],
    }
    return done


def period_of(context: dict[str, Any]) -> str:
    """The publish period of a run: its partition, else its parameter."""
    return str(context.get("partition_key") or context["params"]["period"])


def confs(curated: dict[str, Any]) -> list[dict[str, str]]:
    """The configurations of runs of `run_period`, one a late period."""
    return [{"period": period} for period in curated["late"]]
