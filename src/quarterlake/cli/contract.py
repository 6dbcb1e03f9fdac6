"""`quarterlake contract`: show, infer, check."""

from __future__ import annotations

import sys
from pathlib import Path
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
    wishes,
)

contract_app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)
DatasetArgument = Annotated[str, typer.Argument(help="The data set.", show_default=False)]


@contract_app.command()
def show(
    dataset: DatasetArgument,
    lake: LakeOption = None,
    contracts: ContractsOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Print the contract in force as ODCS YAML: the user's, else the newest inferred one."""
    from quarterlake.domain.errors import UsageError
    from quarterlake.domain.releases import checked_dataset_name
    from quarterlake.processing.contract_files import declared_contract
    from quarterlake.processing.contracts import in_force

    with opened(lake, contracts, None) as pipeline:
        checked_dataset_name(dataset)
        contract = in_force(
            pipeline.parsing, dataset, declared_contract(pipeline.settings.contracts, dataset)
        )
        landed = [] if contract else pipeline.datasets()
    if contract is None:
        raise UsageError(
            f"{dataset} has no contract yet. Write one, or let `quarterlake process` infer it. Data sets that have landed: {', '.join(landed) or 'none'}."
        )
    _print(contract, as_json=json)


@contract_app.command()
def infer(
    dataset: DatasetArgument,
    write: Annotated[
        bool,
        typer.Option("--write", help="Write it to <contracts>/<dataset>.odcs.yaml, which must not exist."),
    ] = False,
    lake: LakeOption = None,
    contracts: ContractsOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Print what inference gives for the files that have landed, to be edited and handed back."""
    from quarterlake.domain.errors import UsageError
    from quarterlake.domain.odcs_writing import to_yaml
    from quarterlake.processing.contracts import infer as infer_contract

    if write and contracts is not None:
        Path(contracts).mkdir(parents=True, exist_ok=True)
    with opened(lake, contracts, None) as pipeline:
        pipeline.chosen(wishes([dataset], None, allow_incomplete=False))
        contract = infer_contract(pipeline.parsing, dataset, pipeline.landings(dataset))
        folder: Path = pipeline.settings.contracts
    if contract is None:
        raise UsageError(
            f"No readable file of {dataset} has landed in {pipeline.settings.lake}. `quarterlake ingest` lands files, `quarterlake status` shows them."
        )
    if not write:
        _print(contract, as_json=json)
        return
    path = folder / f"{dataset}.odcs.yaml"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(to_yaml(contract))
    except FileExistsError:
        raise UsageError(f"{path} exists; move it away first, or leave out --write to compare.") from None
    if json:
        print_json(contract)
        return
    typer.echo(f"{path} written; edit it, and the next run holds the data to it.")


@contract_app.command()
def check(
    dataset: DatasetArgument,
    lake: LakeOption = None,
    contracts: ContractsOption = None,
    aggregates: AggregatesOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Hold every live file to the contract in force; exit with 1 where one does not meet it."""
    from quarterlake.domain.errors import UsageError
    from quarterlake.processing.building import drift_of
    from quarterlake.processing.ledgers import stood_for
    from quarterlake.processing.refusals import refusal_of, rejected_data_of

    with opened(lake, contracts, aggregates) as pipeline:
        pipeline.chosen(wishes([dataset], None, allow_incomplete=False))
        landings, settled = pipeline.settled(dataset)
    if settled is None:
        raise UsageError(f"No readable file of {dataset} has landed in {pipeline.settings.lake}.")
    problems = []
    replayed = stood_for(landings, settled.parsed)
    for landing in landings:
        parsed = settled.parsed.get(landing.manifest.sequence)
        if parsed is not None and landing.is_live:
            gone = replayed.get(landing.manifest.sequence, 0)
            refusal = refusal_of(landing.manifest.source, parsed, gone)
            rejected = rejected_data_of(landings, settled.parsed, landing.manifest.sequence)
            drift = [found.text for found in drift_of(settled.contract, landing.manifest, parsed, gone)]
            problems += [refusal] if refusal else [*drift, *filter(None, (rejected,))]
    if json:
        print_json(
            {
                "dataset": dataset,
                "contract": settled.contract.version,
                "meets": not problems,
                "problems": problems,
            }
        )
    else:
        typer.echo(
            "\n".join(problems) or f"Every file of {dataset} meets contract {settled.contract.version}."
        )
    raise typer.Exit(1 if problems else 0)


def _print(contract: object, *, as_json: bool) -> None:
    from quarterlake.domain.contract import Contract
    from quarterlake.domain.odcs_writing import to_yaml

    if as_json:
        print_json(contract)
    elif isinstance(contract, Contract):
        sys.stdout.write(to_yaml(contract))
