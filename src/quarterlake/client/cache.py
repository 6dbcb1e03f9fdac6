"""Files by hash: what is there is whole, whatever was killed while it was written, and however many processes write."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from quarterlake.client.errors import UnavailableError, WrongUseError

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 1 << 20
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def default_folder() -> Path:
    """Where files are kept unless another folder is given: the user's cache folder, as the XDG specification places it.

    The client stands alone, so it asks the environment itself.
    """
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".cache") / "quarterlake"


class Cache:
    """A folder of files named by their SHA-256. An unfinished file lies beside them under another name, locked by who writes it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "files"
        with disk_faults(folder):
            self._folder.mkdir(parents=True, exist_ok=True)

    def place(self, sha256: str) -> Path:
        """Where the file of this hash belongs."""
        return self._folder / sha256[:2] / f"{sha256}.parquet"

    def holds(self, sha256: str, size: int) -> bool:
        """Whether the file is there with the bytes of its hash. One with others, which a failing disk leaves, is removed."""
        place = self.place(sha256)
        try:
            if place.stat().st_size == size and sha256_of(place) == sha256:
                return True
            place.unlink(missing_ok=True)
        except FileNotFoundError:
            pass
        return False

    @contextlib.contextmanager
    def partial(self, sha256: str) -> Iterator[Partial]:
        """The unfinished file of a hash, for this caller alone: others wait, and find it finished."""
        path = self.place(sha256).with_suffix(".part")
        path.parent.mkdir(exist_ok=True)
        with _locked(path) as file:
            yield Partial(path, self.place(sha256), file)


class Partial:
    """An unfinished file, with what an earlier attempt left of it. `size` counts its bytes."""

    def __init__(self, path: Path, place: Path, file: BinaryIO) -> None:
        self._path = path
        self._place = place
        self._file = file
        self.size = file.seek(0, os.SEEK_END)
        self._digest: hashlib._Hash | None = None

    def sha256(self) -> str:
        """The hash of all that is there."""
        return self._hashed().hexdigest()

    def write(self, chunk: bytes) -> None:
        """Add bytes at the end."""
        self._hashed().update(chunk)
        self._file.write(chunk)
        self.size += len(chunk)

    def clear(self) -> None:
        """Begin anew."""
        self._file.seek(0)
        self._file.truncate()
        self.size, self._digest = 0, None

    def flush(self) -> None:
        """Hand what was written to the operating system, so that a later run finds it."""
        self._file.flush()

    def finish(self) -> None:
        """Make it the file of its hash."""
        self._file.flush()
        os.fsync(self._file.fileno())
        # To be read only, and by nobody whom the umask keeps out.
        os.fchmod(self._file.fileno(), os.fstat(self._file.fileno()).st_mode & 0o444)
        self._path.rename(self._place)

    def discard(self) -> None:
        """Remove it: another process has finished the file meanwhile."""
        self._path.unlink()

    def _hashed(self) -> hashlib._Hash:
        if self._digest is None:
            self._file.seek(0)
            self._digest = hashlib.sha256()
            while chunk := self._file.read(_CHUNK):
                self._digest.update(chunk)
        return self._digest


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[BinaryIO]:
    """A file that exists under its name and is locked. It may have been finished, and so renamed, while it was waited for."""
    while True:
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644), "r+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            if _is_at(file, path):
                yield file
                return
        finally:
            file.close()


def _is_at(file: BinaryIO, path: Path) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(file.fileno()), there)


def sha256_of(path: Path) -> str:
    """A file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def disk_faults(place: Path) -> Iterator[None]:
    """Raise UnavailableError for a disk without room, WrongUseError for a place that cannot be written or read."""
    try:
        yield
    except OSError as fault:
        if fault.errno in _FULL:
            raise UnavailableError(
                f"There is no room left for {place}: {fault.strerror}. Free some space, then run this again."
            ) from fault
        raise WrongUseError(
            f"{place} cannot be used: {fault.strerror or fault}. Give a folder that you may write."
        ) from fault


def put_copy(source: Path, target: Path) -> None:
    """Let `target` be a file with the bytes of `source`, whole or not at all; what is there under this name is replaced."""
    target.parent.mkdir(parents=True, exist_ok=True)
    made = target.with_name(f".{secrets.token_hex(8)}.part")
    try:
        shutil.copyfile(source, made)
        made.replace(target)
    finally:
        made.unlink(missing_ok=True)
