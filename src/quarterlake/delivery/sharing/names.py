"""What is shared, by the protocol's names: one share, a schema for each data set, a table for each aggregate."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quarterlake.delivery.problems import Problem
from quarterlake.delivery.sharing.history import TableHistory, table_history

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterlake.delivery.shelf import Shelf
    from quarterlake.domain.releases import Release

SHARE = "quarterlake"
SHARE_ID = str(uuid.uuid5(uuid.NAMESPACE_URL, "urn:quarterlake:share"))


@dataclass(frozen=True, slots=True)
class SharedTable:
    """A table's name, which stays its own for ever."""

    dataset: str
    aggregate: str

    @property
    def id(self) -> str:
        """A UUID made from its name."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"urn:quarterlake:table:{self.dataset}/{self.aggregate}"))


def checked_share(name: str) -> None:
    """Nothing, for the share's name; case does not matter. Raises Problem 404."""
    if name.casefold() != SHARE:
        raise Problem(404, f"There is no share {name[:100]}. There is: {SHARE}.")


def tables_of(dataset: str, releases: Sequence[Release]) -> list[SharedTable]:
    """The tables of a data set: one for each aggregate that it ever had."""
    names = {made.name for release in releases for made in release.build.aggregates}
    return [SharedTable(dataset, name) for name in sorted(names)]


class Histories:
    """The histories of tables, each worked out once for as long as no release is added."""

    def __init__(self) -> None:
        self._held: dict[SharedTable, tuple[Sequence[Release], TableHistory]] = {}

    def of(self, shelf: Shelf, share: str, schema: str, table: str) -> tuple[SharedTable, TableHistory]:
        """A table and its history; case does not matter in the names. Raises Problem 403 and 404."""
        checked_share(share)
        releases = shelf.releases(schema.lower())
        dataset = releases[0].dataset
        known = tables_of(dataset, releases)
        found = next((each for each in known if each.aggregate.casefold() == table.casefold()), None)
        if found is None:
            raise Problem(
                404,
                f"There is no table {table[:100]} in {dataset}. There are: {', '.join(each.aggregate for each in known)}.",
            )
        held = self._held.get(found)
        if held is None or held[0] is not releases:
            history = table_history(releases, found.aggregate)
            if history is None:
                raise Problem(404, f"There is no table {found.aggregate} in {dataset}.")
            held = self._held[found] = (releases, history)
        return found, held[1]
