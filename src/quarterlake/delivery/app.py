"""The delivery API: what is published, and where to download it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse

from quarterlake import __version__
from quarterlake.delivery.routes import Shelf, router
from quarterlake.domain.errors import QuarterlakeError, TransientError, UnknownReleaseError, UsageError
from quarterlake.web.access import LimitedBodies, bearer_check

if TYPE_CHECKING:
    from quarterlake.lake.stores import Store
    from quarterlake.settings import DeliveryOptions


def create_app(store: Store, options: DeliveryOptions, *, is_open: bool) -> FastAPI:
    """The application over the zone `aggregated`; `is_open` lets in callers without a key.

    Raises UsageError where a key is needed and the one that is set protects nothing.
    """
    allowed = [] if is_open else [Depends(bearer_check(options.key, "QUARTERLAKE_DELIVERY_KEY"))]
    app = FastAPI(
        title="quarterlake delivery",
        version=__version__,
        description="Published quarterly releases: what is in them, and URLs that download them.",
    )
    app.state.shelf = Shelf(store, options)
    app.add_middleware(LimitedBodies)
    app.add_exception_handler(QuarterlakeError, _explained)
    app.include_router(router, dependencies=allowed)

    @app.get("/livez", operation_id="livez", tags=["health"])
    def livez() -> dict[str, str]:
        """Whether the process is alive."""
        return {"status": "alive", "service": "delivery", "version": __version__}

    @app.get("/readyz", operation_id="readyz", tags=["health"])
    def readyz() -> JSONResponse:
        """Whether releases can be read."""
        try:
            store.ping()
        except QuarterlakeError as problem:
            return JSONResponse({"status": "not ready", "problems": [str(problem)]}, 503)
        return JSONResponse({"status": "ready", "problems": []})

    return app


def _explained(_request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, UnknownReleaseError | UsageError):
        return JSONResponse({"detail": str(error)}, 404)
    return JSONResponse({"detail": str(error)}, 503 if isinstance(error, TransientError) else 500)
