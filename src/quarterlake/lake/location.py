"""Where a lake lies: from its URL to the stores of its three zones."""

from __future__ import annotations

import os
import re
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import unquote, urlsplit

from quarterlake.domain.errors import UsageError
from quarterlake.lake.folder import FolderStore
from quarterlake.lake.s3_options import S3Options
from quarterlake.lake.stores import checked_prefix

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quarterlake.lake.stores import Store

ZONES = ("raw", "curated", "aggregated")
_ZONE = "{zone}"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):/")
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html, and what older buckets may hold
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")
_EXAMPLES = (
    "Use a folder such as ./lake, or s3://bucket/prefix; {zone} stands for raw, curated and aggregated."
)


@dataclass(frozen=True, slots=True)
class Lake:
    """The three zones of an open lake, to be closed after use.

    Attributes:
        raw: the source files as they came, and their manifests.
        curated: the records by month.
        aggregated: the aggregates by quarter, and the releases.
        url: what the lake was opened with; it holds no credentials.
    """

    raw: Store
    curated: Store
    aggregated: Store
    url: str

    @property
    def absolute_url(self) -> str:
        """What opens the same lake from any working directory."""
        scheme = _SCHEME.match(self.url)
        return self.url if scheme else str(Path(self.url).expanduser().absolute())

    def close(self) -> None:
        """Removes the scratch folders of the zones."""
        for zone in (self.raw, self.curated, self.aggregated):
            zone.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_lake(url: str, s3: S3Options | Mapping[str, S3Options], scratch: Path | None = None) -> Lake:
    """Opens a lake without touching it: what is not there yet comes with the first object.

    Args:
        url: a folder, a `file://` URL or `s3://bucket/prefix`. `{zone}` in it, once and anywhere, stands
            for the zone; without it the zone is the last folder, and for a bare `s3://bucket` too.
        s3: how to reach S3, for all zones or for each by its name; a folder takes no notice of it.
        scratch: where S3 keeps its working copies; None is a folder of this user for temporary files.

    Raises:
        UsageError: the URL is none of these.
    """
    template = _template(url)
    each = dict.fromkeys(ZONES, s3) if isinstance(s3, S3Options) else s3
    raw, curated, aggregated = (_store(template.replace(_ZONE, zone), each[zone], scratch) for zone in ZONES)
    return Lake(raw, curated, aggregated, url)


def check_there(url: str) -> None:
    """See that a lake in a folder is there: one of its zones at least, empty or not. A lake on S3 is not asked.

    Raises:
        UsageError: there is none, or the URL is none of a lake.
    """
    template = _template(url)
    places = [Path(template.replace(_ZONE, zone)).absolute() for zone in ZONES]
    if not template.startswith("s3://") and not any(map(_is_folder, places)):
        raise UsageError(
            f"There is no lake at {url}: none of {', '.join(map(str, places))} is a folder. Correct --lake or QUARTERLAKE_LAKE, "
            "mount the disk, or make the lake first with `quarterlake run`."
        )


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def _store(place: str, s3: S3Options, scratch: Path | None) -> Store:
    return _s3_store(place, s3, scratch) if place.startswith("s3://") else FolderStore(Path(place))


def _template(url: str) -> str:
    """The lake's place with `{zone}` in it: a path, or a URL that begins with `s3://`."""
    scheme = _SCHEME.match(url)
    kind = scheme.group(1).lower() if scheme else "folder"
    place = {"folder": _path, "file": _file_path, "s3": _s3_place}.get(kind, _unknown)(url)
    rest = place.replace(_ZONE, "", 1)
    if not place or "\0" in place or "{" in rest or "}" in rest:
        raise UsageError(
            f"The lake's URL must not be empty and may hold {_ZONE} once, no other braces. {_EXAMPLES}"
        )
    return place if _ZONE in place else f"{place.rstrip('/')}/{_ZONE}"


def _unknown(url: str) -> str:
    # The rest of the URL may hold a password.
    raise UsageError(f"A lake cannot lie at {url.partition(':')[0]!r}. {_EXAMPLES}")


def _path(url: str) -> str:
    return str(Path(url).expanduser()) if url else url


def _file_path(url: str) -> str:
    parts = urlsplit(url)
    if parts.netloc not in {"", "localhost"} or parts.query or parts.fragment:
        raise UsageError(f"The lake's URL must be file:///path, with a path of this machine. {_EXAMPLES}")
    return unquote(parts.path)


def _s3_place(url: str) -> str:
    """The URL with a lower-case scheme, its bucket and prefix checked."""
    place = url.partition(":")[2]
    bucket, _, prefix = place.removeprefix("//").partition("/")
    if not place.startswith("//") or not _BUCKET.fullmatch(bucket.replace(_ZONE, ZONES[0])):
        raise UsageError(
            f"The lake's URL must be s3://bucket/prefix, without credentials, and a bucket's name has 3 to 63 letters, digits, dots, dashes and underscores. {_EXAMPLES}"
        )
    try:
        checked_prefix(f"{prefix.rstrip('/')}/" if prefix else "")
    except ValueError as error:
        raise UsageError(f"The lake's URL has a prefix that S3 does not take. {error} {_EXAMPLES}") from error
    return f"s3://{bucket}/{prefix}".rstrip("/")


def _s3_store(url: str, options: S3Options, scratch: Path | None) -> Store:
    # A lake in a folder does not wait for the S3 client to load.
    from quarterlake.lake.s3 import S3Store

    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    return S3Store(bucket, f"{prefix}/" if prefix else "", options, scratch or _temporary_folder())


def _temporary_folder() -> Path:
    """This user's folder for working copies: the same for each run, so that the next finds what a killed one left.

    Raises:
        UsageError: somebody else made a folder of that name.
    """
    folder = Path(tempfile.gettempdir(), f"quarterlake-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise UsageError(
            f"The folder {folder} belongs to another user. Set another scratch folder, or TMPDIR."
        )
    return folder
