"""Where a published file can be had: presigned on S3, from this server for a lake in a folder."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

import obstore
import obstore.store

if TYPE_CHECKING:
    from quarterlake.lake.s3_options import S3Options


@dataclass(frozen=True, slots=True)
class Link:
    """A URL for one file; `expires_at` is None where the URL asks for the caller's key instead."""

    url: str
    expires_at: str | None


class Links(Protocol):
    """Makes links for the files of a release, and for no others: callers pass only paths that a release record names."""

    def to(self, release: str, number: int, path: str) -> Link:
        """A link to the release's file of this number, which lies at a path of the zone `aggregated`."""


@dataclass(frozen=True, slots=True)
class GatewayLinks:
    """This server gives the bytes."""

    base: str

    def to(self, release: str, number: int, path: str) -> Link:  # noqa: ARG002 - the port's
        """See Links."""
        return Link(f"{self.base}/v1/releases/{quote(release, safe='@')}/files/{number}", None)


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

    def to(self, release: str, number: int, path: str) -> Link:  # noqa: ARG002 - the port's
        """See Links."""
        expires = datetime.now(UTC) + self._life
        return Link(obstore.sign(self._store, "GET", path, self._life), expires.isoformat(timespec="seconds"))
