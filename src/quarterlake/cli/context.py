"""What every verb shares: its options, the pipeline that they open, and how it answers."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from quarterlake.outcomes import Wishes
    from quarterlake.pipeline import Pipeline
    from quarterlake.settings import Settings

LakeOption = Annotated[
    str | None,
    typer.Option(
        "--lake",
        help="A folder, or an S3 URL template such as s3://bucket/prefix/{zone}. Default ./lake; also QUARTERLAKE_LAKE.",
        show_default=False,
    ),
]
ContractsOption = Annotated[
    str | None,
    typer.Option("--contracts", help="The folder of contracts. Default ./contracts.", show_default=False),
]
AggregatesOption = Annotated[
    str | None,
    typer.Option(
        "--aggregates", help="The folder of aggregates in SQL. Default ./aggregates.", show_default=False
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show where an error came from.")]
DatasetsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--dataset", help="Process only this data set; may be given more than once.", show_default=False
    ),
]
PeriodsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--period",
        help="This period, such as 2026-Q3, instead of every complete one; may be given more than once.",
        show_default=False,
    ),
]
EngineOption = Annotated[
    str | None,
    typer.Option(
        "--engine",
        help="duckdb (embedded, the default) or spark; also QUARTERLAKE_ENGINE.",
        show_default=False,
    ),
]
IncompleteOption = Annotated[
    bool, typer.Option("--allow-incomplete", help="Publish periods that still lack months.")
]


def settings_of(
    lake: str | None, contracts: str | None, aggregates: str | None, engine: str | None = None
) -> Settings:
    """The settings, those of the command line first. Raises UsageError for a folder named there that does not exist."""
    from quarterlake.domain.errors import UsageError
    from quarterlake.settings import read_settings

    for option, folder in (("--contracts", contracts), ("--aggregates", aggregates)):
        if folder is not None and not Path(folder).is_dir():
            raise UsageError(
                f"{option} {folder}: there is no such folder. Name the one that holds your files, or leave the option out."
            )
    return read_settings(
        {
            "QUARTERLAKE_LAKE": lake,
            "QUARTERLAKE_CONTRACTS": contracts,
            "QUARTERLAKE_AGGREGATES": aggregates,
            "QUARTERLAKE_ENGINE": engine,
        }
    )


@contextmanager
def opened(
    lake: str | None, contracts: str | None, aggregates: str | None, engine: str | None = None
) -> Iterator[Pipeline]:
    """A pipeline over the lake that the options name, its progress shown on standard error."""
    from quarterlake.cli.progress import listener
    from quarterlake.pipeline import Pipeline

    settings = settings_of(lake, contracts, aggregates, engine)
    with listener() as progress, Pipeline(settings, now=datetime.now(UTC), progress=progress) as pipeline:
        yield pipeline


def wishes(datasets: list[str] | None, periods: list[str] | None, *, allow_incomplete: bool) -> Wishes:
    """What the user asked for. Raises UsageError for a name that no data set can have, and for a period that does not read."""
    from quarterlake.domain.periods import Period
    from quarterlake.domain.releases import checked_dataset_name
    from quarterlake.outcomes import Wishes

    return Wishes(
        tuple(checked_dataset_name(name) for name in datasets or ()),
        tuple(Period.parse(text) for text in periods or ()),
        allow_incomplete,
    )


def print_json(document: object) -> None:
    """One JSON document on standard output."""
    import msgspec

    sys.stdout.write(msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n")
    sys.stdout.flush()
