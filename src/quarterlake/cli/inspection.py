"""`quarterlake inspect FILE`: how a file would be read, before anything is landed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from quarterlake.cli.context import DebugOption, JsonOption, print_json
from quarterlake.domain.errors import UsageError
from quarterlake.domain.printable import printable

if TYPE_CHECKING:
    from quarterlake.domain.contract import Contract
    from quarterlake.domain.reading import Reading
    from quarterlake.processing.inspecting import Inspection

_WIDE = 100
_NAMES = {"\t": "tab", " ": "space", "": "none"}


def inspect(
    file: Annotated[Path, typer.Argument(help="The file to look at.", show_default=False)],
    contract: Annotated[
        Path | None,
        typer.Option("--contract", help="Hold it to this contract (ODCS YAML).", show_default=False),
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Try a setting of quarterlake.reading, such as delimiter=';' or header=false.",
            show_default=False,
        ),
    ] = None,
    records: Annotated[
        int, typer.Option("--records", min=0, help="How many records and rejects to show.")
    ] = 5,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """How a file would be read and why, its first records, and what would be rejected; nothing is landed."""
    from quarterlake.processing.inspecting import inspect_path
    from quarterlake.settings import read_settings

    if not file.is_file():
        raise UsageError(f"{file} is no file. Name one that is there.")
    held = _contract(contract)
    settings = read_settings()
    found = inspect_path(
        file,
        _reading(held, setting or []),
        first=records,
        contract=held,
        memory=settings.memory,
        threads=settings.threads,
    )
    if json:
        print_json(msgspec.to_builtins(found))
    else:
        _print(found)


def _contract(path: Path | None) -> Contract | None:
    from quarterlake.domain.odcs import from_yaml

    if path is None:
        return None
    try:
        return from_yaml(path.read_text(encoding="utf-8"), str(path))
    except OSError as missing:
        raise UsageError(
            f"{path} cannot be read: {missing.strerror}. Name a contract that is there."
        ) from missing


def _reading(contract: Contract | None, settings: list[str]) -> Reading:
    """The contract's settings, with those that the command names in their place."""
    from quarterlake.domain.reading import EVIDENCE, Reading

    values = msgspec.to_builtins(contract.reading if contract else EVIDENCE)
    for setting in settings:
        name, said, value = setting.partition("=")
        if not said:
            raise UsageError(f"--set {setting}: write it as NAME=VALUE, such as delimiter=';'.")
        values[name] = {"tab": "\t", "space": " "}.get(value, value)
    try:
        return msgspec.convert(values, Reading, strict=False)
    except msgspec.ValidationError as refused:
        raise UsageError(f"--set: {refused}. See quarterlake.reading in docs/reading.md.") from refused


def _print(found: Inspection) -> None:
    rejected = sum(found.reject_counts.values())
    typer.echo(
        f"{_line(found.name)}: {found.records:,} records = {found.records - rejected:,} read + {rejected:,} rejected"
    )
    width = max(map(len, found.how))
    for name, value in found.how.items():
        shown = _NAMES.get(value, _line(value))
        why = f"  ({printable(found.why[name])})" if name in found.why else ""
        typer.echo(f"  {name:<{width}}  {shown}{why}")
    typer.echo(f"  {'columns':<{width}}  {len(found.columns)}: {_line(', '.join(found.columns))}")
    typer.echo("types:")
    types = {_line(name): found_type for name, found_type in found.types.items()}
    name_width = max(map(len, types), default=0)
    for name, found_type in types.items():
        form = f" as {found_type.format}" if found_type.format else ""
        why = f"  ({printable(found_type.why)})" if found_type.why else ""
        typer.echo(f"  {name:<{name_width}}  {found_type.type}{form}{why}")
    if found.first:
        typer.echo("first records:")
    for row in found.first:
        cells = ", ".join(
            f"{_line(name)}={'null' if cell is None else _line(cell)}"
            for name, cell in zip(found.shown, row, strict=True)
        )
        typer.echo(f"  {cells}")
    if found.reject_counts:
        is_refused = sum(found.reject_counts.values()) == found.records
        typer.echo("rejected, so that a run refuses the file:" if is_refused else "rejected:")
    for reason, count in found.reject_counts.items():
        typer.echo(f"  {count:,} x {reason}")
    for reject in found.rejects:
        place = f"line {reject.line}, byte {reject.byte_offset}" if reject.line is not None else "somewhere"
        column = f" {_line(reject.column)}:" if reject.column else ""
        typer.echo(f"  {place}:{column} {reject.reason}: {_line(reject.raw)}")


def _line(text: str) -> str:
    """A text on one line, not too long, and nothing in it that a terminal obeys."""
    line = printable(text)
    return line if len(line) <= _WIDE else line[: _WIDE - 1] + "…"
