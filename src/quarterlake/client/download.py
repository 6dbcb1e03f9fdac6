"""Downloading one file: resumed, with a new URL when one expires, verified, and without the key."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Protocol

import httpx

from quarterlake.client.errors import BadAnswerError, DamagedFileError, UnavailableError
from quarterlake.client.patience import retry_after

if TYPE_CHECKING:
    from collections.abc import Callable

    from quarterlake.client.answers import LinkedFile
    from quarterlake.client.cache import Cache, Partial
    from quarterlake.client.patience import Patience

_PROGRESS = 64 << 10
_MOST_RENEWALS = 5
_EXPIRED = frozenset({400, 401, 403, 404, 410})
"""What stores say of a URL whose time is over; a new one tells whether that was it."""
SLOWEST, SLOW_SECONDS = 1 << 10, 60.0
"""Bytes a second, over so many seconds, below which a connection is given up and made anew."""
_OK, _PARTIAL, _UNSATISFIABLE, _TOO_MANY, _SERVER_FAILED = 200, 206, 416, 429, 500
_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")


class Urls(Protocol):
    """Where a file's bytes are."""

    def of(self, file: LinkedFile) -> str:
        """A URL that should work now."""

    def renewed(self, file: LinkedFile, url: str) -> str:
        """Another one, since this one does not work."""


class _RefusedError(Exception):
    """The URL does not work, or no more."""


class _LaterError(Exception):
    """The store wants to be asked later, after so many seconds where it says so."""

    def __init__(self, why: str, seconds: float | None) -> None:
        super().__init__(why)
        self.seconds = seconds


class Downloads:
    """Downloads into a cache, for any number of threads."""

    def __init__(self, cache: Cache, timeout: float, patience: Patience) -> None:
        self._cache = cache
        self._patience = patience
        self._http = httpx.Client(
            headers={"Accept-Encoding": "identity"}, timeout=timeout, follow_redirects=False
        )

    def fetch(self, file: LinkedFile, urls: Urls, gained: Callable[[int], None]) -> None:
        """Bring a file into the cache; `gained` hears how many bytes more are there, or less where some were of no use.

        Raises UnavailableError, BadAnswerError for a store that sends what was not asked for, and DamagedFileError.
        """
        if self._cache.holds(file.sha256, file.size):
            gained(file.size)
            return
        with self._cache.partial(file.sha256) as partial:
            if self._cache.holds(file.sha256, file.size):  # another process was faster
                partial.discard()
                gained(file.size)
                return
            transfer = _Transfer(self._http, self._patience, file, partial, gained)
            was_begun = partial.size > 0
            # What an earlier run left may be what was wrong: then once more, from the beginning.
            if transfer.filled(urls) or (was_begun and transfer.filled(urls)):
                return
        raise DamagedFileError(
            f"{file.path}: the bytes that came do not have the SHA-256 {file.sha256[:12]}… of the release. "
            "Try once more; if that does not help, tell those who run the server."
        )

    def close(self) -> None:
        """Close connections."""
        self._http.close()


class _Transfer:
    """One file on its way."""

    def __init__(
        self,
        http: httpx.Client,
        patience: Patience,
        file: LinkedFile,
        partial: Partial,
        gained: Callable[[int], None],
    ) -> None:
        self._http = http
        self._patience = patience
        self._file = file
        self._partial = partial
        self._gained = gained

    def filled(self, urls: Urls) -> bool:
        """Get what is missing; False, with nothing kept, where the whole has another hash."""
        file, partial = self._file, self._partial
        if partial.size > file.size:
            partial.clear()
        self._gained(partial.size)
        attempts = self._patience.attempts()
        url, renewals = urls.of(file), 0
        while partial.size < file.size:
            before = partial.size
            try:
                self._take(url)
                why, pause = "the answer ended early", None
            except _RefusedError as refused:
                renewals += 1
                if renewals > _MOST_RENEWALS:
                    raise UnavailableError(
                        f"{file.path}: the store refuses every URL ({refused}). Try again later."
                    ) from None
                url = urls.renewed(file, url)
                continue
            except _LaterError as later:
                why, pause = str(later), later.seconds
            except httpx.TransportError as fault:
                why, pause = type(fault).__name__, None
            finally:
                partial.flush()
            if partial.size - before >= _PROGRESS:
                attempts.progressed()
                renewals = 0
            if partial.size < file.size:
                attempts.wait(f"{file.path} could not be downloaded", why, pause)
        if partial.sha256() == file.sha256:
            partial.finish()
            return True
        self._restart()
        return False

    def _take(self, url: str) -> None:
        """Take what one answer gives."""
        begin = self._partial.size
        headers = {"Range": f"bytes={begin}-"} if begin else {}
        with self._http.stream("GET", url, headers=headers) as response:
            self._check(response, begin)
            if begin and response.status_code == _OK:  # a store that knows no ranges
                self._restart()
            since, there = time.monotonic(), self._partial.size
            for chunk in response.iter_raw():
                if self._partial.size + len(chunk) > self._file.size:
                    self._restart()
                    raise BadAnswerError(
                        f"{self._file.path}: the store sends more than the {self._file.size} bytes of the release. Tell those who run the server."
                    )
                self._partial.write(chunk)
                self._gained(len(chunk))
                if (seconds := time.monotonic() - since) > SLOW_SECONDS:
                    if self._partial.size - there < SLOWEST * seconds:
                        raise _LaterError("too slow", None)
                    since, there = time.monotonic(), self._partial.size
                if self._patience.stopped.is_set():
                    raise UnavailableError(f"{self._file.path}: the download was stopped.")

    def _check(self, response: httpx.Response, begin: int) -> None:
        status = response.status_code
        if status in _EXPIRED:
            raise _RefusedError(f"status {status}")
        if status == _TOO_MANY or status >= _SERVER_FAILED:
            raise _LaterError(f"status {status}", retry_after(response))
        if status == _UNSATISFIABLE:
            self._restart()
            raise _LaterError(f"status {status}", None)
        if status == _PARTIAL:
            given = _RANGE.fullmatch(response.headers.get("content-range", ""))
            if begin and given is not None and int(given[1]) == begin:
                return
        if status != _OK:
            raise BadAnswerError(
                f"{self._file.path}: the store answered with status {status}, which gives no bytes that were asked for. "
                "Check the address that the server gives for its store."
            )

    def _restart(self) -> None:
        self._gained(-self._partial.size)
        self._partial.clear()
