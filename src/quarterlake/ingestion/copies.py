"""Copies of source files in the raw zone's scratch folder; of small ones several at a time, ahead of their landing."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from quarterlake.lake.stores import disk_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from quarterlake.ingestion.discover import SourceFile
    from quarterlake.lake.stores import Store

_CHUNK = 1 << 20
_SMALL = 1 << 20
"""A file of no more bytes is copied ahead; a larger one costs so much that nothing is gained."""
_AHEAD = 64
_COPIERS = 4


@dataclass(frozen=True, slots=True)
class Copy:
    """A finished copy, the hash of its bytes, and what the file was like when its reading began."""

    path: Path
    sha256: str
    status: os.stat_result


def copy_of(raw: Store, stream: BinaryIO) -> tuple[Path, str]:
    """A copy of a file's bytes in the raw zone's scratch folder, and their hash."""
    digest = hashlib.sha256()
    stream.seek(0)
    with disk_errors(str(raw.scratch)):
        handle, copy = tempfile.mkstemp(dir=raw.scratch, suffix=".landing")
        with os.fdopen(handle, "wb") as target:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
                target.write(chunk)
    return Path(copy), digest.hexdigest()


def copied_ahead(
    raw: Store, files: Sequence[SourceFile], is_new: Callable[[SourceFile, os.stat_result], bool]
) -> Iterator[tuple[SourceFile, Copy | None]]:
    """The files in their order, each with its copy where it is small and `is_new` says that its bytes must be put.

    The disk is waited for side by side. A file that cannot be read has no copy: landing it says why.
    """
    with ThreadPoolExecutor(_COPIERS) as pool:
        for at in range(0, len(files), _AHEAD):
            some = files[at : at + _AHEAD]
            wanted = [file for file in some if (status := _status(file)) is not None and is_new(file, status)]
            copies = dict(zip(wanted, pool.map(lambda file: _copied(raw, file), wanted), strict=True))
            for file in some:
                yield file, copies.pop(file, None)


def _status(file: SourceFile) -> os.stat_result | None:
    try:
        status = file.path.stat()
    except OSError:
        return None
    return status if stat.S_ISREG(status.st_mode) and status.st_size <= _SMALL else None


def _copied(raw: Store, file: SourceFile) -> Copy | None:
    try:
        descriptor = os.open(file.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return None
        path, sha256 = copy_of(raw, stream)
    with disk_errors(str(path.parent)), path.open("rb") as copy:
        os.fsync(copy.fileno())
    return Copy(path, sha256, status)
