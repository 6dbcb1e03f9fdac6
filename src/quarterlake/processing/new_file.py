"""A file for a person that is there whole or not at all."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from quarterlake.domain.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def new_file(target: Path) -> Iterator[TextIO]:
    """Write a text file in UTF-8 under a temporary name beside it; it has its own once all is written.

    What a killed process leaves is hidden and ends with `.part`. Raises UsageError where the file exists, then or by now, or cannot be made.
    """
    if os.path.lexists(target):
        raise _exists(target)
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        file = partial.open("w", encoding="utf-8", newline="")
    except OSError as refused:
        raise _unwritable(target, refused) from refused
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _take_name(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def _take_name(partial: Path, target: Path) -> None:
    try:
        target.hardlink_to(partial)  # unlike a rename it never replaces what is there
    except FileExistsError:
        raise _exists(target) from None
    except OSError:
        if os.path.lexists(target):
            raise _exists(target) from None
        try:
            partial.rename(target)  # where there are no hard links
        except OSError as refused:
            raise _unwritable(target, refused) from refused


def _exists(target: Path) -> UsageError:
    return UsageError(f"{target} exists, and may hold repairs. Name another file, or move it away first.")


def _unwritable(target: Path, refused: OSError) -> UsageError:
    return UsageError(f"{target} cannot be written: {refused.strerror}. Name another file.")
