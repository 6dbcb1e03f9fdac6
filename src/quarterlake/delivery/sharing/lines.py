"""Answers about tables, line by line, in the formats parquet and delta of the protocol."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from quarterlake.delivery.links import Link
    from quarterlake.delivery.sharing.history import Version
    from quarterlake.delivery.sharing.names import SharedTable
    from quarterlake.domain.releases import DataFile

Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Moment:
    """A version's number, and its time in milliseconds since 1970."""

    version: int
    timestamp: int

    @classmethod
    def of(cls, version: Version) -> Moment:
        """A version's."""
        return cls(version.number, version.timestamp)


class Format(Protocol):
    """How the lines of an answer are written. `moment` is given where a version was asked for."""

    name: str

    def protocol(self) -> Line:
        """What a reader must know."""

    def metadata(self, table: SharedTable, version: Version, moment: Moment | None) -> Line:
        """The table at a version."""

    def file(self, file: DataFile, link: Link, moment: Moment | None) -> Line:
        """A file that the table shows."""

    def add(self, file: DataFile, link: Link, moment: Moment) -> Line:
        """A file that a version added."""

    def remove(self, file: DataFile, link: Link, moment: Moment) -> Line:
        """A file that a version removed."""


class ParquetFormat:
    """The format that every client reads."""

    name = "parquet"

    def protocol(self) -> Line:
        """See Format."""
        return {"protocol": {"minReaderVersion": 1}}

    def metadata(self, table: SharedTable, version: Version, moment: Moment | None) -> Line:
        """See Format."""
        return {
            "metaData": {
                "id": table.id,
                "name": f"{table.dataset}.{table.aggregate}",
                "format": {"provider": "parquet"},
                "schemaString": _schema(version),
                "partitionColumns": [],
                "configuration": {"enableChangeDataFeed": "true"},
                **_sums(version),
                **({} if moment is None else {"version": moment.version}),
            }
        }

    def file(self, file: DataFile, link: Link, moment: Moment | None) -> Line:
        """See Format."""
        return {"file": {**self._described(file, link, moment), "stats": _stats(file)}}

    def add(self, file: DataFile, link: Link, moment: Moment) -> Line:
        """See Format."""
        return {"add": {**self._described(file, link, moment), "stats": _stats(file)}}

    def remove(self, file: DataFile, link: Link, moment: Moment) -> Line:
        """See Format."""
        return {"remove": self._described(file, link, moment)}

    def _described(self, file: DataFile, link: Link, moment: Moment | None) -> Line:
        return {
            "url": link.url,
            "id": file.sha256,
            "partitionValues": {},
            "size": file.size,
            **_at(moment),
            "expirationTimestamp": _expiration(link),
        }


class DeltaFormat:
    """Delta Lake's own actions, for clients that ask for them."""

    name = "delta"

    def protocol(self) -> Line:
        """See Format."""
        return {"protocol": {"deltaProtocol": {"minReaderVersion": 1, "minWriterVersion": 4}}}

    def metadata(self, table: SharedTable, version: Version, moment: Moment | None) -> Line:
        """See Format."""
        return {
            "metaData": {
                "deltaMetadata": {
                    "id": table.id,
                    "name": f"{table.dataset}.{table.aggregate}",
                    "format": {"provider": "parquet", "options": {}},
                    "schemaString": _schema(version),
                    "partitionColumns": [],
                    "configuration": {"delta.enableChangeDataFeed": "true"},
                },
                **_sums(version),
                **({} if moment is None else {"version": moment.version}),
            }
        }

    def file(self, file: DataFile, link: Link, moment: Moment | None) -> Line:
        """See Format."""
        return self._action("add", {**_placed(file, link), "stats": _stats(file)}, file, link, moment)

    def add(self, file: DataFile, link: Link, moment: Moment) -> Line:
        """See Format."""
        return self.file(file, link, moment)

    def remove(self, file: DataFile, link: Link, moment: Moment) -> Line:
        """See Format."""
        gone = {**_placed(file, link), "deletionTimestamp": moment.timestamp, "extendedFileMetadata": True}
        del gone["modificationTime"]
        return self._action("remove", gone, file, link, moment)

    def _action(self, kind: str, action: Line, file: DataFile, link: Link, moment: Moment | None) -> Line:
        return {
            "file": {
                "id": file.sha256,
                "size": file.size,
                "expirationTimestamp": _expiration(link),
                **_at(moment),
                "deltaSingleAction": {kind: action},
            }
        }


def _placed(file: DataFile, link: Link) -> Line:
    return {
        "path": _marked(link.url),
        "partitionValues": {},
        "size": file.size,
        "modificationTime": 0,
        "dataChange": True,
    }


def _marked(url: str) -> str:
    """A URL that Delta Lake's own readers take for a signed one: they know them by the names of a few stores' parameters.

    `sp` is the shortest of these, the permissions that a URL carries; nobody reads it in one of ours.
    """
    return url if "X-Amz-Signature=" in url else f"{url}&sp=r"


def _sums(version: Version) -> Line:
    files = [file for shown in version.shown for file in shown.files]
    return {"size": sum(file.size for file in files), "numFiles": len(files)}


def _at(moment: Moment | None) -> Line:
    return {} if moment is None else {"version": moment.version, "timestamp": moment.timestamp}


def _schema(version: Version) -> str:
    fields = [
        {"name": name, "type": kind, "nullable": True, "metadata": {}} for name, kind in version.columns
    ]
    return json.dumps({"type": "struct", "fields": fields}, separators=(",", ":"))


def _stats(file: DataFile) -> str:
    return json.dumps({"numRecords": file.rows}, separators=(",", ":"))


def _expiration(link: Link) -> int:
    return int(link.expires_at.timestamp() * 1000)
