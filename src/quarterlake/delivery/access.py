"""Who is calling, what they may read, and the ledger of what they were given."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool

from quarterlake.delivery.keystore import Access
from quarterlake.delivery.problems import Problem
from quarterlake.domain.api_keys import READ_ALL, ApiKey, Scope, covers

if TYPE_CHECKING:
    from quarterlake.delivery.keyring import Keyring
    from quarterlake.delivery.limits import Limiter
    from quarterlake.delivery.signing import Signer
    from quarterlake.domain.releases import Release

SESSION_COOKIE = "quarterlake_session"
SESSION_SECONDS = 12 * 3600
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
"""What this machine calls itself."""
_SAFE = frozenset({"GET", "HEAD"})
SECURITY = {
    "key": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key, `ql_<id>_<secret>`, of `quarterlake keys create`.",
    },
    "password": {
        "type": "http",
        "scheme": "basic",
        "description": "The same as a password, for programs that know no other way; the name is not looked at.",
    },
}
"""How callers show who they are, for the OpenAPI schema."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request: the id and the name of their key, and what it opens."""

    id: str
    name: str
    scopes: tuple[Scope, ...]
    is_admin: bool = False
    expires_at: datetime | None = None

    def may_read(self, dataset: str) -> bool:
        """Whether the data set may be read."""
        return covers(self.scopes, dataset)


ANONYMOUS = Caller("anonymous", "anonymous", (READ_ALL,))
"""Who calls without a key where `--open` allows that: may read everything, and is no admin."""


class LoginNeededError(Exception):
    """A page was asked for by somebody who is not logged in."""


class Door:
    """Lets in who has a key: as a bearer token, or in a browser as the session that was begun with one.

    Where `is_open`, whoever calls this machine by a name of its own, or by that of `address`, needs none.
    """

    def __init__(
        self, keyring: Keyring, limiter: Limiter, signer: Signer, *, is_open: bool, address: str | None
    ) -> None:
        self._keyring = keyring
        self._limiter = limiter
        self._signer = signer
        self._names = {*LOOPBACK, urlsplit(address or "").hostname} - {None}
        self.is_open = is_open

    async def caller(self, request: Request, key: str | None) -> Caller:
        """Who sent a request with this key, or without one. Raises Problem 401 or 429, and KeysUnavailableError."""
        found: ApiKey | None = None
        await self._catch_up()
        if key is not None:
            found = self._keyring.known(key) or await run_in_threadpool(self._keyring.asked, key)
        elif request.method in _SAFE and (cookie := request.cookies.get(SESSION_COOKIE)):
            # A session changes nothing: other sites cannot make a browser do what only a key may do.
            found = self._of_session(cookie)
        if found is None and key is None and self.is_open and self._is_called_by_name(request):
            # A cookie may be left over from a server that asked for keys: cookies are those of all ports.
            return ANONYMOUS
        if found is None:
            raise Problem(
                401,
                "Send a key that is live: `Authorization: Bearer ql_…`. `quarterlake keys create` makes one.",
                {"WWW-Authenticate": 'Bearer realm="quarterlake"'},
            )
        self._limiter.take(found.id)
        return _caller(found)

    async def begin_session(self, key: str) -> tuple[str, int] | None:
        """The cookie that stands for a key in a browser, and for how many seconds; None where the key opens nothing."""
        found = await run_in_threadpool(self._keyring.asked, key)
        if found is None:
            return None
        end = int(time.time()) + SESSION_SECONDS
        return f"{found.id}.{end}.{self._signer.sign('session', found.id, end)}", SESSION_SECONDS

    async def signed_by(self, key_id: str) -> Caller | None:
        """Who a signed URL was made for; None where their key is live no more. Raises KeysUnavailableError."""
        if key_id == ANONYMOUS.id:
            return ANONYMOUS if self.is_open else None
        await self._catch_up()
        key = self._keyring.by_id(key_id)
        return None if key is None else _caller(key)

    async def _catch_up(self) -> None:
        if self._keyring.is_behind:
            await run_in_threadpool(self._keyring.catch_up)

    def _is_called_by_name(self, request: Request) -> bool:
        """Whether the address that was called is one of this machine's own: another site's name can be made to lead here (DNS rebinding)."""
        try:
            return urlsplit(f"//{request.headers.get('host', '')}").hostname in self._names
        except ValueError:
            return False

    def _of_session(self, cookie: str) -> ApiKey | None:
        key_id, _, rest = cookie.partition(".")
        end, _, signature = rest.partition(".")
        if (
            not end.isascii()
            or not end.isdigit()
            or not self._signer.holds(signature, "session", key_id, end)
        ):
            return None
        return self._keyring.by_id(key_id) if time.time() < int(end) else None


async def calling(request: Request) -> Caller:
    """Who sent a request, by their key or session. Raises Problem 401 and 429, and KeysUnavailableError."""
    # A dependency of FastAPI's for the header would take as long as the rest of a warm request.
    door: Door = request.app.state.door
    found = await door.caller(request, _key_in(request.headers.get("authorization")))
    request.scope["state"]["caller"] = found.name
    return found


def _key_in(header: str | None) -> str | None:
    """The key in an `Authorization` header, as a bearer token or as a password; None where it has none."""
    scheme, _, given = (header or "").partition(" ")
    if scheme.lower() == "bearer":
        return given.strip()
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(given, validate=True).decode().partition(":")[2]
    except ValueError:
        return ""


async def signed_in(request: Request) -> Caller:
    """The same for a page, by their session alone. Raises LoginNeededError without one."""
    door: Door = request.app.state.door
    try:
        found = await door.caller(request, None)
    except Problem as refused:
        if refused.status == 401:  # noqa: PLR2004 - HTTP's
            raise LoginNeededError from None
        raise
    request.scope["state"]["caller"] = found.name
    return found


async def _administering(caller: Calling) -> Caller:
    if not caller.is_admin:
        raise Problem(403, "This needs a key with the scope *:admin.")
    return caller


Calling = Annotated[Caller, Depends(calling)]
"""Who sent the request, by their key or session. Answers 401 without one."""
SignedIn = Annotated[Caller, Depends(signed_in)]
"""The same for pages: without a session the browser is sent to the login page."""
Administering = Annotated[Caller, Depends(_administering)]
"""The same with a scope on everything as admin. Answers 403 without it."""


class AccessLedger:
    """Who was given what, and when. Never a URL, never a key."""

    def __init__(self, keyring: Keyring) -> None:
        self._store = keyring.store

    def record(self, caller: Caller, release: Release, files: Iterable[str], what: str) -> None:
        """Write a line, before anything is given: raises KeysUnavailableError where that cannot be done.

        `files` are paths of the release's files; `what` is a word such as `links`, `download`, `rows` or `query`.
        """
        self._store.record(
            Access(datetime.now(UTC), caller.id, caller.name, what, release.name, tuple(files))
        )


def _caller(key: ApiKey) -> Caller:
    return Caller(key.id, key.name, key.scopes, key.is_admin, key.expires_at)
