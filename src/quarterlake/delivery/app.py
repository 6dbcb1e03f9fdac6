"""The delivery API: what is published, and where to download it."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from quarterlake import __version__
from quarterlake.delivery import docs_page, gateway, health, problems, sessions, sharing
from quarterlake.delivery.access import SECURITY, AccessLedger, Door
from quarterlake.delivery.catalog import Catalog
from quarterlake.delivery.heads import Heads
from quarterlake.delivery.keyring import Keyring, install_first_key
from quarterlake.delivery.limits import Limiter
from quarterlake.delivery.links import GatewayLinks, SignedLinks
from quarterlake.delivery.metrics import Metrics
from quarterlake.delivery.observing import Observed
from quarterlake.delivery.pages import routes as pages
from quarterlake.delivery.parts import Parts
from quarterlake.delivery.prefixed import Prefixed
from quarterlake.delivery.rest import routers
from quarterlake.delivery.retention import Retention
from quarterlake.delivery.signing import Signer
from quarterlake.lake.folder import FolderStore
from quarterlake.web.access import LimitedBodies

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from quarterlake.delivery.keystore import KeyStore
    from quarterlake.lake.stores import Store
    from quarterlake.settings import DeliveryOptions

_LARGEST_BODY = 1 << 20  # a query's predicates may be long
_log = logging.getLogger("quarterlake.delivery")
_DESCRIPTION = """\
Published quarterly releases: what is in them, what they were made from, and URLs that download them.

Send an API key: `Authorization: Bearer ql_…`. Errors are problem documents (RFC 9457). Lists are given in pages: hand `next_page_token` back
as `page_token` until it is null.
"""


def create_app(store: Store, options: DeliveryOptions, keystore: KeyStore, *, is_open: bool) -> FastAPI:
    """The application over the zone `aggregated`; `is_open` lets in callers without a key.

    It follows store and key store from here on, until it is shut down. Raises UsageError for a first key that is none, and
    KeysUnavailableError where keys cannot be read.
    """
    if options.key is not None:
        install_first_key(keystore, options.key, datetime.now(UTC))
    parts = _assembled(store, options, keystore, is_open=is_open)
    retention = Retention(keystore.again(), options.access_days).start()

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        parts.catalog.close()
        parts.keyring.close()
        retention.close()

    app = FastAPI(
        title="quarterlake delivery",
        version=__version__,
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.parts, app.state.catalog, app.state.door = parts, parts.catalog, parts.door
    app.add_middleware(Heads)
    app.add_middleware(LimitedBodies, most=_LARGEST_BODY)
    app.add_middleware(Observed, metrics=parts.metrics)
    if options.root:
        app.add_middleware(Prefixed, root=options.root)
    problems.install(app)
    for router in (*routers, gateway.router, health.router, docs_page.router):
        app.include_router(router)
    sharing.install(app)
    sessions.install(app)
    pages.install(app)
    app.openapi = lambda: _schema(app)  # type: ignore[method-assign] # as FastAPI documents it
    return app


def _assembled(store: Store, options: DeliveryOptions, keystore: KeyStore, *, is_open: bool) -> Parts:
    signer = Signer(keystore.secret())
    keyring = Keyring(keystore).start()
    if keyring.is_useless and not is_open:
        _log.warning("no key opens anything yet; `quarterlake keys create --name NAME` makes one")
    catalog = Catalog(store).start()
    if isinstance(store, FolderStore) or options.gateway:
        links: GatewayLinks | SignedLinks = GatewayLinks(signer, options.url_seconds)
    else:
        links = SignedLinks(store.url, options.signing, options.url_seconds)
    return Parts(
        store=store,
        catalog=catalog,
        keyring=keyring,
        door=Door(
            keyring,
            Limiter(options.requests_per_minute),
            signer,
            is_open=is_open,
            address=options.url,
        ),
        accesses=AccessLedger(keyring),
        links=links,
        signer=signer,
        metrics=Metrics(catalog),
        options=options,
    )


def _schema(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
            servers=[{"url": root}] if (root := app.state.parts.options.root) else None,
        )
        problems.describe_problems(made)
        _describe_security(made)
        app.openapi_schema = made
    return app.openapi_schema


def _describe_security(schema: dict[str, Any]) -> None:
    """Every operation takes a key, but those that say otherwise."""
    schema["components"]["securitySchemes"] = SECURITY
    for operations in schema["paths"].values():
        for operation in operations.values():
            operation.setdefault("security", [{name: []} for name in SECURITY])
