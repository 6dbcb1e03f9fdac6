"""Reading the manifests of a data set, which are numbered without gaps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterlake.domain.errors import IntegrityError
from quarterlake.domain.landings import Manifest
from quarterlake.lake import documents, keys

if TYPE_CHECKING:
    from quarterlake.lake.stores import Store


def read_manifests(store: Store, dataset: str) -> list[Manifest]:
    """All manifests of a data set, by sequence. Raises IntegrityError where one in between is missing or does not read."""
    found = {m.sequence: m for m in documents.read_all(store, keys.manifests(dataset), Manifest)}
    numbers = range(1, max(found, default=0) + 1)
    return [found.get(number) or _left_out(store, dataset, number) for number in numbers]


def _left_out(store: Store, dataset: str, number: int) -> Manifest:
    """A manifest that the listing lacked: a folder's may leave out what is made while it is read."""
    key = keys.manifest(dataset, number)
    manifest = documents.read(store, key, Manifest)
    if manifest is None:
        raise IntegrityError(
            f"The manifest {key} is missing from {store.url}, though a later one is there. Restore it from a backup."
        )
    return manifest
