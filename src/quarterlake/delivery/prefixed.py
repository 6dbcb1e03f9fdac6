"""Serving below a path: what callers see as `https://example.org/data/v1/…` is answered as `/v1/…`."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


class Prefixed:
    """Takes a path's beginning away where a proxy has left it; one that has taken it away itself is as good."""

    def __init__(self, app: ASGIApp, root: str) -> None:
        self._app = app
        self._root = unquote(root)
        self._raw = root.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] == "http" and f"{scope['path']}/".startswith(f"{self._root}/"):
            raw = scope.get("raw_path") or b""
            shorter = raw.removeprefix(self._raw) or b"/" if raw.startswith(self._raw) else raw
            scope = {**scope, "path": scope["path"].removeprefix(self._root) or "/", "raw_path": shorter}
        await self._app(scope, receive, send)
