"""Answers with an ETag, lists in pages, and what parameters are called."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import TYPE_CHECKING, Annotated, TypeVar

from fastapi import Path, Query, Request, Response

from quarterlake.delivery.problems import READING, Problem
from quarterlake.domain.naming import MAX_SLUG

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pydantic import BaseModel

    from quarterlake.domain.releases import Release

T = TypeVar("T")

DatasetName = Annotated[
    str, Path(max_length=MAX_SLUG, description="A data set's name.", examples=["flights"])
]
ReleaseName = Annotated[
    str, Path(max_length=MAX_SLUG + 30, description="A release's name.", examples=["flights@2013-Q1.1"])
]
AggregateName = Annotated[
    str | None,
    Query(
        max_length=MAX_SLUG,
        description="An aggregate of the release; its first one if left out.",
        examples=["summary"],
    ),
]
Limit = Annotated[int, Query(ge=1, le=1000, description="How many at most.")]
PageToken = Annotated[str | None, Query(max_length=1000, description="`next_page_token` of the page before.")]
CACHED = {304: {"description": "The caller has this already (`If-None-Match`)."}, **READING}
"""The answers of an operation that gives an ETag."""
_FRESH = "private, no-cache"
_KEPT = 2048


class Kept:
    """Answers with the documents of releases, each made once."""

    def __init__(self, make: Callable[[Release], BaseModel]) -> None:
        self._make = make
        self._held: dict[str, tuple[Release, Response, str]] = {}

    def answer(self, request: Request, release: Release) -> Response:
        """The release's document, or 304."""
        held = self._held.get(release.name)
        if held is None or held[0] is not release:
            body = self._make(release).model_dump_json().encode()
            etag = etag_of(body)
            held = (release, _whole(body, etag, "application/json"), etag)
            if len(self._held) >= _KEPT:
                self._held.clear()
            self._held[release.name] = held
        return _unchanged(request, held[2]) or held[1]


def etag_of(body: bytes) -> str:
    """A strong ETag for some bytes."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def cached(request: Request, document: BaseModel, *, exclude_unset: bool = False) -> Response:
    """A document with the ETag of its bytes, or 304; fields that were not given may be left out."""
    body = document.model_dump_json(by_alias=True, exclude_unset=exclude_unset).encode()
    return _answer(request, body, etag_of(body), "application/json")


def cached_text(request: Request, text: str, media_type: str) -> Response:
    """A text with the ETag of its bytes, or 304."""
    body = text.encode()
    return _answer(request, body, etag_of(body), media_type)


def _answer(request: Request, body: bytes, etag: str, media_type: str) -> Response:
    return _unchanged(request, etag) or _whole(body, etag, media_type)


def _unchanged(request: Request, etag: str) -> Response | None:
    known = request.headers.get("if-none-match")
    if known is None or (known.strip() != "*" and etag not in known):
        return None
    return Response(status_code=304, headers={"ETag": etag, "Cache-Control": _FRESH})


def _whole(body: bytes, etag: str, media_type: str) -> Response:
    return Response(body, headers={"ETag": etag, "Cache-Control": _FRESH}, media_type=media_type)


def page_of(
    items: Sequence[T], identity: Callable[[T], str], limit: int, token: str | None
) -> tuple[Sequence[T], str | None]:
    """A page of a list, and the token of the next one, None after the last.

    The token names the item that the page before ended with, so that a list which grew meanwhile is gone on with where it was left.
    Raises Problem 422 for a token that this list did not give.
    """
    start = 0
    if token is not None:
        last = opened(token)
        place = next((number for number, item in enumerate(items) if identity(item) == last), None)
        if place is None:
            raise Problem(422, "page_token is not one that this list gave. Begin without one.")
        start = place + 1
    page = items[start : start + limit]
    more = start + limit < len(items)
    return page, sealed(identity(page[-1])) if more else None


def sealed(text: str) -> str:
    """A token for a text."""
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def opened(token: str) -> str:
    """The text in a token; empty for what is none."""
    try:
        return base64.b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        return ""


def opened_number(token: str | None) -> int | None:
    """The number in a token. Raises Problem 422."""
    if token is None:
        return None
    text = opened(token)
    if not (text.isascii() and text.isdigit() and len(text) < 19):  # noqa: PLR2004 - 64 bits
        raise Problem(422, "page_token is not one that this list gave. Begin without one.")
    return int(text)
