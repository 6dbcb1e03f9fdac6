"""`quarterlake rejects`: list, export, replay."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperGroup

from quarterlake.cli.context import (
    ContractsOption,
    DebugOption,
    JsonOption,
    LakeOption,
    opened,
    print_json,
)
from quarterlake.domain.printable import printable
from quarterlake.domain.wording import count_of

if TYPE_CHECKING:
    from quarterlake.repairing import Replayed
    from quarterlake.rereading import Reread

_SHOWN = 20


class _ListByDefault(TyperGroup):
    """`quarterlake rejects orders --csv` is `quarterlake rejects list orders --csv`."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """See click."""
        if not args or (args[0] not in self.commands and args[0] not in {"--help", "-h"}):
            args = ["list", *args]
        return super().parse_args(ctx, args)


rejects_app = typer.Typer(
    cls=_ListByDefault, no_args_is_help=False, pretty_exceptions_enable=False, rich_markup_mode=None
)
DatasetArgument = Annotated[str | None, typer.Argument(help="Only this data set.", show_default=False)]


@rejects_app.command("list")
def list_rejects(
    dataset: DatasetArgument = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV instead of JSON.")] = False,
    lake: LakeOption = None,
    contracts: ContractsOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Every record that was not accepted, with its place and the reason, as JSON or CSV. The default."""
    from quarterlake.overview import RejectEntry, reject_entries

    with opened(lake, contracts, None) as pipeline:
        entries = reject_entries(pipeline, dataset)
        if not as_csv:
            print_json({"rejects": list(entries)})
            return
        writer = csv.writer(sys.stdout)
        writer.writerow(RejectEntry.__struct_fields__)
        for entry in entries:
            writer.writerow([getattr(entry, field) for field in RejectEntry.__struct_fields__])


@rejects_app.command()
def export(
    dataset: Annotated[str, typer.Argument(help="The data set.", show_default=False)],
    to: Annotated[Path, typer.Option("--to", help="The CSV file to write; it must not exist.")],
    lake: LakeOption = None,
    contracts: ContractsOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Write the rejects as a CSV file to repair in a spreadsheet: raw text, reason, and a cell for each column."""
    from quarterlake.exporting import export as export_rejects

    with opened(lake, contracts, None) as pipeline:
        done = export_rejects(pipeline, dataset, to)
    if json:
        print_json(done)
        return
    typer.echo(
        f"{to}: {count_of(done.rejects, 'reject')} of {dataset}. Repair cells, or write discard into _action; then `quarterlake rejects replay {to}`."
    )
    if done.without_cells:
        typer.echo(
            f"  {done.without_cells:,} of them {'has' if done.without_cells == 1 else 'have'} no cells, since these could not be read again: mend {'it' if done.without_cells == 1 else 'them'} in a corrected file, or discard {'it' if done.without_cells == 1 else 'them'}."
        )
    if done.without_place:
        typer.echo(
            f"  {done.without_place:,} more {'has' if done.without_place == 1 else 'have'} no place in the file and can only be mended there; `quarterlake rejects {dataset}` lists all."
        )


@rejects_app.command()
def replay(
    what: Annotated[
        str,
        typer.Argument(
            help="A CSV file that `export` wrote and a person repaired; or a data set, to read its files again under a changed contract.",
            show_default=False,
        ),
    ],
    lake: LakeOption = None,
    contracts: ContractsOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Take repaired records, or read a data set's files again under its contract; the next run publishes what changed."""
    from quarterlake.repairing import replay as replay_sheet
    from quarterlake.rereading import reread

    sheet = Path(what)
    with opened(lake, contracts, None) as pipeline:
        if sheet.is_file() or sheet.suffix:
            done = replay_sheet(pipeline, sheet)
            if json:
                print_json({"replayed": done})
            else:
                _print_replayed(done)
            raise typer.Exit(1 if any(each.refused for each in done) else 0)
        contract, again = reread(pipeline, what)
    if json:
        print_json({"dataset": what, "contract": contract.version, "files": again})
    else:
        _print_reread(what, contract.version, again)


def _print_replayed(done: list[Replayed]) -> None:
    for each in done:
        typer.echo(
            f"{each.dataset}: {count_of(each.repaired, 'record')} repaired, {each.discarded:,} discarded, {each.unchanged:,} as replayed before, {each.left:,} left as they are"
        )
        if each.raw_changed:
            typer.echo(
                f"  _raw was changed in {count_of(each.raw_changed, 'row')}: it is not read; repair the cells of the columns after _exported"
            )
        for source in each.landed:
            typer.echo(f"  landed: {printable(source)}")
        for number, why in list(each.refused.items())[:_SHOWN]:
            typer.echo(f"  REFUSED: row {number}: {printable(why)}")
        if len(each.refused) > _SHOWN:
            typer.echo(f"  REFUSED: and {len(each.refused) - _SHOWN} more (--json lists all)")
        if each.landed:
            typer.echo(
                "  `quarterlake run` or `quarterlake publish` makes a new revision of the periods that they belong to."
            )


def _print_reread(dataset: str, version: str, again: list[Reread]) -> None:
    if not again:
        typer.echo(
            f"{dataset}: every file is parsed under contract {version} already; nothing to read again."
        )
        return
    before = sum(file.before or 0 for file in again)
    now = sum(file.now for file in again)
    typer.echo(
        f"{dataset}: {count_of(len(again), 'file')} read again under contract {version}; {count_of(now, 'reject')}, {before:,} before"
    )
    for file in again[:_SHOWN]:
        was = "not parsed before" if file.before is None else f"{file.before:,} before"
        counted = f"{count_of(file.now, 'reject')}, {was}"
        typer.echo(f"  {printable(file.source)}: {file.error or counted}")
    if len(again) > _SHOWN:
        typer.echo(f"  and {len(again) - _SHOWN} more (--json lists all)")
    typer.echo(
        "  `quarterlake run` or `quarterlake publish` makes a new revision of the periods that changed."
    )
