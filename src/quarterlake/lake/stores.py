"""The one interface through which a zone of the lake is read and written, and what its implementations share."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import shutil
import threading
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from quarterlake.domain.errors import DiskFullError, IntegrityError, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime
    from pathlib import Path

SCRATCH_FOLDER = ".scratch"
MAX_SEGMENT_BYTES = 255  # what Linux file systems take as a name
MAX_KEY_BYTES = 1024  # what S3 takes as a key
_FULL = {errno.ENOSPC, errno.EDQUOT}

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object's key, its size in bytes and when it was last written, in UTC."""

    key: str
    size: int
    modified: datetime


class Store(Protocol):
    """A zone of the lake: immutable objects under relative POSIX keys.

    An object is visible whole or not at all, whatever instant a process is killed at. Every method raises
    `ValueError` for a key that `checked_key` refuses, `StoreUnavailableError` where the store cannot be
    used and `DiskFullError` where a disk has no room.
    """

    @property
    def url(self) -> str:
        """Where the store is, for people and messages: it holds no credentials."""

    @property
    def scratch(self) -> Path:
        """A folder of this process alone; for a folder store on its file system. `close` removes it."""

    def get(self, key: str) -> bytes | None:
        """The object's bytes, or None where there is no object."""

    def get_many(self, keys: Sequence[str]) -> list[bytes]:
        """The bytes of each object, in the order of the keys.

        Raises:
            IntegrityError: one of them is missing.
        """

    def stream(self, key: str, start: int, end: int) -> Iterator[bytes]:
        """The object's bytes from `start` to before `end`, a chunk at a time.

        Raises:
            IntegrityError: it is missing, or ends before `end`.
        """

    def head(self, key: str) -> StoredObject | None:
        """The object's size and time, or None where there is no object."""

    def list_folders(self, prefix: str) -> list[str]:
        """The names of the folders directly below a prefix that hold an object at any depth, sorted."""

    def create(self, key: str, data: bytes) -> bool:
        """Makes an object where there is none: of any number of callers exactly one gets True.

        False says that something is there. After a failure in mid-air that may be what an earlier attempt
        of the same caller made, so who gets False reads what is there before it gives way.
        """

    def adopt(self, path: Path, key: str) -> None:
        """Turns a finished file in `scratch` into an object; the file is gone afterwards.

        The key must be named for the content: where it exists already, what is there is kept.
        """

    def local(self, keys: Sequence[str]) -> AbstractContextManager[list[Path]]:
        """The objects as local files to read and not to change, in the order of the keys.

        Raises:
            IntegrityError: one of them is missing.
        """

    def delete(self, keys: Sequence[str]) -> None:
        """Removes objects; a key without an object is no error."""

    def ping(self) -> None:
        """Returns where the store can be used, and raises `StoreUnavailableError` where not."""

    def table_uri(self, prefix: str) -> str:
        """The address of the Delta table at a prefix, for delta-rs."""

    def table_options(self) -> dict[str, str]:
        """The storage options for delta-rs that go with `table_uri`; they hold the credentials."""

    def close(self) -> None:
        """Removes the scratch folder. The store is not to be used afterwards."""

    # Last, since the annotations below it would take `list` for this method.
    def list(self, prefix: str) -> list[StoredObject]:
        """Every object at any depth below a prefix, which is empty or ends with a slash; sorted by key."""


def checked_key(key: str) -> str:
    """Returns the key where every store takes it and keeps it as it is.

    Raises:
        ValueError: it is empty, absolute or too long, has an empty, `.` or `..` segment, a control
            character, a backslash (some S3 servers turn it into a slash), is no Unicode text, or begins
            with the folder that stores keep for themselves.
    """
    segments = key.split("/")
    if not all(segments) or {".", ".."} & set(segments):
        raise ValueError(f"The key {key!r} must be relative, without empty, '.' or '..' segments.")
    plain = key.isascii() and key.isprintable()
    if "\\" in key or (not plain and any(unicodedata.category(character) == "Cc" for character in key)):
        raise ValueError(f"The key {key!r} must not hold a backslash or a control character.")
    if segments[0] == SCRATCH_FOLDER:
        raise ValueError(f"The key {key!r} must not lie in {SCRATCH_FOLDER}, which holds unfinished files.")
    if len(key.encode()) > MAX_KEY_BYTES or any(len(part.encode()) > MAX_SEGMENT_BYTES for part in segments):
        raise ValueError(
            f"The key {key!r} is longer than {MAX_KEY_BYTES} bytes, or {MAX_SEGMENT_BYTES} in a segment."
        )
    return key


def checked_prefix(prefix: str) -> str:
    """Returns a prefix that is empty, for everything, or a key that `checked_key` takes and a slash.

    Raises:
        ValueError: it is neither.
    """
    if prefix and not prefix.endswith("/"):
        raise ValueError(f"The prefix {prefix!r} must end with a slash.")
    return f"{checked_key(prefix[:-1])}/" if prefix else prefix


def present(found: _T | None, key: str, url: str) -> _T:
    """Returns what was found.

    Raises:
        IntegrityError: nothing was.
    """
    if found is None:
        raise IntegrityError(
            f"The object {key!r} is missing from {url}, though it was recorded there. "
            "Restore it from a backup; quarterlake itself never removes what is still in use."
        )
    return found


def cut_short(key: str, url: str) -> IntegrityError:
    """What to raise for an object that has fewer bytes than were recorded."""
    return IntegrityError(
        f"The object {key!r} in {url} is shorter than was recorded. Restore it from a backup."
    )


@contextlib.contextmanager
def disk_errors(place: str) -> Iterator[None]:
    """Turns the operating system's errors into ours, except that a file is missing.

    Raises:
        DiskFullError: no room, or no quota, is left.
        StoreUnavailableError: anything else that the operating system refuses.
    """
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFullError(
                f"There is no room left in {place}: {error.strerror}. Free some space, then run this again."
            ) from error
        raise StoreUnavailableError(
            f"Cannot use {place}: {error}. Check that it is a folder that this user may read and write, "
            "on a file system with hard links and locks."
        ) from error


def make_folder(path: Path) -> None:
    """Makes a folder with those above it, unless it is there.

    Raises:
        StoreUnavailableError, DiskFullError: it cannot be made, also where the system gives a missing file as the reason.
    """
    with disk_errors(str(path)):
        try:
            path.mkdir(parents=True, exist_ok=True)
        except FileNotFoundError as error:
            raise StoreUnavailableError(
                f"Cannot make the folder {path}: {error}. Name a lake below a folder that this user may write to."
            ) from error


class Scratch:
    """A folder of this process below `parent`, made when first asked for.

    A lock held for life tells it from those that killed processes left behind, which go on construction.
    """

    def __init__(self, parent: Path) -> None:
        self._parent = parent
        self._path: Path | None = None
        self._lock: int | None = None
        self._making = threading.Lock()
        with contextlib.suppress(OSError):
            # A lake that may only be read is opened all the same.
            self._remove_the_dead()

    @property
    def path(self) -> Path:
        """The folder."""
        with self._making, disk_errors(str(self._parent)):
            if self._path is None:
                self._path = self._made()
            return self._path

    def close(self) -> None:
        """Removes the folder with what is in it, and lets go of the lock."""
        if self._path is not None and self._lock is not None:
            shutil.rmtree(self._path, ignore_errors=True)
            self._path.with_suffix(".lock").unlink(missing_ok=True)
            os.close(self._lock)
        self._path = self._lock = None

    def _made(self) -> Path:
        make_folder(self._parent)
        path = self._parent / secrets.token_hex(8)
        with self._exclusive():
            self._lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.mkdir()
        return path

    @contextlib.contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Keeps other processes from sweeping between the making of a lock and its taking."""
        lock = os.open(self._parent / "lock", os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _remove_the_dead(self) -> None:
        if not self._parent.is_dir():
            return
        with self._exclusive():
            for lock in self._parent.glob("*.lock"):
                _remove_if_dead(lock)


def _remove_if_dead(lock: Path) -> None:
    handle = os.open(lock, os.O_RDWR)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    else:
        shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
        lock.unlink(missing_ok=True)
    finally:
        os.close(handle)
