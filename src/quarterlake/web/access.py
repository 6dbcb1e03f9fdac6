"""Who may call: whoever has the token, with a body of a sane size."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from quarterlake.domain.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LEAST_TOKEN = 32
"""Characters."""
LARGEST_BODY = 16 << 10
"""Bytes."""
_BODILESS = frozenset({"GET", "HEAD"})
_bearer = HTTPBearer(auto_error=False, description="The token of the server's settings.")


def bearer_check(token: str | None, setting: str) -> Callable[[HTTPAuthorizationCredentials | None], None]:
    """A dependency that lets in only those who know the token. Raises UsageError, naming its setting, for one that protects nothing."""
    if not token or len(token) < LEAST_TOKEN:
        state = "is not set" if not token else f"has only {len(token)} characters"
        raise UsageError(
            f"{setting} {state}; one of at least {LEAST_TOKEN} is needed. Make one with `openssl rand -hex 32`, "
            "and give it to the server and to its callers."
        )
    expected = hashlib.sha256(token.encode()).digest()

    def check(given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> None:
        digest = hashlib.sha256((given.credentials if given else "").encode()).digest()
        if given is None or not hmac.compare_digest(digest, expected):
            raise HTTPException(
                401,
                f"Send the token: Authorization: Bearer ${setting}",
                {"WWW-Authenticate": "Bearer"},
            )

    return check


class LimitedBodies:
    """Refuses a request whose body is larger than any of ours can be, before it is read whole."""

    def __init__(self, app: ASGIApp, most: int = LARGEST_BODY) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting its bytes."""
        if scope.get("method") in _BODILESS:
            await self._app(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._most:
                raise HTTPException(413, f"A request has at most {self._most} bytes.")
            return message

        await self._app(scope, counted, send)
