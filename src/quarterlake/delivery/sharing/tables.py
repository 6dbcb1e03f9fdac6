"""One table: its version, its metadata, its files and its changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Header, Query, Request, Response

from quarterlake.delivery.parts import OnParts, Parts
from quarterlake.delivery.profile_file import SHARING_PATH
from quarterlake.delivery.sharing.asked import (
    Span,
    milliseconds,
    read_query,
    wanted_span,
    wanted_version,
    wants_delta,
)
from quarterlake.delivery.sharing.history import Shown, TableHistory, Version
from quarterlake.delivery.sharing.lines import DeltaFormat, Format, Line, Moment, ParquetFormat
from quarterlake.delivery.sharing.listing import ERRORS, SchemaName, ShareName, TableName
from quarterlake.delivery.sharing.names import Histories, SharedTable
from quarterlake.delivery.shelf import OnShelf, Shelf

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from quarterlake.delivery.links import Link
    from quarterlake.domain.releases import DataFile

router = APIRouter(prefix=SHARING_PATH, tags=["delta sharing"])
VERSION_HEADER = "Delta-Table-Version"
CAPABILITIES = "Delta-Sharing-Capabilities"
NDJSON = "application/x-ndjson; charset=utf-8"
_TABLE = "/shares/{share}/schemas/{schema}/tables/{table}"
_HISTORIES = Histories()
_LINES: dict[int | str, dict[str, Any]] = {
    200: {"description": "JSON objects, a line each.", "content": {"application/x-ndjson": {}}},
    **ERRORS,
}
_VERSION: dict[int | str, dict[str, Any]] = {
    200: {"description": f"`{VERSION_HEADER}` has the version; there is no body."},
    **ERRORS,
}
_BODY = {
    "requestBody": {
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "predicateHints": {"description": "Accepted, and not looked at."},
                        "jsonPredicateHints": {"description": "Accepted, and not looked at."},
                        "limitHint": {"type": "integer", "minimum": 0},
                        "version": {"type": "integer", "minimum": 0},
                        "timestamp": {"type": "string", "examples": ["2022-01-01T00:00:00Z"]},
                        "startingVersion": {"type": "integer", "minimum": 0},
                        "endingVersion": {"type": "integer", "minimum": 0},
                    },
                }
            }
        }
    }
}


class _Found:
    """The table that a request names."""

    def __init__(self, shelf: Shelf, table: SharedTable, history: TableHistory) -> None:
        self.shelf = shelf
        self.table = table
        self.history = history


def _found(shelf: OnShelf, share: ShareName, schema: SchemaName, table: TableName) -> _Found:
    return _Found(shelf, *_HISTORIES.of(shelf, share, schema, table))


def _format(
    capabilities: Annotated[str | None, Header(alias=CAPABILITIES, max_length=1000)] = None,
) -> Format:
    return DeltaFormat() if wants_delta(capabilities) else ParquetFormat()


async def _body(request: Request) -> bytes:
    """The body as it came: clients of the protocol may leave out its media type."""
    return await request.body()


OnTable = Annotated[_Found, Depends(_found)]
InFormat = Annotated[Format, Depends(_format)]


@router.head(_TABLE, operation_id="head_table_version", response_class=Response, responses=_VERSION)
def head_table_version(found: OnTable) -> Response:
    """The current version of a table, as earlier clients ask for it."""
    return _version_answer(found.history.latest)


@router.get(
    f"{_TABLE}/version", operation_id="get_table_version", response_class=Response, responses=_VERSION
)
def get_table_version(
    found: OnTable,
    starting_timestamp: Annotated[str | None, Query(alias="startingTimestamp", max_length=50)] = None,
) -> Response:
    """The current version of a table, or the first one at or after an instant."""
    if starting_timestamp is None:
        return _version_answer(found.history.latest)
    return _version_answer(found.history.since(milliseconds(starting_timestamp, "startingTimestamp")))


@router.get(
    f"{_TABLE}/metadata", operation_id="get_table_metadata", response_class=Response, responses=_LINES
)
def get_table_metadata(found: OnTable, written: InFormat) -> Response:
    """A table's schema."""
    latest = found.history.latest
    return _lines_answer(latest, written, [written.metadata(found.table, latest, None)])


@router.post(
    f"{_TABLE}/query",
    operation_id="query_table",
    response_class=Response,
    responses=_LINES,
    openapi_extra=_BODY,
)
def query_table(
    request: Request,
    parts: OnParts,
    found: OnTable,
    written: InFormat,
    body: Annotated[bytes, Depends(_body)],
) -> Response:
    """A table's files with URLs: now, at a version or an instant; or, from `startingVersion` on, what changed."""
    query = read_query(body)
    given = _Given(request, parts, found, written)
    if query.starting_version is not None:
        span = wanted_span(found.history, query.starting_version, None, query.ending_version, None)
        return _lines_answer(found.history.at(span.first), written, given.changes(span, with_metadata=True))
    version = wanted_version(query, found.history)
    moment = Moment.of(version) if query.version is not None or query.timestamp is not None else None
    lines = [written.metadata(found.table, version, moment)]
    lines += [
        written.file(file, link, moment)
        for file, link in given.linked(_limited(version.shown, query.limit_hint), "query")
    ]
    return _lines_answer(version, written, lines)


@router.get(f"{_TABLE}/changes", operation_id="get_table_changes", response_class=Response, responses=_LINES)
def get_table_changes(
    request: Request,
    parts: OnParts,
    found: OnTable,
    written: InFormat,
    starting_version: Annotated[str | None, Query(alias="startingVersion", max_length=30)] = None,
    starting_timestamp: Annotated[str | None, Query(alias="startingTimestamp", max_length=50)] = None,
    ending_version: Annotated[str | None, Query(alias="endingVersion", max_length=30)] = None,
    ending_timestamp: Annotated[str | None, Query(alias="endingTimestamp", max_length=50)] = None,
    include_historical_metadata: Annotated[
        str | None, Query(alias="includeHistoricalMetadata", max_length=10)
    ] = None,
) -> Response:
    """The files that versions added and removed: their rows are what was inserted and deleted."""
    span = wanted_span(found.history, starting_version, starting_timestamp, ending_version, ending_timestamp)
    with_metadata = (include_historical_metadata or "").casefold() == "true"
    lines = _Given(request, parts, found, written).changes(span, with_metadata=with_metadata)
    return _lines_answer(found.history.at(span.first), written, lines)


class _Given:
    """What one caller is given of a table, with a line in the ledger of accesses for each release."""

    def __init__(self, request: Request, parts: Parts, found: _Found, written: Format) -> None:
        self._request = request
        self._parts = parts
        self._found = found
        self._written = written

    def changes(self, span: Span, *, with_metadata: bool) -> list[Line]:
        """The lines of what a span of versions changed.

        The schema comes first: that at the end of the span; or that at its beginning, where the later ones are told too.
        """
        table, history = self._found.table, self._found.history
        versions = history.between(span.first, span.last)
        first = versions[0]
        told = self._written.metadata(table, first, Moment.of(first)) if with_metadata else None
        lines = [told or self._written.metadata(table, versions[-1], None)]
        for version in versions:
            moment = Moment.of(version)
            if with_metadata and version.has_new_columns and version is not first:
                lines.append(self._written.metadata(table, version, moment))
            lines += [
                self._written.remove(file, link, moment)
                for file, link in self.linked(version.removed, "changes")
            ]
            lines += [
                self._written.add(file, link, moment) for file, link in self.linked(version.added, "changes")
            ]
        return lines

    def linked(self, shown: Sequence[Shown], what: str) -> Iterator[tuple[DataFile, Link]]:
        """Files with links."""
        for each in shown:
            links = self._parts.hand_out(
                self._request, self._found.shelf.caller, each.release, each.files, what
            )
            yield from zip(each.files, links, strict=True)


def _limited(shown: Sequence[Shown], limit: int | None) -> Sequence[Shown]:
    """As few releases as have so many rows; a hint, so that more do no harm."""
    if limit is None:
        return shown
    taken, rows = [], 0
    for each in shown:
        if rows >= limit:
            break
        taken.append(each)
        rows += sum(file.rows for file in each.files)
    return taken


def _version_answer(version: Version) -> Response:
    return Response(headers={VERSION_HEADER: str(version.number), "Cache-Control": "private, no-cache"})


def _lines_answer(version: Version, written: Format, lines: Sequence[Line]) -> Response:
    body = b"".join(msgspec.json.encode(line) + b"\n" for line in (written.protocol(), *lines))
    headers = {
        VERSION_HEADER: str(version.number),
        CAPABILITIES: f"responseformat={written.name}",
        "Cache-Control": "no-store",
    }
    return Response(body, headers=headers, media_type=NDJSON)
