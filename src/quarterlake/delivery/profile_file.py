"""Profile files of Delta Sharing: an address and a key, as every client of the protocol reads them.

https://github.com/delta-io/delta-sharing/blob/main/PROTOCOL.md#profile-file-format
"""

from __future__ import annotations

import contextlib
import os
import secrets
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
    """Give a function that writes a profile for its owner alone, in the place of an earlier one. The folder is tried first, so that no key is made in vain.

    Raises UsageError where the file cannot be written, or holds something else than a profile.
    """
    if path.exists() and not _is_profile(path):
        raise UsageError(f"{path} is there and is no profile; it was left as it is. Name another file.")
    staged = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        handle = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as refused:
        raise UsageError(f"{path} cannot be written: {refused.strerror}. Name another file.") from refused

    def write(profile: Profile) -> None:
        os.write(handle, msgspec.json.format(msgspec.json.encode(profile), indent=2) + b"\n")
        os.fsync(handle)
        staged.replace(path)

    try:
        yield write
    finally:
        os.close(handle)
        with contextlib.suppress(FileNotFoundError):
            staged.unlink()


def _is_profile(path: Path) -> bool:
    try:
        msgspec.json.decode(path.read_bytes(), type=Profile)
    except (OSError, msgspec.DecodeError):
        return False
    return True
