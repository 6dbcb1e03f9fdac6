"""A release described in Croissant."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response

from quarterlake.delivery.croissant import MEDIA_TYPE, croissant
from quarterlake.delivery.parts import OnParts
from quarterlake.delivery.rest.answers import CACHED, ReleaseName, cached_text
from quarterlake.delivery.shelf import OnShelf

router = APIRouter(prefix="/v1/releases", tags=["releases"])
_DESCRIBED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "JSON-LD.",
        "content": {"application/ld+json": {"schema": {"type": "object"}}},
    },
    **CACHED,
}


@router.get("/{name}/croissant", operation_id="get_croissant", response_class=Response, responses=_DESCRIBED)
def get_croissant(request: Request, shelf: OnShelf, parts: OnParts, name: ReleaseName) -> Response:
    """A release in Croissant 1.1, which `mlcroissant` and dataset search engines read. The addresses of files in it do not expire and ask for the key."""
    document = croissant(shelf.find(name), parts.base(request))
    return cached_text(request, msgspec.json.encode(document).decode(), MEDIA_TYPE)
