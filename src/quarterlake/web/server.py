"""The HTTP server: binds, serves, and stops without leaving work behind."""

from __future__ import annotations

import logging
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

import uvicorn

from quarterlake.domain.errors import UsageError
from quarterlake.web.logs import log_as_json

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from fastapi import FastAPI

_STOP_SECONDS = 20
_IDLE_SECONDS = 30
_MOST_CONNECTIONS = 100
_log = logging.getLogger("quarterlake.web")


class _Server(uvicorn.Server):
    """Tells what is at work that it is to end, so that its streams do and the server can."""

    def __init__(self, config: uvicorn.Config, stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._stop = stop

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._stop()
        super().handle_exit(sig, frame)


def bound(host: str, port: int) -> socket.socket:
    """A listening socket. Raises UsageError naming an address that cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Only where the protocol is named does asyncio switch Nagle's algorithm off, which costs small answers 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_MOST_CONNECTIONS)
    except OSError as taken:
        listener.close()
        raise UsageError(
            f"{host}:{port} cannot be listened on: {taken.strerror}. Choose another with --host and --port, or end what uses it."
        ) from taken
    return listener


def serve(
    app: FastAPI,
    host: str,
    port: int,
    stop: Callable[[], None] = lambda: None,
    *,
    connections: int = _MOST_CONNECTIONS,
) -> None:
    """Serve so many connections until told to stop; `stop` is called then, before they are waited for."""
    with bound(host, port) as listener:
        log_as_json()
        address = f"http://{host}:{listener.getsockname()[1]}"
        _log.info("listening", extra={"fields": {"service": app.title, "address": address}})
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=_STOP_SECONDS,
            timeout_keep_alive=_IDLE_SECONDS,
            limit_concurrency=connections,
            server_header=False,
        )
        # Ctrl-C is how a server is told to stop, and it has stopped by then.
        with suppress(KeyboardInterrupt):
            _Server(config, stop).run(sockets=[listener])
