"""DuckDB's exceptions as quarterlake's."""

from __future__ import annotations

import errno
import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

import duckdb

from quarterlake.domain.errors import DiskFullError, EngineMemoryError, MachineError, MisreadError
from quarterlake.processing.cutting import TOO_LONG

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HERE = "\0"
_QUOTED = re.compile(r"""(?<!\w)'.*'(?!\w)|".*\"""")
_REFUSALS = tuple(
    os.strerror(number).lower()
    for number in (
        errno.EACCES,
        errno.EAGAIN,
        errno.EBUSY,
        errno.EINTR,
        errno.EIO,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOENT,
        errno.ENOMEM,
        errno.EPERM,
        errno.EROFS,
        errno.ESTALE,
        errno.ETIMEDOUT,
    )
)
"""How DuckDB's messages end where it was the operating system that refused."""
_NO_ROOM = ("no space left", "disk quota", "could not write", "file too large")


@contextmanager
def environment_faults(scratch: Path) -> Iterator[None]:
    """Raise DiskFullError, EngineMemoryError or MachineError for what the machine lacks; let all else through. `scratch` is where work is done."""
    try:
        yield
    except OSError as fault:
        if fault.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise DiskFullError(
                f"No room left on the disk of {fault.filename or scratch}. Free some and run the same command again."
            ) from fault
        if fault.errno is None:
            raise
        raise MachineError(
            f"{fault.filename or scratch} cannot be used: {fault.strerror}. Mend that and run the same command again."
        ) from fault
    except duckdb.OutOfMemoryException as fault:
        if "max_temp_directory_size" in str(fault) or any(sign in str(fault).lower() for sign in _NO_ROOM):
            raise DiskFullError(
                f"No room left to spill to in {scratch}: {_first_line(fault)}. Free some and run the same command again."
            ) from fault
        raise EngineMemoryError(
            f"The engine ran out of memory: {_first_line(fault)}. Raise QUARTERLAKE_MEMORY and run the same command again."
        ) from fault
    except duckdb.IOException as fault:
        if any(sign in str(fault).lower() for sign in _NO_ROOM):
            raise DiskFullError(
                f"No room left on the disk of {scratch}: {_first_line(fault)}. Free some and run the same command again."
            ) from fault
        if _is_refusal(fault):
            raise MachineError(
                f"The engine cannot go on: {_first_line(fault)}. Mend that and run the same command again."
            ) from fault
        raise


@contextmanager
def reading(name: str, path: Path) -> Iterator[None]:
    """Raise MisreadError for what DuckDB cannot read in the file at `path`, which the user knows as `name`.

    Our own mistakes pass.
    """
    try:
        with environment_faults(path.parent):
            yield
    except (
        duckdb.CatalogException,
        duckdb.BinderException,
        duckdb.ParserException,
        duckdb.InternalException,
    ):
        raise
    except duckdb.Error as fault:
        if "maximum_object_size" in str(fault):
            raise MisreadError(f"{name} cannot be read: it has {TOO_LONG}.", TOO_LONG) from fault
        # What it quotes beside the file's name may be a value, and errors are shown to those who may not see any.
        said = _first_line(fault).replace(f'"{path}"', _HERE).replace(str(path), _HERE)
        said = _QUOTED.sub('"…"', said).replace(_HERE, name)
        raise MisreadError(f"{name} cannot be read: {said.rstrip('.')}. Send it again.", said) from fault


def _is_refusal(fault: duckdb.IOException) -> bool:
    """Whether it was the operating system that refused, and not the file that was wrong; names in quotes say nothing."""
    said = _QUOTED.sub("", _first_line(fault)).lower()
    return "no files found that match" in said or any(sign in said for sign in _REFUSALS)


def _first_line(fault: Exception) -> str:
    lines = [line.strip() for line in str(fault).splitlines() if line.strip()]
    return lines[0][:500] if lines else type(fault).__name__
