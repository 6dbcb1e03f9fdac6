"""The server's answers, read strictly: whatever is not as it should be is refused before it is used."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import PurePosixPath
from typing import TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec

from quarterlake.client.errors import BadAnswerError

T = TypeVar("T")

_RELEASE = re.compile(r"([^\W_][\w]{0,99})@([0-9]{4}(?:-(?:Q[1-4]|0[1-9]|1[0-2]))?)\.([1-9][0-9]{0,8})")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PART = re.compile(r"[^/\\]{1,200}")
_MOST_BYTES = 1 << 50


class PublishedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a release: its aggregate, its path in the lake, bytes, SHA-256 and rows."""

    aggregate: str
    path: str
    size: int
    sha256: str
    rows: int

    @property
    def name(self) -> str:
        """The file's name without its folders."""
        return PurePosixPath(self.path).name


class LinkedFile(PublishedFile, frozen=True, kw_only=True):
    """The same with a URL that gives its bytes, which must not be shown or logged."""

    url: str
    url_expires_at: datetime | None = None


class PublishedRelease(msgspec.Struct, frozen=True, kw_only=True):
    """A release: immutable, so that everything under its name is the same for ever."""

    name: str
    dataset: str
    period: str
    revision: int
    published_at: datetime


class ReleasePage(msgspec.Struct, frozen=True, kw_only=True):
    """Some of a data set's releases, and the token for those that follow."""

    releases: tuple[PublishedRelease, ...]
    next_page_token: str | None = None


class DatasetName(msgspec.Struct, frozen=True, kw_only=True):
    """A data set's name."""

    dataset: str


class DatasetPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some of the data sets, and the token for those that follow."""

    datasets: tuple[DatasetName, ...]
    next_page_token: str | None = None


class FileList(msgspec.Struct, frozen=True, kw_only=True):
    """A release's files with their URLs."""

    release: str
    files: tuple[LinkedFile, ...]


def read_answer(body: bytes, kind: type[T], what: str) -> T:
    """A JSON answer of a kind. Raises BadAnswerError, naming what was asked for."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError) as wrong:
        raise BadAnswerError(
            f"The answer to {what} is not one of the delivery API ({wrong}). Check the address, and that server and client are of one version."
        ) from wrong


def checked_release(release: PublishedRelease) -> PublishedRelease:
    """A release whose name is one, and is made of its parts. Raises BadAnswerError."""
    if (
        not is_release_name(release.name)
        or release.name != f"{release.dataset}@{release.period}.{release.revision}"
    ):
        raise BadAnswerError(f"The server named a release {release.name!r}, which is no release's name.")
    return release


def checked_file(file: LinkedFile) -> LinkedFile:
    """A file whose name stays in its folder, with a sane size and hash and a URL of the web. Raises BadAnswerError."""
    for part in (file.aggregate, *file.path.split("/")):
        # What is not printable could be obeyed by a terminal, or show one name for another.
        if not _PART.fullmatch(part) or part.startswith(".") or not part.isprintable():
            raise BadAnswerError(
                f"The server named a file {file.path!r} of {file.aggregate!r}, which is no name of a file."
            )
    if not _SHA256.fullmatch(file.sha256) or not 0 <= file.size <= _MOST_BYTES:
        raise BadAnswerError(f"The server gave {file.path} no SHA-256 or no size that a file can have.")
    if not is_web_address(file.url):
        raise BadAnswerError(f"The server gave {file.path} an address that is none of the web.")
    return file


def is_web_address(text: str) -> bool:
    """Whether a text is an address that can be asked over HTTP; one with a name and password in it is none."""
    try:
        address, parts = httpx.URL(text), urlsplit(text)
        named = bool(parts.hostname) and parts.port != 0
    except (httpx.InvalidURL, ValueError):
        return False
    return named and address.scheme in {"http", "https"} and not address.userinfo and "%" not in address.host


def is_release_name(text: str) -> bool:
    """Whether a text names one release: `flights@2013-Q1.1`."""
    return _RELEASE.fullmatch(text) is not None
