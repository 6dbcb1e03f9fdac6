"""A service's HTTP server: binds, serves, and stops without leaving a run behind."""

from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING

import uvicorn

from quarterlake.domain.errors import UsageError
from quarterlake.service.app import create_app
from quarterlake.service.logs import log_as_json

if TYPE_CHECKING:
    from types import FrameType

    from quarterlake.service.app import Role
    from quarterlake.service.runs import Runs
    from quarterlake.settings import Settings

_STOP_SECONDS = 20
_IDLE_SECONDS = 30
_MOST_CONNECTIONS = 100


class _Server(uvicorn.Server):
    """Cancels the runs when it is told to stop, so that their streams end and it can."""

    def __init__(self, config: uvicorn.Config, runs: Runs) -> None:
        super().__init__(config)
        self._runs = runs

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._runs.stop()
        super().handle_exit(sig, frame)


def bound(host: str, port: int) -> socket.socket:
    """A listening socket. Raises UsageError naming an address that cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
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


def serve(role: Role, settings: Settings, host: str, port: int) -> None:
    """Serve until told to stop."""
    app, runs = create_app(role, settings)
    with bound(host, port) as listener:
        log_as_json()
        address = f"http://{host}:{listener.getsockname()[1]}"
        logging.getLogger("quarterlake.service").info(
            "listening", extra={"fields": {"service": role.name, "address": address}}
        )
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=_STOP_SECONDS,
            timeout_keep_alive=_IDLE_SECONDS,
            limit_concurrency=_MOST_CONNECTIONS,
            server_header=False,
        )
        _Server(config, runs).run(sockets=[listener])
