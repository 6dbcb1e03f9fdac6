"""The verbs that only look: status, releases, ledger, doctor."""

from __future__ import annotations

from typing import Annotated

import typer

from quarterlake.cli.context import (
    AggregatesOption,
    ContractsOption,
    DebugOption,
    JsonOption,
    LakeOption,
    opened,
    print_json,
    settings_of,
)

DatasetArgument = Annotated[str | None, typer.Argument(help="Only this data set.", show_default=False)]


def register(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    for verb in (status, releases, ledger, doctor):
        app.command()(verb)


def status(
    dataset: DatasetArgument = None,
    lake: LakeOption = None,
    contracts: ContractsOption = None,
    aggregates: AggregatesOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Data sets, raw files, periods with the months they still lack, builds waiting, releases."""
    from quarterlake.cli.report import print_status
    from quarterlake.overview import lake_status

    with opened(lake, contracts, aggregates) as pipeline:
        document = lake_status(pipeline, dataset)
    if json:
        print_json(document)
    else:
        print_status(document)


def releases(
    dataset: DatasetArgument = None,
    lake: LakeOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Every release as JSON, newest last."""
    from quarterlake.overview import all_releases
    from quarterlake.run_document import release_documents

    with opened(lake, None, None) as pipeline:
        print_json({"releases": release_documents(all_releases(pipeline, dataset))})


def ledger(
    dataset: DatasetArgument = None,
    lake: LakeOption = None,
    contracts: ContractsOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Where every record of every landed file went, as JSON; it balances."""
    from quarterlake.domain.ledger import totals
    from quarterlake.overview import ledger_entries

    with opened(lake, contracts, None) as pipeline:
        entries = ledger_entries(pipeline, dataset)
    print_json({"files": entries, "totals": totals(entries)})


def doctor(
    lake: LakeOption = None,
    contracts: ContractsOption = None,
    aggregates: AggregatesOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """What is installed, what is reachable, what each setting is and where it came from."""
    from quarterlake.cli.report import print_doctor
    from quarterlake.doctor import examine

    findings = examine(settings_of(lake, contracts, aggregates))
    if json:
        print_json(findings)
    else:
        print_doctor(findings)
    raise typer.Exit(0 if findings["healthy"] else 3)
