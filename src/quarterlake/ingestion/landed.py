"""What has landed of a data set, by path, bytes and size."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quarterlake.domain.landings import Manifest


class Landed:
    """The manifests of one data set, to be asked file by file."""

    def __init__(self, manifests: Iterable[Manifest]) -> None:
        self.last_sequence = 0
        self._newest: dict[str, Manifest] = {}
        self._with_bytes: dict[str, list[Manifest]] = {}
        self._sizes: set[int] = set()
        for manifest in manifests:
            self.add(manifest)

    def add(self, manifest: Manifest) -> None:
        """Take in one more; they come in their order."""
        self.last_sequence = max(self.last_sequence, manifest.sequence)
        if manifest.replay is not None:
            return  # its bytes and its path are ours
        self._newest[manifest.source] = manifest
        self._with_bytes.setdefault(manifest.sha256, []).append(manifest)
        self._sizes.add(manifest.size)

    def newest_hash(self, source: str) -> str | None:
        """The hash of a path's newest landing."""
        newest = self._newest.get(source)
        return newest.sha256 if newest else None

    def key_of(self, sha256: str) -> str | None:
        """Where bytes lie in the raw zone already."""
        return next((manifest.key for manifest in self._with_bytes.get(sha256, ())), None)

    def has_size(self, size: int) -> bool:
        """Whether any landing has so many bytes; if none has, a file of that size is new."""
        return size in self._sizes

    def first_with(self, sha256: str) -> str:
        """The path that brought bytes first, of those whose newest landing has them."""
        return next(m.source for m in self._with_bytes[sha256] if self._newest[m.source].sha256 == sha256)
