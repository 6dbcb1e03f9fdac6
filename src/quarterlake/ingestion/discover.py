"""Finding source files: what is taken, what is skipped and said, what is refused and named."""

from __future__ import annotations

import os
import stat
import time
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from quarterlake.domain.errors import UsageError
from quarterlake.domain.naming import dataset_of, skip_reason, slug

if TYPE_CHECKING:
    from collections.abc import Collection


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to land: its path below the source folder, where it lies (links followed), its data set.

    `source` is in NFC, so that a name is one path however a system composes its letters; `place` is the path as the folder has it.
    """

    source: str
    path: Path
    dataset: str
    place: str


@dataclass(slots=True)
class Discovery:
    """What a source folder holds. `skipped` and `refused` give a reason for each path, `joined` says which data sets have a folder and files beside it.

    `recent` are the files that were changed just before and may still be growing.
    """

    files: list[SourceFile] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    joined: dict[str, str] = field(default_factory=dict)
    recent: list[str] = field(default_factory=list)


def discover(root: Path, lake: Collection[Path] = (), *, quiet_seconds: int = 0) -> Discovery:
    """All files below a folder, sorted by path. Only what lies inside it is taken: links that lead out are refused.

    `lake` has the folders of the lake itself, links followed: they are skipped, or each run would land what the last one made.
    A file that was changed within the last `quiet_seconds` is left out as `recent`.

    Raises UsageError when there is no such folder, or when it lies in the lake.
    """
    if not root.is_dir():
        raise UsageError(
            f"{root} is not a folder. Name the folder that holds the data files, such as ./data_source."
        )
    real_root = root.resolve()
    if any(real_root.is_relative_to(zone) for zone in lake):
        raise UsageError(f"{root} lies in the lake. Name the folder that the data files come from.")
    found = Discovery()
    _walk(real_root, real_root, root.name or real_root.name, found, lake)
    _refuse_clashes(found)
    _refuse_spellings(found)
    _say_joined(found)
    if quiet_seconds:
        _leave_recent(found, quiet_seconds)
    found.files.sort(key=lambda file: file.source)
    return found


def _walk(folder: Path, root: Path, source_name: str, found: Discovery, lake: Collection[Path]) -> None:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as refused:
        found.refused[_shown(folder, root)] = f"the folder cannot be read: {refused.strerror}"
        return
    for entry in entries:
        path = Path(entry.path)
        shown = _shown(path, root)
        if why := skip_reason(entry.name):
            found.skipped[shown] = why
        elif path in lake:
            found.skipped[shown] = "the lake itself lies there"
        elif entry.is_dir(follow_symlinks=False):
            _walk(path, root, source_name, found, lake)
        elif entry.is_symlink() and (reason := _refusal(path, root)):
            found.refused[shown] = reason
        elif not entry.is_file():
            found.refused[shown] = "no regular file (a device, pipe or socket)"
        else:
            _take(path, root, source_name, shown, found)


def _take(path: Path, root: Path, source_name: str, shown: str, found: Discovery) -> None:
    try:
        relative = path.relative_to(root).as_posix()
        relative.encode()
        # Folders are walked, not followed, so that only the last step of a path can be a link.
        target = path.resolve() if path.is_symlink() else path
        source = unicodedata.normalize("NFC", relative)
        dataset = dataset_of(PurePosixPath(source), source_name)
        found.files.append(SourceFile(source, target, dataset, relative))
    except UnicodeEncodeError:
        found.refused[shown] = "its name is not UTF-8; rename it"
    except UsageError as refused:
        found.refused[shown] = str(refused)


def _refusal(path: Path, root: Path) -> str | None:
    """Why a link is not taken; None for one to a file inside."""
    try:
        target = path.resolve(strict=True)
        mode = target.stat().st_mode
    except (OSError, RuntimeError):
        return "a link that leads nowhere"
    if not target.is_relative_to(root):
        return "a link that leads out of the source folder; copy the file into it"
    if stat.S_ISDIR(mode):
        return "a link to a folder; what it shows lies elsewhere in the source folder"
    return None


def _shown(path: Path, root: Path) -> str:
    return str(path.relative_to(root)).encode(errors="backslashreplace").decode()


def _refuse_clashes(found: Discovery) -> None:
    """Refuse folders whose names differ but give one data set: nobody said that their records belong together."""
    folders: dict[str, set[str]] = {}
    for file in found.files:
        first, separator, _ = file.source.partition("/")
        if separator:
            folders.setdefault(slug(first), set()).add(first)
    clashing = {name: sorted(group) for name, group in folders.items() if len(group) > 1}
    kept = []
    for file in found.files:
        group = clashing.get(file.dataset)
        if group and file.source.partition("/")[0] in group:
            found.refused[file.source] = (
                f"the folders {' and '.join(group)} both give the data set {file.dataset}; rename or join them"
            )
        else:
            kept.append(file)
    found.files = kept


def _refuse_spellings(found: Discovery) -> None:
    """Refuse files whose names look alike and are one path, their letters composed in different ways: nobody said which counts."""
    places = Counter(file.source for file in found.files)
    for file in found.files:
        if places[file.source] > 1:
            found.refused[file.source] = (
                "there are two files of this name, whose letters are composed in different ways (NFC and NFD); remove one"
            )
    found.files = [file for file in found.files if places[file.source] == 1]


def _leave_recent(found: Discovery, quiet_seconds: int) -> None:
    """Leave out what was changed just now; a time far ahead is a wrong clock, and no reason to wait for ever."""
    now = time.time()
    found.recent = sorted(
        file.source for file in found.files if abs(now - _changed_at(file.path)) < quiet_seconds
    )
    recent = set(found.recent)
    found.files = [file for file in found.files if file.source not in recent]


def _changed_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0  # gone, or not to be read: landing says so


def _say_joined(found: Discovery) -> None:
    """Note the data sets that a folder and files at the top give together: one name is one data set."""
    folders = {file.dataset: file.source.partition("/")[0] for file in found.files if "/" in file.source}
    tops = {file.dataset: file.source for file in reversed(found.files) if "/" not in file.source}
    for dataset in sorted(folders.keys() & tops.keys()):
        found.joined[dataset] = (
            f"the folder {folders[dataset]} and files beside it, such as {tops[dataset]}, are one data set, {dataset}"
        )
