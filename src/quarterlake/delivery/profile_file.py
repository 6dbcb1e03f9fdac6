"""Profile files of Delta Sharing: an address and a key, as every client of the protocol reads them.

https://github.com/delta-io/delta-sharing/blob/main/PROTOCOL.md#profile-file-format
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from quarterlake.domain.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

SHARING_PATH = "/delta-sharing"
"""Where the protocol is served, below the server's address."""


class Profile(msgspec.Struct, omit_defaults=True, rename="camel"):
    """Version 1 of the format."""

    share_credentials_version: int
    endpoint: str
    bearer_token: str
    expiration_time: str | None = None


def profile_of(address: str, key: str, expires_at: datetime | None) -> Profile:
    """The profile of a key for a server at an address."""
    end = None if expires_at is None else expires_at.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return Profile(1, f"{address.rstrip('/')}{SHARING_PATH}", key, end)


@contextmanager
def profile_written_to(path: Path) -> Iterator[Callable[[Profile], None]]:
    """Give a function that writes a profile for its owner alone. The file is made first, so that no key is made in vain, and taken away again where nothing is written.

    Raises UsageError where there is a file already, whose key would be lost with it, and where none can be made.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise UsageError(
            f"{path} is there already and was left as it is: a profile holds the only copy of its key. Name another file, or move this one away."
        ) from None
    except OSError as refused:
        raise UsageError(f"{path} cannot be written: {refused.strerror}. Name another file.") from refused
    is_written = False

    def write(profile: Profile) -> None:
        nonlocal is_written
        os.write(handle, msgspec.json.format(msgspec.json.encode(profile), indent=2) + b"\n")
        os.fsync(handle)
        is_written = True

    try:
        yield write
    finally:
        os.close(handle)
        if not is_written:
            path.unlink(missing_ok=True)
