"""API keys of the delivery API: how they look, what they may read, and for how long."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from quarterlake.domain.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

ID_BYTES, SECRET_BYTES = 6, 32
MOST_LIVE = 2
"""Live keys of one name: the one in use, and the one that is about to take its place."""
_TEXT = re.compile(r"ql_([0-9a-f]{12})_[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_PATTERN = re.compile(r"[\w*?]{1,100}")


class Right(StrEnum):
    """What a scope allows: `read` its data sets, or `admin`: read them, and see metrics and who read what."""

    READ = "read"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Scope:
    """A right on the data sets whose names match a pattern, in which `*` and `?` stand for characters."""

    pattern: str
    right: Right = Right.READ

    @classmethod
    def parse(cls, text: str) -> Scope:
        """`sales`, `sales_*`, `*:admin`. Raises UsageError for anything else."""
        pattern, _, right = text.partition(":")
        if not _PATTERN.fullmatch(pattern) or (right or "read") not in {*Right}:
            raise UsageError(
                f"{text!r} is no scope; they look like sales, sales_* or *:admin: a data set's name or a pattern, and read or admin."
            )
        return cls(pattern, Right(right or "read"))

    def __str__(self) -> str:
        return f"{self.pattern}:{self.right}"


READ_ALL = Scope("*")
ADMIN_ALL = Scope("*", Right.ADMIN)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is kept: never its text, only the text's SHA-256. Instants are in UTC; None is never."""

    id: str
    name: str
    digest: bytes
    scopes: tuple[Scope, ...]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def is_live(self, now: datetime) -> bool:
        """Whether it opens anything at an instant."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def may_read(self, dataset: str) -> bool:
        """Whether one of its scopes covers the data set."""
        return covers(self.scopes, dataset)

    @property
    def is_admin(self) -> bool:
        """Whether it may see what concerns all callers: an admin scope on every data set."""
        return ADMIN_ALL in self.scopes


def covers(scopes: Sequence[Scope], dataset: str) -> bool:
    """Whether one of the scopes has a pattern for the data set; every right includes reading."""
    return any(fnmatchcase(dataset, scope.pattern) for scope in scopes)


def digest_of(text: str) -> bytes:
    """What is kept of a key's text."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()


def id_in(text: str) -> str | None:
    """The id in a key's text, `ql_<id>_<secret>`; None for what cannot be a key."""
    match = _TEXT.fullmatch(text)
    return match[1] if match else None


def key_text(key_id: str, secret: str) -> str:
    """`ql_<id>_<secret>`, both in hexadecimal."""
    return f"ql_{key_id}_{secret}"


def checked_name(name: str) -> str:
    """A key's name, which says whose it is. Raises UsageError for one that would not fit a line of a log."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot name a key; use 1 to 64 letters, digits, dots, dashes, underscores or @, beginning with a letter or digit."
        )
    return name
