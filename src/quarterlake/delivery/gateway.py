"""The server's own downloads: a published file in whole or in ranges, a chunk in memory at a time."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from quarterlake.delivery.links import PURPOSE, file_name, files_of
from quarterlake.delivery.parts import OnParts, Parts
from quarterlake.delivery.problems import Problem, problem_responses
from quarterlake.delivery.ranges import UnsatisfiableError, wanted_ranges

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from quarterlake.domain.releases import DataFile
    from quarterlake.lake.stores import Store

PARQUET = "application/vnd.apache.parquet"
router = APIRouter(tags=["downloads"])
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file.",
        "content": {PARQUET: {"schema": {"type": "string", "format": "binary"}}},
    },
    206: {
        "description": "The ranges that were asked for.",
        "content": {PARQUET: {}, "multipart/byteranges": {}},
    },
    304: {"description": "The file is the one that the caller has."},
    **problem_responses(403, 404, 416, 422, 503),
}


_PATH = "/v1/files/{name}/{number}/{file}"


@router.head(_PATH, operation_id="head_signed_file", include_in_schema=False)
@router.get(
    _PATH,
    operation_id="get_signed_file",
    response_class=Response,
    responses=_RESPONSES,
    openapi_extra={"security": []},
)
async def get_signed_file(
    request: Request,
    parts: OnParts,
    name: Annotated[str, Path(max_length=130)],
    number: Annotated[int, Path(ge=0, le=10**9)],
    file: Annotated[str, Path(max_length=260)],  # noqa: ARG001 - so that programs see a file's name at the end
    expires: Annotated[int, Query(ge=0, le=10**11, description="Seconds since 1970.")],
    by: Annotated[str, Query(max_length=20)],
    signature: Annotated[str, Query(max_length=64)],
) -> Response:
    """A published file, for a URL that `list_files` gave. It takes no key, and works until it expires or the key is revoked."""
    if not parts.signer.holds(signature, PURPOSE, name, number, expires, by):
        raise Problem(
            403, "The signature of this URL does not hold. Ask for the release's files again.", kind="url"
        )
    if time.time() >= expires:
        raise Problem(403, "This URL has expired. Ask for the release's files again.", kind="url")
    caller = await parts.door.signed_by(by)
    if caller is None:
        raise Problem(403, "The key that this URL was made for is live no more.", kind="url")
    request.scope["state"]["caller"] = caller.name
    release = parts.catalog.find(name)
    listed = files_of(release)
    if number >= len(listed):
        raise Problem(404, f"{name} has {len(listed)} files, numbered from 0.")
    found = listed[number][1]
    if request.method != "HEAD":
        parts.catalog.check_store()
        await run_in_threadpool(parts.accesses.record, caller, release, [found.path], "download")
    return await _sent(request, parts, found)


async def _sent(request: Request, parts: Parts, file: DataFile) -> Response:
    etag = f'"{file.sha256}"'
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="{quote(file_name(file))}"',
    }
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    asked = request.headers.get("range") if request.headers.get("if-range", etag) == etag else None
    try:
        ranges = wanted_ranges(asked, file.size)
    except UnsatisfiableError:
        raise Problem(
            416, f"The file has {file.size} bytes.", {"Content-Range": f"bytes */{file.size}"}
        ) from None
    whole = request.method != "HEAD"
    if ranges is None:
        headers["Content-Length"] = str(file.size)
        body = _chunks(parts.store, file, 0, file.size) if whole else None
        return await _response(200, headers, PARQUET, body)
    if len(ranges) == 1:
        [(start, end)] = ranges
        headers |= {
            "Content-Length": str(end - start),
            "Content-Range": f"bytes {start}-{end - 1}/{file.size}",
        }
        return await _response(
            206, headers, PARQUET, _chunks(parts.store, file, start, end) if whole else None
        )
    boundary = secrets.token_hex(16)
    heads = [_head(boundary, start, end, file.size) for start, end in ranges]
    tail = f"--{boundary}--\r\n".encode()
    size = sum(len(head) + end - start + 2 for head, (start, end) in zip(heads, ranges, strict=True))
    headers["Content-Length"] = str(size + len(tail))
    pieces = _multipart(parts.store, file, list(zip(heads, ranges, strict=True)), tail) if whole else None
    return await _response(206, headers, f"multipart/byteranges; boundary={boundary}", pieces)


async def _response(
    status: int, headers: dict[str, str], media_type: str, body: AsyncIterator[bytes] | None
) -> Response:
    if body is None:
        return Response(None, status, headers, media_type)
    # A store that fails at once is answered with a problem, not with a file that breaks off.
    first = await anext(body, b"")
    return StreamingResponse(_from(first, body), status, headers, media_type)


async def _from(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in rest:
        yield chunk


def _head(boundary: str, start: int, end: int, size: int) -> bytes:
    return (
        f"--{boundary}\r\nContent-Type: {PARQUET}\r\nContent-Range: bytes {start}-{end - 1}/{size}\r\n\r\n"
    ).encode()


async def _multipart(
    store: Store, file: DataFile, ranges: list[tuple[bytes, tuple[int, int]]], tail: bytes
) -> AsyncIterator[bytes]:
    for head, (start, end) in ranges:
        yield head
        async for chunk in _chunks(store, file, start, end):
            yield chunk
        yield b"\r\n"
    yield tail


async def _chunks(store: Store, file: DataFile, start: int, end: int) -> AsyncIterator[bytes]:
    chunks = store.stream(file.path, start, end)
    while (chunk := await run_in_threadpool(_next, chunks)) is not None:
        yield chunk


def _next(chunks: Iterator[bytes]) -> bytes | None:
    return next(chunks, None)
