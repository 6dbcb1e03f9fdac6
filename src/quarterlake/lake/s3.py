"""A zone of the lake in a bucket of S3, or of anything that speaks it.

An object that S3 shows is complete, and a PUT with `If-None-Match` makes one only where there is none.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, timedelta
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import obstore
import obstore.exceptions
import obstore.store

from quarterlake.domain.errors import DiskFullError, QuarterlakeError, StoreUnavailableError
from quarterlake.lake.stores import (
    Scratch,
    StoredObject,
    checked_key,
    checked_prefix,
    cut_short,
    disk_errors,
    present,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from obstore import ObjectMeta
    from obstore.store import ClientConfig, S3Config

    from quarterlake.lake.s3_options import S3Options

_MIB = 1024 * 1024
_READERS = 16  # small objects wait for the network, not for the processor
_DOWNLOADS = 4
_DOWNLOAD_CHUNK = 8 * _MIB
_STREAM_CHUNK = _MIB
_UPLOAD_PART = 8 * _MIB  # of at most 10,000 parts, so objects of up to 78 GiB
_UPLOADS = 4
# The time for a whole request has to cover a big body on a slow line; a silent peer is noticed by the reads.
_CLIENT: ClientConfig = {"connect_timeout": "5s", "timeout": "1h"}
_MAX_RETRIES = 4
_LONGEST_PAUSE = 15
_NO_BUCKET = "NoSuchBucket"
_REFUSED = ("403 Forbidden", "401 Unauthorized")
_ROLE_SERVER = "169.254."  # asked where no credentials are given
_STORAGE_FULL = ("StorageFull", "InsufficientStorage", "507 ", "QuotaExceeded")


class S3Store:
    """A `Store` below a prefix of a bucket, which has to be there."""

    def __init__(self, bucket: str, prefix: str, options: S3Options, scratch: Path) -> None:
        self._prefix = checked_prefix(prefix)
        self._bucket = bucket
        self._options = options
        self._scratch = Scratch(scratch)
        self._client = _client(bucket, self._prefix, options)

    @property
    def url(self) -> str:
        """`s3://bucket/prefix`."""
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    @property
    def scratch(self) -> Path:
        """A folder of this process on a local disk."""
        return self._scratch.path

    def get(self, key: str) -> bytes | None:
        """The object's bytes, or None."""
        checked_key(key)
        with self._errors():
            try:
                return bytes(obstore.get(self._client, key).bytes())
            except FileNotFoundError as error:
                if _NO_BUCKET in str(error):
                    raise
                return None

    def get_many(self, keys: Sequence[str]) -> list[bytes]:
        """The objects' bytes, several requests at a time."""
        with ThreadPoolExecutor(_READERS) as pool:
            return [
                present(data, key, self.url) for key, data in zip(keys, pool.map(self.get, keys), strict=True)
            ]

    def stream(self, key: str, start: int, end: int) -> Iterator[bytes]:
        """The object's bytes as they come, of one request."""
        checked_key(key)
        if start >= end:
            return
        with self._errors():
            try:
                got = obstore.get(self._client, key, options={"range": (start, end)})
            except FileNotFoundError as error:
                if _NO_BUCKET in str(error):
                    raise
                present(None, key, self.url)
            for chunk in got.stream(min_chunk_size=_STREAM_CHUNK):
                start += len(chunk)
                yield bytes(chunk)
        if start < end:
            raise cut_short(key, self.url)

    def head(self, key: str) -> StoredObject | None:
        """The object's size and time, or None; S3 does not tell a missing bucket here."""
        checked_key(key)
        with self._errors():
            try:
                return _stored(obstore.head(self._client, key))
            except FileNotFoundError:
                return None

    def list_folders(self, prefix: str) -> list[str]:
        """The common prefixes directly below the prefix."""
        checked_prefix(prefix)
        with self._errors():
            folders = obstore.list_with_delimiter(self._client, prefix)["common_prefixes"]
        return sorted(PurePosixPath(folder).name for folder in folders)

    def create(self, key: str, data: bytes) -> bool:
        """Puts the data with `If-None-Match: *`."""
        checked_key(key)
        with self._errors():
            try:
                obstore.put(self._client, key, data, mode="create")
            except obstore.exceptions.AlreadyExistsError:
                return False
            return True

    def adopt(self, path: Path, key: str) -> None:
        """Uploads the file in parts, which become an object with the last request."""
        if self.head(key) is None:
            with self._errors():
                obstore.put(self._client, key, path, chunk_size=_UPLOAD_PART, max_concurrency=_UPLOADS)
        path.unlink()

    @contextlib.contextmanager
    def local(self, keys: Sequence[str]) -> Iterator[list[Path]]:
        """Downloads the objects, a few at a time and in chunks, and removes the copies on exit."""
        folder = self.scratch / secrets.token_hex(8)
        # Numbered, since keys may differ where file systems see no difference.
        paths = [folder / f"{number}{PurePosixPath(key).suffix}" for number, key in enumerate(keys)]
        try:
            with disk_errors(str(folder)):
                folder.mkdir()
            with ThreadPoolExecutor(_DOWNLOADS) as pool:
                list(pool.map(self._download, keys, paths))
            yield paths
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def delete(self, keys: Sequence[str]) -> None:
        """Removes the objects, a thousand with a request."""
        checked = [checked_key(key) for key in keys]
        if checked:
            with self._errors():
                obstore.delete(self._client, checked)

    def ping(self) -> None:
        """Lists folders: the cheapest request that names a missing bucket."""
        self.list_folders("")

    def table_uri(self, prefix: str) -> str:
        """`s3://bucket/prefix/table`."""
        return f"s3://{self._bucket}/{self._prefix}{checked_prefix(prefix)}".rstrip("/")

    def table_options(self) -> dict[str, str]:
        """The options under the names of delta-rs, which then makes its commits with `If-None-Match`."""
        options = self._options
        given = {
            "AWS_ENDPOINT_URL": options.endpoint,
            "AWS_ENDPOINT_URL_S3": options.endpoint,
            "AWS_ACCESS_KEY_ID": options.access_key_id,
            "AWS_SECRET_ACCESS_KEY": options.secret_access_key,
            "AWS_SESSION_TOKEN": options.session_token,
            "AWS_REGION": options.region,
            "AWS_ALLOW_HTTP": "true" if options.allow_http else "false",
            "aws_virtual_hosted_style_request": "false",
            "aws_conditional_put": "etag",
        }
        return {name: value for name, value in given.items() if value is not None}

    def close(self) -> None:
        """Removes the scratch folder."""
        self._scratch.close()

    def list(self, prefix: str) -> list[StoredObject]:
        """Every object below the prefix: one request for a thousand of them."""
        checked_prefix(prefix)
        with self._errors():
            found = [_stored(meta) for page in obstore.list(self._client, prefix) for meta in page]
        return sorted(found, key=lambda each: each.key)

    def _download(self, key: str, path: Path) -> None:
        checked_key(key)
        with self._errors(), path.open("wb") as file:
            try:
                chunks = obstore.get(self._client, key).stream(min_chunk_size=_DOWNLOAD_CHUNK)
            except FileNotFoundError as error:
                if _NO_BUCKET in str(error):
                    raise
                present(None, key, self.url)
            for chunk in chunks:
                file.write(chunk)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Turns the client's errors into ours.

        Raises:
            StoreUnavailableError: it is unreachable, refuses the credentials or lacks the bucket.
            DiskFullError: the store, or the local disk, has no room left.
        """
        try:
            with disk_errors(str(self.url)):
                yield
        except (obstore.exceptions.BaseError, FileNotFoundError) as error:
            raise self._explained(str(error)) from error

    def _explained(self, text: str) -> QuarterlakeError:
        server = self._options.endpoint or "Amazon S3"
        code = _first(r"<Code>(\w+)</Code>", text) or "no reason given"
        if any(word in text for word in _STORAGE_FULL):
            return DiskFullError(
                f"{server} has no room left ({code}). Free some space there, then run this again."
            )
        if _NO_BUCKET in text:
            return StoreUnavailableError(
                f"There is no bucket {self._bucket!r} on {server}. Create it, or correct the lake's URL."
            )
        if any(word in text for word in _REFUSED):
            return StoreUnavailableError(
                f"{server} refuses access to {self.url} ({code}). Check AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, what this identity may do with the bucket, and this machine's clock."
            )
        if _ROLE_SERVER in text:
            return StoreUnavailableError(
                f"There are no credentials for {self.url}. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
            )
        return StoreUnavailableError(
            f"Cannot use {self.url} on {server}: {text.partition(chr(10))[0]}. Check that the server is running "
            "and that AWS_ENDPOINT_URL is its address."
        )


def _client(bucket: str, prefix: str, options: S3Options) -> obstore.store.S3Store:
    config: S3Config = {
        "region": options.region,
        "virtual_hosted_style_request": False,
        "conditional_put": "etag",
    }
    patience = options.patience
    if options.endpoint is not None:
        # Under the more specific name, or AWS_ENDPOINT_URL_S3 in the environment would win.
        config["aws_endpoint_url_s3"] = options.endpoint
    if options.access_key_id is not None:
        config["access_key_id"] = options.access_key_id
    if options.secret_access_key is not None:
        config["secret_access_key"] = options.secret_access_key
    if options.session_token is not None:
        config["session_token"] = options.session_token
    return obstore.store.S3Store(
        bucket,
        prefix=prefix or None,
        config=config,
        client_options={
            **_CLIENT,
            "read_timeout": f"{patience.silent_seconds}s",
            "allow_http": options.allow_http,
        },
        retry_config={
            "max_retries": _MAX_RETRIES,
            "retry_timeout": timedelta(seconds=patience.retry_seconds),
            "backoff": {"max_backoff": timedelta(seconds=min(_LONGEST_PAUSE, patience.retry_seconds / 2))},
        },
    )


def _stored(meta: ObjectMeta) -> StoredObject:
    return StoredObject(meta["path"], meta["size"], meta["last_modified"].astimezone(UTC))


def _first(pattern: str, text: str) -> str | None:
    found = re.search(pattern, text)
    return found.group(1) if found else None
