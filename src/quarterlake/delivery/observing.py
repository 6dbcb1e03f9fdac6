"""Watches every request: an id, a line in the log, the counters, and headers that browsers heed."""

from __future__ import annotations

import logging
import re
import secrets
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from quarterlake.delivery.metrics import Metrics

_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_QUIET = frozenset({"livez", "readyz", "metrics"})
_LONGEST_PATH = 300
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    # The address of a page or of a download is nobody else's business.
    (b"referrer-policy", b"same-origin"),
]
_log = logging.getLogger("quarterlake.delivery")


class Observed:
    """Wraps an application. Of a request its method, path, caller's name and answer are logged; never a query, a header or a body."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope["state"] = {**scope.get("state", {}), "caller": None}
        started = time.perf_counter()
        began, status, sent = 0.0, 500, 0

        async def watched(message: Message) -> None:
            nonlocal began, status, sent
            if message["type"] == "http.response.start":
                began, status = time.perf_counter() - started, message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id), *_HEADERS]
            else:
                sent += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            operation = getattr(scope.get("route"), "operation_id", None) or "other"
            self._metrics.answered(operation, status, began, sent)
            if operation not in _QUIET:
                fields = {
                    "request": request_id.decode(),
                    "method": scope["method"],
                    "path": scope["path"][:_LONGEST_PATH],
                    "operation": operation,
                    "status": status,
                    "bytes": sent,
                    "ms": round((time.perf_counter() - started) * 1000, 1),
                    "caller": scope["state"]["caller"],
                }
                _write(fields)


def _write(fields: dict[str, object]) -> None:
    """What `_log.info` does, less looking for the line that called it."""
    if _log.isEnabledFor(logging.INFO):
        record = logging.LogRecord(_log.name, logging.INFO, "", 0, "request", (), None)
        record.fields = fields
        _log.handle(record)


def _request_id(scope: Scope) -> bytes:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _ID.fullmatch(value):
            found: bytes = value
            return found
    return secrets.token_hex(8).encode()
