"""The verb that serves the stages over HTTP."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from quarterlake.cli.context import DebugOption, LakeOption, settings_of


class ServiceName(StrEnum):
    """The services."""

    INGESTION = "ingestion"
    PROCESSING = "processing"


def service(
    name: Annotated[ServiceName, typer.Argument(help="Which service.", show_default=False)],
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="0 takes any.", min=0, max=65535)] = 8000,
    lake: LakeOption = None,
    debug: DebugOption = False,
) -> None:
    """Serve a stage over HTTP, as the stack does: POST /runs answers with a stream of events."""
    from quarterlake.domain.errors import UsageError

    try:
        from quarterlake.service.app import ROLES, create_app
        from quarterlake.web.server import serve
    except ImportError as missing:
        raise UsageError(
            f"The services need more than is installed ({missing}). Install it with `pip install 'quarterlake[service]'`."
        ) from missing
    app, runs = create_app(ROLES[name.value], settings_of(lake, None, None))
    serve(app, host, port, runs.stop)
