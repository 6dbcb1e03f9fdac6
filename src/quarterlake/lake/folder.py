"""A zone of the lake in a folder.

An object is written in the scratch folder, put on the disk and then linked to its key: a link appears whole
or not at all, and fails where something is there.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from quarterlake.lake.stores import (
    SCRATCH_FOLDER,
    Scratch,
    StoredObject,
    checked_key,
    checked_prefix,
    cut_short,
    disk_errors,
    make_folder,
    present,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_CHUNK = 1024 * 1024
_NOTHING_THERE = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


class FolderStore:
    """A `Store` in a folder, which is made with the first object."""

    def __init__(self, root: Path) -> None:
        # A later change of the working directory must not move the lake.
        self._root = root.absolute()
        self._scratch = Scratch(self._root / SCRATCH_FOLDER)

    @property
    def url(self) -> str:
        """The folder's path."""
        return str(self._root)

    @property
    def scratch(self) -> Path:
        """A folder of this process, on the same file system."""
        return self._scratch.path

    def get(self, key: str) -> bytes | None:
        """The file's bytes, or None."""
        path = self._path(key)
        with disk_errors(self.url):
            try:
                return path.read_bytes()
            except _NOTHING_THERE:
                return None

    def get_many(self, keys: Sequence[str]) -> list[bytes]:
        """The files' bytes, one after the other: threads do not make a disk faster."""
        return [present(self.get(key), key, self.url) for key in keys]

    def stream(self, key: str, start: int, end: int) -> Iterator[bytes]:
        """The file's bytes, a chunk at a time."""
        with disk_errors(self.url), self._file(key).open("rb", buffering=0) as file:
            file.seek(start)
            while start < end:
                chunk = file.read(min(_CHUNK, end - start))
                if not chunk:
                    raise cut_short(key, self.url)
                start += len(chunk)
                yield chunk

    def head(self, key: str) -> StoredObject | None:
        """The file's size and time, or None."""
        path = self._path(key)
        with disk_errors(self.url):
            return _stored(str(path), key) if path.is_file() else None

    def list_folders(self, prefix: str) -> list[str]:
        """The folders directly below the prefix that are not empty."""
        folder = self._root / checked_prefix(prefix)
        with disk_errors(self.url):
            for _, folders, _ in _walk(folder, self._root):
                return sorted(name for name in folders if any(files for *_, files in os.walk(folder / name)))
        return []

    def create(self, key: str, data: bytes) -> bool:
        """Writes the data beside the store, then links it to the key."""
        target = self._path(key)
        staged = self.scratch / secrets.token_hex(8)
        with disk_errors(self.url):
            try:
                staged.write_bytes(data)
                return _linked(staged, target)
            finally:
                staged.unlink(missing_ok=True)

    def adopt(self, path: Path, key: str) -> None:
        """Links the file to the key, then removes its old name."""
        target = self._path(key)
        with disk_errors(self.url):
            _linked(path, target)
            path.unlink()

    @contextlib.contextmanager
    def local(self, keys: Sequence[str]) -> Iterator[list[Path]]:
        """The files themselves."""
        yield [self._file(key) for key in keys]

    def delete(self, keys: Sequence[str]) -> None:
        """Removes the files and leaves their folders, where another process may be writing."""
        for key in keys:
            path = self._path(key)
            with disk_errors(self.url), contextlib.suppress(FileNotFoundError, NotADirectoryError):
                path.unlink()

    def ping(self) -> None:
        """Makes and removes a file, with the means that every object needs."""
        staged = self.scratch / secrets.token_hex(8)
        linked = staged.with_suffix(".ping")
        with disk_errors(self.url):
            try:
                staged.touch()
                _linked(staged, linked)
            finally:
                staged.unlink(missing_ok=True)
                linked.unlink(missing_ok=True)

    def table_uri(self, prefix: str) -> str:
        """The path of the table's folder."""
        return str(self._root / checked_prefix(prefix))

    def table_options(self) -> dict[str, str]:
        """Nothing: a folder needs no options."""
        return {}

    def close(self) -> None:
        """Removes the scratch folder."""
        self._scratch.close()

    def list(self, prefix: str) -> list[StoredObject]:
        """Every file below the prefix, unfinished ones in the scratch folder left out."""
        with disk_errors(self.url):
            # Thousands of files: texts, since paths would cost three times as much.
            below = len(str(self._root)) + 1
            paths = (
                f"{parent}/{name}"
                for parent, _, files in _walk(self._root / checked_prefix(prefix), self._root)
                for name in files
            )
            stored = [each for path in paths if (each := _stored(path, path[below:])) is not None]
        return sorted(stored, key=lambda each: each.key)

    def _path(self, key: str) -> Path:
        return self._root / checked_key(key)

    def _file(self, key: str) -> Path:
        path = self._path(key)
        return present(path if path.is_file() else None, key, self.url)


def _stored(path: str, key: str) -> StoredObject | None:
    try:
        status = os.stat(path)  # noqa: PTH116 - see `list`
    except FileNotFoundError:
        return None
    return StoredObject(key, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))


def _walk(folder: Path, root: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """Each folder with the names of its folders and files, the scratch folder of `root` left out."""
    for parent, folders, files in os.walk(folder):
        if SCRATCH_FOLDER in folders and Path(parent) == root:
            folders.remove(SCRATCH_FOLDER)
        yield parent, folders, files


def _linked(source: Path, target: Path) -> bool:
    """Gives a finished file its key: True when it was free."""
    _put_on_disk(source)
    try:
        _link(source, target)
    except FileExistsError:
        return False
    return True


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileNotFoundError:
        make_folder(target.parent)
        os.link(source, target)


def _put_on_disk(path: Path) -> None:
    """Else a power cut may keep the name and lose the bytes. A third of a millisecond for a small file."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
