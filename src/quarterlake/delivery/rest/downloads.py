"""Where a release's files can be had."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from quarterlake.delivery.links import files_of
from quarterlake.delivery.parts import OnParts
from quarterlake.delivery.problems import READING, Problem
from quarterlake.delivery.rest.answers import AggregateName, ReleaseName
from quarterlake.delivery.rest.models import FileList, linked
from quarterlake.delivery.shelf import OnShelf

router = APIRouter(prefix="/v1/releases", tags=["downloads"])
_NO_STORE = {"Cache-Control": "no-store"}
_REDIRECT = {
    307: {"description": "`Location` is a URL that gives the file and needs no key."},
    **READING,
}


@router.get("/{name}/files", operation_id="list_files", response_model=FileList, responses=READING)
def list_files(
    request: Request, shelf: OnShelf, parts: OnParts, name: ReleaseName, aggregate: AggregateName = None
) -> Response:
    """A release's files, or those of one aggregate, each with a URL that downloads it and the instant until which the URL works."""
    release = shelf.find(name)
    chosen = [
        (number, made, file)
        for number, (made, file) in enumerate(files_of(release))
        if aggregate in {None, made}
    ]
    if not chosen and aggregate is not None:
        raise _no_aggregate(name, aggregate, [made.name for made in release.build.aggregates])
    links = parts.hand_out(request, shelf.caller, release, [file for *_, file in chosen], "links")
    files = [linked(*each, link) for each, link in zip(chosen, links, strict=True)]
    body = FileList(release=release.name, files=files).model_dump_json()
    return Response(body, headers=_NO_STORE, media_type="application/json")


@router.get(
    "/{name}/files/{number}",
    operation_id="download_file",
    status_code=307,
    response_class=Response,
    responses=_REDIRECT,
)
def download_file(
    request: Request,
    shelf: OnShelf,
    parts: OnParts,
    name: ReleaseName,
    number: Annotated[int, Path(ge=0, le=10**9, description="As `list_files` numbers them.", examples=[0])],
) -> Response:
    """One file of a release: a redirection to where its bytes are."""
    release = shelf.find(name)
    listed = files_of(release)
    if number >= len(listed):
        raise Problem(404, f"{name} has {len(listed)} files, numbered from 0.")
    [link] = parts.hand_out(request, shelf.caller, release, [listed[number][1]], "links")
    return Response(status_code=307, headers={"Location": link.url, **_NO_STORE})


@router.get(
    "/{name}/download",
    operation_id="download_release",
    status_code=307,
    response_class=Response,
    responses=_REDIRECT,
)
def download_release(
    request: Request,
    shelf: OnShelf,
    parts: OnParts,
    name: ReleaseName,
    aggregate: Annotated[str | None, Query(max_length=100, examples=["summary"])] = None,
) -> Response:
    """The one file of a release, or of one of its aggregates: a redirection to where its bytes are. `curl -Lo NAME` follows it."""
    release = shelf.find(name)
    chosen = [file for made, file in files_of(release) if aggregate in {None, made}]
    aggregates = [made.name for made in release.build.aggregates]
    if not chosen and aggregate is not None:
        raise _no_aggregate(name, aggregate, aggregates)
    if len(chosen) != 1:
        raise Problem(
            422,
            f"That is {len(chosen)} files. Choose an aggregate of one file ({', '.join(aggregates)}), or take them from /v1/releases/{name}/files.",
        )
    [link] = parts.hand_out(request, shelf.caller, release, chosen, "links")
    return Response(status_code=307, headers={"Location": link.url, **_NO_STORE})


def _no_aggregate(name: str, aggregate: str, known: list[str]) -> Problem:
    return Problem(404, f"{name} has no aggregate {aggregate}. It has: {', '.join(known)}.")
