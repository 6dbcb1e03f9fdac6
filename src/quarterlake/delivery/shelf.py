"""What one caller may see of what is published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request

from quarterlake.delivery.access import Caller, calling, signed_in
from quarterlake.delivery.problems import Problem
from quarterlake.domain.errors import UnknownDatasetError
from quarterlake.domain.releases import checked_dataset_name, parse_release_name

if TYPE_CHECKING:
    from quarterlake.delivery.catalog import Catalog
    from quarterlake.domain.releases import Release


@dataclass(frozen=True, slots=True)
class Shelf:
    """The catalog through a caller's scopes.

    What the caller may not read is refused before it is looked for, in words that do not depend on whether it exists.
    """

    catalog: Catalog
    caller: Caller

    def datasets(self) -> list[str]:
        """The data sets that the caller may read."""
        return [name for name in self.catalog.datasets() if self.caller.may_read(name)]

    def releases(self, dataset: str) -> tuple[Release, ...]:
        """As Catalog.releases. Raises Problem 403."""
        if not self.caller.may_read(dataset):
            checked_dataset_name(dataset)
            raise Problem(
                403, f"The key {self.caller.name} has no scope for {dataset}. Ask for one that has it."
            )
        try:
            return self.catalog.releases(dataset)
        except UnknownDatasetError:
            known = ", ".join(self.datasets()) or "none"
            raise UnknownDatasetError(
                f"There is no data set {dataset} with a release. There are: {known}."
            ) from None

    def find(self, name: str) -> Release:
        """As Catalog.find. Raises Problem 403."""
        dataset, _, _ = parse_release_name(name)
        self.releases(dataset)
        return self.catalog.find(name)

    def latest(self, dataset: str, period: str | None = None) -> Release:
        """As Catalog.latest. Raises Problem 403."""
        self.releases(dataset)
        return self.catalog.latest(dataset, period)


async def shelf_of(request: Request) -> Shelf:
    """The shelf of who sent a request. Raises Problem 401 and 429, and KeysUnavailableError."""
    return Shelf(request.app.state.catalog, await calling(request))


async def _shelf_of_page(request: Request) -> Shelf:
    return Shelf(request.app.state.catalog, await signed_in(request))


OnShelf = Annotated[Shelf, Depends(shelf_of)]
"""The shelf of who sent the request."""
PageShelf = Annotated[Shelf, Depends(_shelf_of_page)]
"""The same for pages, which send who is not logged in to the login page."""
