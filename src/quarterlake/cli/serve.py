"""The verb that hands out releases over HTTP."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from quarterlake.cli.context import DebugOption, LakeOption, settings_of

_CONNECTIONS = 1000


def serve(
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="0 takes any.", min=0, max=65535)] = 8080,
    is_open: Annotated[
        bool, typer.Option("--open", help="Ask for no key; only on a loopback address.")
    ] = False,
    lake: LakeOption = None,
    debug: DebugOption = False,
) -> None:
    """Serve the delivery API: releases, and URLs that download them. /docs shows it."""
    from quarterlake.domain.errors import UsageError
    from quarterlake.lake.location import check_there, open_lake
    from quarterlake.lake.s3_options import HASTY

    try:
        from quarterlake.delivery.access import LOOPBACK
        from quarterlake.delivery.app import create_app
        from quarterlake.delivery.keystore import open_keystore
        from quarterlake.web.server import serve as serve_app
    except ImportError as missing:
        raise UsageError(
            f"Delivery needs more than is installed ({missing}). Install it with `pip install 'quarterlake[delivery]'`."
        ) from missing
    if is_open and host not in LOOPBACK:
        raise UsageError(
            f"--open lets in everybody who reaches {host}. Leave it out, or listen on 127.0.0.1."
        )
    settings = settings_of(lake, None, None)
    check_there(settings.lake)
    keys = open_keystore(settings.delivery.database)
    s3 = {zone: replace(options, patience=HASTY) for zone, options in settings.s3.items()}
    with open_lake(settings.lake, s3, settings.scratch) as opened:
        app = create_app(opened.aggregated, settings.delivery, keys, is_open=is_open)
        serve_app(app, host, port, connections=_CONNECTIONS)
    keys.close()
