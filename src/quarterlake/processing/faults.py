"""DuckDB's exceptions as quarterlake's."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING

import duckdb

from quarterlake.domain.errors import DiskFullError, TransientError, UnreadableFileError

if TYPE_CHECKING:
    from collections.abc import Iterator

_NO_ROOM = ("no space left", "disk quota", "could not write", "file too large")


@contextmanager
def environment_faults() -> Iterator[None]:
    """Raise DiskFullError or TransientError for what the machine lacks; let all else through."""
    try:
        yield
    except OSError as fault:
        if fault.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise DiskFullError(
                f"No room left on the disk ({fault.filename or 'scratch'}). Free some and run the same command again."
            ) from fault
        raise
    except duckdb.OutOfMemoryException as fault:
        if "max_temp_directory_size" in str(fault) or any(sign in str(fault).lower() for sign in _NO_ROOM):
            raise DiskFullError(
                f"No room left to spill to: {_first_line(fault)}. Free some and run the same command again."
            ) from fault
        raise TransientError(
            f"The engine ran out of memory: {_first_line(fault)}. Raise QUARTERLAKE_MEMORY and run the same command again."
        ) from fault
    except duckdb.IOException as fault:
        if any(sign in str(fault).lower() for sign in _NO_ROOM):
            raise DiskFullError(
                f"No room left on the disk: {_first_line(fault)}. Free some and run the same command again."
            ) from fault
        raise


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Raise UnreadableFileError, naming the file, for what DuckDB cannot read in it; our own mistakes pass."""
    try:
        with environment_faults():
            yield
    except (
        duckdb.CatalogException,
        duckdb.BinderException,
        duckdb.ParserException,
        duckdb.InternalException,
    ):
        raise
    except duckdb.Error as fault:
        raise UnreadableFileError(f"{name} cannot be read: {_first_line(fault)}") from fault


def _first_line(fault: Exception) -> str:
    lines = [line.strip() for line in str(fault).splitlines() if line.strip()]
    return lines[0][:500] if lines else type(fault).__name__
