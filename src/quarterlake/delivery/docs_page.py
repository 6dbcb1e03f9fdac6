"""The page that shows the API, `/docs`; everything that it needs comes from this server."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

from quarterlake.delivery.pages.rendering import HEADERS

ASSETS = Path(__file__).parent / "docs_assets"
_TYPES = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}
_START = """\
window.onload = () => SwaggerUIBundle({
  url: "openapi.json", dom_id: "#api", deepLinking: true, persistAuthorization: false, validatorUrl: null,
});
"""
_PAGE = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>quarterlake: the delivery API</title><link rel="icon" href="assets/icon.svg" type="image/svg+xml"><link rel="stylesheet" href="docs/swagger-ui.css"></head>
<body><div id="api"></div><noscript>This page needs JavaScript; the schema is at <a href="openapi.json">openapi.json</a>.</noscript>
<script src="docs/swagger-ui-bundle.js"></script><script src="docs/start.js"></script></body></html>
"""
# Keys are typed in here. Swagger UI draws with styles and images of its own, and asks this server.
_HEADERS = HEADERS | {
    "Content-Security-Policy": "default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}
router = APIRouter(include_in_schema=False)


@router.get("/docs", operation_id="docs")
async def docs() -> HTMLResponse:
    """The API's documentation."""
    return HTMLResponse(_PAGE, headers=_HEADERS)


@router.get("/docs/{name}", operation_id="docs_asset")
def docs_asset(name: Literal["swagger-ui-bundle.js", "swagger-ui.css", "start.js"]) -> Response:
    """A part of it."""
    headers = {"Cache-Control": "public, max-age=86400"}
    if name == "start.js":
        return Response(_START, headers=headers, media_type="text/javascript")
    headers["Content-Encoding"] = "gzip"
    return Response((ASSETS / f"{name}.gz").read_bytes(), headers=headers, media_type=_TYPES[name])
