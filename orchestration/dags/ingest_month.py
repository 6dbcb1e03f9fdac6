"""`ingest_month`: a month's files land and are curated; whatever that makes due is published."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import dag, task
from quarterlake_orchestration.periods import ingest_timetable
from quarterlake_orchestration.settings import read_settings
from quarterlake_orchestration.stages import all_accepted, confs, curate, ingest, landed, task_options

settings = read_settings()


@dag(
    schedule=ingest_timetable(settings),
    start_date=datetime(2000, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args=task_options(settings),
    tags=["quarterlake"],
    doc_md=__doc__,
)
def ingest_month():
    """Ingest, then curate; corrections and latecomers have their periods published by `run_period`."""
    curated = curate(ingest())
    landed(curated)
    conf = task(confs, task_id="late_periods")(curated)
    TriggerDagRunOperator.partial(task_id="publish_late", trigger_dag_id="run_period").expand(conf=conf)
    all_accepted(curated)


ingest_month()
