"""`publish_quarter`: fires once, when every month of a quarter has landed; process, validate and publish each data set."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import PartitionedAssetTimetable, dag, task, task_group
from quarterlake_orchestration.periods import publish_mapper
from quarterlake_orchestration.settings import read_settings
from quarterlake_orchestration.stages import (
    LANDED,
    datasets_of,
    period_of,
    process,
    publish,
    task_options,
    validate,
)

settings = read_settings()


@task
def period(**context) -> str:
    """The period to publish."""
    return period_of(context)


@dag(
    schedule=PartitionedAssetTimetable(assets=LANDED, default_partition_mapper=publish_mapper(settings)),
    start_date=datetime(2000, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args=task_options(settings),
    tags=["quarterlake"],
    doc_md=__doc__,
)
def publish_quarter():
    """Process, validate and publish, for each data set with records of the period."""
    wanted = period()

    @task_group
    def release(dataset: str, wanted: str):
        process(dataset, wanted) >> validate(dataset, wanted) >> publish(dataset, wanted)

    release.partial(wanted=wanted).expand(dataset=datasets_of(wanted))


publish_quarter()
