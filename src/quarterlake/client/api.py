"""The delivery API: asked with the key, patiently, and with bounds on all that it may answer."""

from __future__ import annotations

import logging
import re
import threading
import time
from typing import TYPE_CHECKING

import httpx
import msgspec

from quarterlake.client.answers import is_web_address
from quarterlake.client.errors import (
    BadAnswerError,
    KeyRefusedError,
    NotPublishedError,
    UnavailableError,
    WrongUseError,
)
from quarterlake.client.patience import Patience, is_transient, retry_after

if TYPE_CHECKING:
    from collections.abc import Mapping

LARGEST_ANSWER = 64 << 20
"""Bytes of one JSON answer."""
_LARGEST_PROBLEM = 64 << 10
_MOST_SHOWN = 500
_LONGEST = 10
"""Timeouts that a whole answer may take."""
_SIGNED = re.compile(r"\?[^\s\"]*")


class Api:
    """One server of the delivery API, for any number of threads. The key is sent to it and to nobody else."""

    def __init__(self, url: str, key: str | None, timeout: float, patience: Patience) -> None:
        if not is_web_address(url) or "?" in url or "#" in url:
            shown = re.sub(r"//[^/]*@", "//…@", url)
            raise WrongUseError(
                f"{shown!r} is no address of a delivery API; they look like https://data.example.org."
            )
        if key is not None and not re.fullmatch(r"[\x21-\x7e]{1,500}", key):
            raise WrongUseError(
                "The key holds characters that no key has. Copy it again, without spaces or line ends."
            )
        _hide_signatures()
        self.base = url.rstrip("/")
        self._patience = patience
        self._timeout = timeout
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        # A redirection is never followed: it could carry the key elsewhere.
        self._http = httpx.Client(headers=headers, timeout=timeout, follow_redirects=False)

    def get(self, path: str, query: Mapping[str, str] | None = None) -> bytes:
        """The body of an answer to GET. Faults that may pass are waited out first.

        Raises KeyRefusedError, NotPublishedError, BadAnswerError and UnavailableError.
        """
        attempt = self._patience.attempts()
        while True:
            try:
                with self._http.stream("GET", f"{self.base}{path}", params=query) as response:
                    if response.is_success:
                        return self._body(response, path)
                    if not is_transient(response.status_code):
                        raise _refusal(response, path, _LONGEST * self._timeout)
                    why, pause = f"status {response.status_code}", retry_after(response)
            except httpx.DecodingError as wrong:
                raise BadAnswerError(f"The answer to {path} cannot be decoded ({wrong}).") from wrong
            except httpx.TransportError as fault:
                why, pause = type(fault).__name__, None
            attempt.wait(f"{self.base} does not answer", why, pause)

    def close(self) -> None:
        """Close connections."""
        self._http.close()

    def _body(self, response: httpx.Response, path: str) -> bytes:
        body = _read(response, LARGEST_ANSWER, _LONGEST * self._timeout)
        if body is None:
            raise BadAnswerError(
                f"The answer to {path} is larger than {LARGEST_ANSWER >> 20} MiB, which none of the delivery API is."
            )
        return body


def _read(response: httpx.Response, most: int, seconds: float) -> bytes | None:
    """A whole body; None for one of more bytes. Raises httpx.ReadTimeout for one that takes longer."""
    parts, size, end = [], 0, time.monotonic() + seconds
    for chunk in response.iter_bytes():  # as they come: pieces of one size would be waited for
        parts.append(chunk)
        size += len(chunk)
        if size > most:
            return None
        if time.monotonic() > end:
            raise httpx.ReadTimeout("the answer came too slowly")
    return b"".join(parts)


class _Problem(msgspec.Struct, frozen=True):
    detail: str = ""


def _refusal(response: httpx.Response, path: str, seconds: float) -> Exception:
    """The error that an answer means, with the server's own words where it has some."""
    said = _detail(_read(response, _LARGEST_PROBLEM, seconds) or b"")
    status = response.status_code
    if status in {401, 403}:
        return KeyRefusedError(
            said or "The server refuses the key. Ask for one that is live and has a scope for the data set."
        )
    if status == 404:  # noqa: PLR2004 - HTTP's
        return NotPublishedError(said or f"The server has no {path}.")
    if status == 422:  # noqa: PLR2004 - HTTP's
        return WrongUseError(said or f"The server cannot read {path}.")
    if response.is_redirect:
        return BadAnswerError(
            f"{path} was redirected, which the key must not follow. Give the address where the API answers itself."
        )
    if status >= 500:  # noqa: PLR2004 - HTTP's
        return UnavailableError(f"The server failed at {path}: {said or status}")
    return BadAnswerError(f"The server refused {path} with status {status}. {said}".strip())


def _detail(body: bytes) -> str:
    try:
        said = msgspec.json.decode(body, type=_Problem).detail
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError):
        return ""
    return "".join(character if character.isprintable() else " " for character in said[:_MOST_SHOWN])


class _WithoutQueries(logging.Filter):
    """httpx logs the URL of each request; a signature in its query opens a file."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = _SIGNED.sub("?…", record.getMessage()), None
        return True


_HIDING = _WithoutQueries()
_guard = threading.Lock()


def _hide_signatures() -> None:
    with _guard:
        logging.getLogger("httpx").addFilter(_HIDING)  # the same filter is added once
