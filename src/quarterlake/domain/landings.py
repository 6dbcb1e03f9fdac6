"""Manifests, and which landings are live: corrections replace, duplicates count once."""

from collections.abc import Callable, Iterable

import msgspec


class Manifest(msgspec.Struct, frozen=True, omit_defaults=True):
    """The record of one landing, written last and create-only.

    `sequence` numbers a data set's landings without gaps from 1 and is their order; `source` is the path below the
    source folder, `key` where the bytes lie in the raw zone, `landed_at` an ISO 8601 instant in UTC.
    """

    dataset: str
    sequence: int
    source: str
    key: str
    sha256: str
    size: int
    landed_at: str


class Landing(msgspec.Struct, frozen=True):
    """A manifest with what the others make of it.

    `replaced_by` is the sequence of the landing that corrected this one, `duplicate_of` the path of the live
    landing that brought the same bytes first.
    """

    manifest: Manifest
    replaced_by: int | None = None
    duplicate_of: str | None = None

    @property
    def is_live(self) -> bool:
        """Whether its records count."""
        return self.replaced_by is None and self.duplicate_of is None


def resolve(
    manifests: Iterable[Manifest], time_in_name: Callable[[Manifest], object] | None = None
) -> tuple[Landing, ...]:
    """All landings of one data set in their order: the newest of a path wins, the first of equal bytes counts.

    Where the file's name gives the record time, `time_in_name` does: equal bytes for two times are two records.
    """
    ordered = sorted(manifests, key=lambda m: m.sequence)
    newest = {m.source: m.sequence for m in ordered}
    first_with_bytes: dict[tuple[str, object], str] = {}
    landings = []
    for manifest in ordered:
        if newest[manifest.source] != manifest.sequence:
            landings.append(Landing(manifest, replaced_by=newest[manifest.source]))
            continue
        content = (manifest.sha256, time_in_name(manifest) if time_in_name else None)
        first = first_with_bytes.setdefault(content, manifest.source)
        landings.append(Landing(manifest, duplicate_of=None if first == manifest.source else first))
    return tuple(landings)
