"""Where published files can be had: presigned on S3, or from this server. Every link expires."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote, urlencode

import obstore
import obstore.store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterlake.delivery.signing import Signer
    from quarterlake.domain.releases import DataFile, Release
    from quarterlake.lake.s3_options import S3Options

PURPOSE = "download"


@dataclass(frozen=True, slots=True)
class Link:
    """A URL for one file, which needs no key, and the instant until which it works."""

    url: str
    expires_at: datetime


class Links(Protocol):
    """Makes links for files of a release."""

    def to(self, release: Release, files: Sequence[DataFile], caller_id: str, base: str) -> list[Link]:
        """A link for each of the release's files, in their order, for a caller who reached this server at `base`."""


class GatewayLinks:
    """This server gives the bytes, for URLs that it signed itself."""

    def __init__(self, signer: Signer, seconds: int) -> None:
        self._signer = signer
        self._seconds = seconds

    def to(self, release: Release, files: Sequence[DataFile], caller_id: str, base: str) -> list[Link]:
        """See Links."""
        numbers = {file.path: number for number, (_, file) in enumerate(files_of(release))}
        end = int(time.time()) + self._seconds
        expires_at = datetime.fromtimestamp(end, UTC)
        root = f"{base}/v1/files/{quote(release.name, safe='@')}"
        links = []
        for file in files:
            number = numbers[file.path]
            signature = self._signer.sign(PURPOSE, release.name, number, end, caller_id)
            query = urlencode({"expires": end, "by": caller_id, "signature": signature})
            links.append(Link(f"{root}/{number}/{quote(file_name(file))}?{query}", expires_at))
        return links


class SignedLinks:
    """The store gives the bytes, for URLs signed with SigV4 against its public address. Only GET is ever signed."""

    def __init__(self, zone_url: str, signing: S3Options, seconds: int) -> None:
        bucket, _, prefix = zone_url.removeprefix("s3://").partition("/")
        config: dict[str, object] = {"region": signing.region, "virtual_hosted_style_request": False}
        given = {
            "aws_endpoint_url_s3": signing.endpoint,
            "access_key_id": signing.access_key_id,
            "secret_access_key": signing.secret_access_key,
            "session_token": signing.session_token,
        }
        config |= {name: value for name, value in given.items() if value is not None}
        self._store = obstore.store.S3Store(
            bucket,
            prefix=prefix or None,
            config=config,  # type: ignore[arg-type]
            client_options={"allow_http": signing.allow_http},
        )
        self._life = timedelta(seconds=seconds)

    def to(self, release: Release, files: Sequence[DataFile], caller_id: str, base: str) -> list[Link]:  # noqa: ARG002 - the port's
        """See Links."""
        expires_at = datetime.now(UTC).replace(microsecond=0) + self._life
        urls = obstore.sign(self._store, "GET", [file.path for file in files], self._life)
        return [Link(url, expires_at) for url in urls]


def files_of(release: Release) -> list[tuple[str, DataFile]]:
    """A release's files with their aggregates, in the order that numbers them from 0."""
    return [(aggregate.name, file) for aggregate in release.build.aggregates for file in aggregate.files]


def file_name(file: DataFile) -> str:
    """A file's name without its folders."""
    return PurePosixPath(file.path).name
