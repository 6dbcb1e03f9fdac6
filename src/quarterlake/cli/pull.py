"""The verb that downloads a release from a delivery API."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quarterlake.cli.context import DebugOption, JsonOption, print_json

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from quarterlake.client.client import Watcher
    from quarterlake.settings import Settings


def pull(
    name: Annotated[
        str,
        typer.Argument(
            help="flights for its latest release, flights@2013-Q1 for a period's current one, or flights@2013-Q1.1.",
            show_default=False,
        ),
    ],
    to: Annotated[
        Path, typer.Option("--to", help="The folder to put it in, as <release>/<aggregate>/<file>.")
    ] = Path(),
    aggregate: Annotated[
        str | None,
        typer.Option("--aggregate", help="Only this one. Default: all of them.", show_default=False),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(
            "--url",
            help="The delivery API. Default http://127.0.0.1:8080; also QUARTERLAKE_URL.",
            show_default=False,
        ),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(
            "--key",
            help="The key. Better in QUARTERLAKE_KEY: other users of this machine can see options.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Download a release, every file verified against its SHA-256. Run it again and it goes on where it stopped."""
    from quarterlake.domain.errors import UsageError
    from quarterlake.settings import read_settings

    try:
        from quarterlake.client import Client, KeyRefusedError
    except ImportError as missing:
        raise UsageError(
            f"pull needs more than is installed ({missing}). Install it with `pip install httpx`."
        ) from missing
    settings = read_settings({"QUARTERLAKE_URL": url, "QUARTERLAKE_KEY": key})
    try:
        with Client(settings.pull.url, settings.pull.key, cache=settings.cache) as client:
            release = client.release(name)
            with _watcher(release.name) as watcher:
                paths = client.download(release.name, to, aggregate=aggregate, watcher=watcher)
    except KeyRefusedError as refused:
        raise KeyRefusedError(f"{refused} {_key_used(key, settings)}") from refused
    if as_json:
        files = [{"path": str(path), "size": path.stat().st_size} for path in paths]
        print_json(
            {
                "release": release.name,
                "published_at": release.published_at.isoformat(timespec="seconds"),
                "files": files,
            }
        )
        return
    for path in paths:
        print(path)


def _key_used(option: str | None, settings: Settings) -> str:
    """Which key was sent, and how another is given."""
    if settings.pull.key is None:
        return "None was sent: give it in QUARTERLAKE_KEY, or with --key."
    return f"What was sent is {'that of --key' if option is not None else 'QUARTERLAKE_KEY'}; give another there."


@contextmanager
def _watcher(release: str) -> Iterator[Watcher | None]:
    """A bar of bytes on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        yield _Bar(bars, bars.add_task(release, total=None))


class _Bar:
    """See Watcher."""

    def __init__(self, bars: Bars, task: TaskID) -> None:
        self._bars = bars
        self._task = task

    def begin(self, files: int, size: int) -> None:  # noqa: ARG002 - the protocol's
        """See Watcher."""
        self._bars.update(self._task, total=size)

    def gained(self, size: int) -> None:
        """See Watcher."""
        self._bars.advance(self._task, size)
