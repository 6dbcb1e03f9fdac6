"""What the application is put together from, for its routers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterlake.delivery.access import AccessLedger, Caller, Door
    from quarterlake.delivery.catalog import Catalog
    from quarterlake.delivery.keyring import Keyring
    from quarterlake.delivery.links import Link, Links
    from quarterlake.delivery.metrics import Metrics
    from quarterlake.delivery.signing import Signer
    from quarterlake.domain.releases import DataFile, Release
    from quarterlake.lake.stores import Store
    from quarterlake.settings import DeliveryOptions


@dataclass(frozen=True, slots=True)
class Parts:
    """The zone `aggregated` and its catalog, who may see it, and how files are handed out."""

    store: Store
    catalog: Catalog
    keyring: Keyring
    door: Door
    accesses: AccessLedger
    links: Links
    signer: Signer
    metrics: Metrics
    options: DeliveryOptions

    def base(self, request: Request) -> str:
        """The server's address as callers see it, without a slash at its end: the one of the settings, else the one that was called."""
        return (self.options.url or str(request.base_url)).rstrip("/")

    def hand_out(
        self, request: Request, caller: Caller, release: Release, files: Sequence[DataFile], what: str
    ) -> list[Link]:
        """Links for files of a release, after a line in the ledger of accesses that says who has them. Raises KeysUnavailableError."""
        self.accesses.record(caller, release, [file.path for file in files], what)
        return self.links.to(release, files, caller.id, self.base(request))


async def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


OnParts = Annotated[Parts, Depends(_parts)]
"""The application's parts."""
