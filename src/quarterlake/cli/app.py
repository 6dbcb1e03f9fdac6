"""The verbs. Each imports what it needs when it runs, so that `--help` answers at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from quarterlake.cli.clean import clean
from quarterlake.cli.context import (
    AggregatesOption,
    ContractsOption,
    DatasetsOption,
    DebugOption,
    EngineOption,
    IncompleteOption,
    JsonOption,
    LakeOption,
    PeriodsOption,
    opened,
    print_json,
    wishes,
)
from quarterlake.cli.contract import contract_app
from quarterlake.cli.inspect import register as register_inspection
from quarterlake.cli.inspection import inspect
from quarterlake.cli.keys import keys_app
from quarterlake.cli.pull import pull
from quarterlake.cli.rejects import rejects_app
from quarterlake.cli.serve import serve
from quarterlake.cli.service import service
from quarterlake.cli.spark_server import spark_server

app = typer.Typer(
    help="Timestamped files in, trustworthy quarterly data sets out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
)
app.add_typer(keys_app, name="keys")
app.add_typer(
    contract_app,
    name="contract",
    help="The contract in force, what inference would write, whether data meets it.",
)

app.add_typer(
    rejects_app,
    name="rejects",
    help="The records that were not accepted: list, export to repair them, replay the repaired.",
)

SourceArgument = Annotated[
    Path, typer.Argument(help="The folder that holds the data files.", show_default=False)
]
ArchiveOption = Annotated[
    Path | None,
    typer.Option(
        "--archive", help="Move files here once they have landed. Default: they stay.", show_default=False
    ),
]


@app.command()
def run(
    source: SourceArgument,
    period: PeriodsOption = None,
    dataset: DatasetsOption = None,
    allow_incomplete: IncompleteOption = False,
    archive: ArchiveOption = None,
    lake: LakeOption = None,
    contracts: ContractsOption = None,
    aggregates: AggregatesOption = None,
    engine: EngineOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Ingest, process, validate and publish each period that is complete, or those named."""
    from quarterlake.cli.report import report_run

    with opened(lake, contracts, aggregates, engine) as pipeline:
        wanted = wishes(dataset, period, allow_incomplete=allow_incomplete)
        pipeline.check_wishes(wanted, source)
        ingested = pipeline.ingest(source, archive)
        outcomes = pipeline.each(wanted, lambda name: pipeline.publish(name, wanted))
        notes = pipeline.notes()
    raise typer.Exit(report_run(ingested, outcomes, pipeline.settings, notes, as_json=json))


@app.command()
def ingest(
    source: SourceArgument,
    archive: ArchiveOption = None,
    lake: LakeOption = None,
    contracts: ContractsOption = None,
    aggregates: AggregatesOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Land new and changed files in the raw zone, byte for byte."""
    from quarterlake.cli.report import report_run

    with opened(lake, contracts, aggregates) as pipeline:
        ingested = pipeline.ingest(source, archive)
    raise typer.Exit(report_run(ingested, [], pipeline.settings, as_json=json))


@app.command()
def process(
    dataset: DatasetsOption = None,
    period: PeriodsOption = None,
    lake: LakeOption = None,
    contracts: ContractsOption = None,
    aggregates: AggregatesOption = None,
    engine: EngineOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Parse, curate and aggregate what has landed; nothing becomes visible but the curated months."""
    from quarterlake.cli.report import report_run

    with opened(lake, contracts, aggregates, engine) as pipeline:
        wanted = wishes(dataset, period, allow_incomplete=False)
        outcomes = pipeline.each(wanted, lambda name: pipeline.process(name, wanted))
        notes = pipeline.notes()
    raise typer.Exit(report_run(None, outcomes, pipeline.settings, notes, as_json=json))


@app.command()
def validate(
    dataset: DatasetsOption = None,
    period: PeriodsOption = None,
    allow_incomplete: IncompleteOption = False,
    lake: LakeOption = None,
    contracts: ContractsOption = None,
    aggregates: AggregatesOption = None,
    engine: EngineOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Look at the gates of every build that is not published."""
    from quarterlake.cli.report import report_run

    with opened(lake, contracts, aggregates, engine) as pipeline:
        wanted = wishes(dataset, period, allow_incomplete=allow_incomplete)
        outcomes = pipeline.each(wanted, lambda name: pipeline.validate(name, wanted))
        notes = pipeline.notes()
    raise typer.Exit(report_run(None, outcomes, pipeline.settings, notes, as_json=json))


@app.command()
def publish(
    dataset: DatasetsOption = None,
    period: PeriodsOption = None,
    allow_incomplete: IncompleteOption = False,
    lake: LakeOption = None,
    contracts: ContractsOption = None,
    aggregates: AggregatesOption = None,
    engine: EngineOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Publish every build that passes its gates."""
    from quarterlake.cli.report import report_run

    with opened(lake, contracts, aggregates, engine) as pipeline:
        wanted = wishes(dataset, period, allow_incomplete=allow_incomplete)
        outcomes = pipeline.each(wanted, lambda name: pipeline.publish(name, wanted))
        notes = pipeline.notes()
    raise typer.Exit(report_run(None, outcomes, pipeline.settings, notes, as_json=json))


@app.command()
def rollback(
    release: Annotated[str, typer.Argument(help="Such as orders@2026-Q3.1.", show_default=False)],
    lake: LakeOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Make an earlier release the current one again, as a new revision."""
    from quarterlake.publishing.publish import rollback as roll_back
    from quarterlake.publishing.releases import find_release
    from quarterlake.run_document import release_documents

    with opened(lake, None, None) as pipeline:
        store = pipeline.lake.aggregated
        made = roll_back(store, find_release(store, release), pipeline.now)
    if json:
        print_json({"releases": release_documents([made])})
    else:
        held = " The build that it replaces is held back until its inputs change." if made.holds_back else ""
        typer.echo(f"{made.name} is current, with the files of {made.restores or made.name}.{held}")


@app.command()
def verify(
    release: Annotated[str, typer.Argument(help="Such as orders@2026-Q3.1.", show_default=False)],
    lake: LakeOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Recompute every hash of a release, down to the raw files."""
    from quarterlake.publishing.releases import find_release
    from quarterlake.publishing.verify import verify as verify_release

    with opened(lake, None, None) as pipeline:
        files = list(verify_release(pipeline.lake, find_release(pipeline.lake.aggregated, release)))
    if json:
        print_json({"release": release, "holds": all(file.holds for file in files), "files": files})
    else:
        for file in files:
            verdict = (
                "holds" if file.holds else "MISSING" if file.found is None else f"CHANGED, now {file.found}"
            )
            typer.echo(f"{file.recorded}  {file.path}  {verdict}")
    raise typer.Exit(0 if all(file.holds for file in files) else 1)


app.command()(clean)
app.command()(pull)
app.command()(inspect)
app.command()(serve)
app.command()(service)
app.command()(spark_server)
register_inspection(app)
