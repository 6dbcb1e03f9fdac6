"""What files hashed to when they were last read, so that an unchanged folder is not read again.

Like git's index: a file whose size, times and inode are what they were is taken to hold what it held, unless it had been
written so shortly before it was hashed that a later write could show the same times. Losing this memory costs
time only.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import time
from pathlib import Path

import msgspec

_SETTLED_NS = 2_000_000_000


class _Entry(msgspec.Struct, frozen=True, array_like=True):
    stamp: tuple[int, int, int, int]
    sha256: str


class Seen:
    """The memory for one source folder, kept in a folder of the user's caches; None keeps nothing."""

    def __init__(self, root: Path, folder: Path | None) -> None:
        name = hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:32]
        self._path = None if folder is None else folder / f"seen-{name}.json"
        self._entries: dict[str, _Entry] = {}
        self._changed = False
        if self._path is not None:
            with contextlib.suppress(OSError, msgspec.DecodeError, msgspec.ValidationError):
                self._entries = msgspec.json.decode(self._path.read_bytes(), type=dict[str, _Entry])

    def sha256(self, source: str, status: os.stat_result) -> str | None:
        """What the file hashed to, None when it must be read."""
        entry = self._entries.get(source)
        return entry.sha256 if entry is not None and entry.stamp == _stamp(status) else None

    def remember(self, source: str, status: os.stat_result, sha256: str) -> None:
        """Note what a file hashed to, if it had settled."""
        if time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) > _SETTLED_NS:
            self._entries[source] = _Entry(_stamp(status), sha256)
            self._changed = True

    def save(self) -> None:
        """Put the memory where the next run finds it; failing to is no error."""
        if self._path is None or not self._changed:
            return
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=self._path.parent)
            with os.fdopen(handle, "wb") as file:
                file.write(msgspec.json.encode(self._entries))
            Path(temporary).replace(self._path)


def _stamp(status: os.stat_result) -> tuple[int, int, int, int]:
    return (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
