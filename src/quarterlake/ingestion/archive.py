"""Moving landed files away, where the user named a folder for them."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from quarterlake.domain.errors import UsageError
from quarterlake.lake.stores import disk_errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from quarterlake.ingestion.discover import SourceFile


def is_same(now: os.stat_result, before: os.stat_result) -> bool:
    """Whether a file still is what it was."""
    return (now.st_size, now.st_mtime_ns, now.st_ino) == (before.st_size, before.st_mtime_ns, before.st_ino)


def check_archive(archive: Path, apart: Iterable[Path], sources: Iterable[str]) -> None:
    """Raise UsageError where an archive cannot be used, or would put a file into one of the folders `apart`."""
    with disk_errors(str(archive)):
        real = archive.resolve()
        above = next(place for place in (real, *real.parents) if place.exists())
        if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
            raise UsageError(f"{archive} cannot be the archive: {above} is no folder that can be written to.")
    for folder in apart:
        if any(place.is_relative_to(folder) for place in (real, *(real / source for source in sources))):
            raise UsageError(
                f"{archive} cannot be the archive: files in it would lie in {folder}. Name a folder outside."
            )


def move_away(landed: Sequence[tuple[SourceFile, os.stat_result]], root: Path, archive: Path) -> list[str]:
    """Move what has landed to the archive, each under its path below `root`; what lies there already is kept.

    Returns the paths of the files that are no longer what landed: they stay. Links go first, and as links,
    since they lead nowhere once what they lead to has moved.

    Raises StoreUnavailableError or DiskFullError when the archive cannot be written to.
    """
    changed = [file.place for file, status in landed if not _holds(root / file.place, status)]
    gone = set(changed)
    rest = [(file.place, status) for file, status in landed if file.place not in gone]
    links = {source for source, _ in rest if (root / source).is_symlink()}
    for source in sorted(links):
        _move(root / source, archive / source)
    for source, status in rest:
        if source in links:
            continue
        if _holds(root / source, status):
            _move(root / source, archive / source)
        else:
            changed.append(source)
    return sorted(changed)


def _holds(path: Path, status: os.stat_result) -> bool:
    try:
        return is_same(path.stat(), status)
    except OSError:
        return False


def _move(path: Path, target: Path) -> None:
    name, copies = target.name, 0
    try:
        with disk_errors(str(target.parent)):
            target.parent.mkdir(parents=True, exist_ok=True)
            while os.path.lexists(target):
                copies += 1
                target = target.with_name(f"{name}.{copies}")
            shutil.move(path, target)
    except FileNotFoundError as refused:
        if path.is_symlink() or path.exists():
            raise UsageError(f"{target.parent} cannot be the archive: {refused.strerror}.") from refused
