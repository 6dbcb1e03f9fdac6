"""HEAD, which every resource answers that answers GET (RFC 9110, section 9.3.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterlake.delivery.profile_file import SHARING_PATH

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_OWN = ("/v1/files/", f"{SHARING_PATH}/")
"""Where operations answer HEAD themselves: without reading the file, or with the version alone."""


class Heads:
    """Answers HEAD with what GET would answer, less the body, except below paths that have operations for it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope.get("method") != "HEAD" or scope["path"].startswith(_OWN):
            await self._app(scope, receive, send)
            return

        async def bodiless(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        asked = {**scope, "method": "GET"}
        try:
            await self._app(asked, receive, bodiless)
        finally:
            scope["route"] = asked.get("route")
