"""Verifying a release: every hash recomputed, from the published files down to the raw ones."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from quarterlake.domain.landings import Manifest
from quarterlake.lake import documents, keys

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from quarterlake.domain.releases import Release
    from quarterlake.lake.location import Lake
    from quarterlake.lake.stores import Store


class Verified(msgspec.Struct, frozen=True):
    """One file's recorded hash and what its bytes hash to now; None when it is missing."""

    path: str
    recorded: str
    found: str | None

    @property
    def holds(self) -> bool:
        """Whether the bytes are those that were recorded."""
        return self.recorded == self.found


def verify(lake: Lake, release: Release) -> Iterator[Verified]:
    """Hash every published file of a release, and every raw file that it was made from: of repaired records the original and what was handed in too."""
    for aggregate in release.build.aggregates:
        for file in aggregate.files:
            yield Verified(f"aggregated/{file.path}", file.sha256, _sha256(lake.aggregated, file.path))
    raw: dict[str, str] = {}
    for manifest in inputs_of(lake, release):
        raw[manifest.key] = manifest.sha256
        if (replay := manifest.replay) is not None:
            raw |= {replay.key: replay.sha256, replay.edited_key: replay.edited_sha256}
    for key, recorded in raw.items():
        yield Verified(f"raw/{key}", recorded, _sha256(lake.raw, key))


def inputs_of(lake: Lake, release: Release) -> Sequence[Manifest]:
    """The manifests of the raw files that a release was made from, in landing order."""
    used = sorted({given.landing for month in release.build.months for given in month.inputs})
    return documents.read_many(
        lake.raw, [keys.manifest(release.dataset, sequence) for sequence in used], Manifest
    )


def _sha256(store: Store, key: str) -> str | None:
    if store.head(key) is None:
        return None
    with store.local([key]) as [path], path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
