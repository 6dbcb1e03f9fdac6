"""Data sets and their releases."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from quarterlake.delivery.rest.answers import (
    CACHED,
    DatasetName,
    Kept,
    Limit,
    PageToken,
    cached,
    page_of,
)
from quarterlake.delivery.rest.models import DatasetDocument, DatasetList, ReleaseDocument, ReleaseList
from quarterlake.delivery.shelf import OnShelf, shelf_of
from quarterlake.domain.naming import MAX_SLUG
from quarterlake.domain.periods import Period

router = APIRouter(prefix="/v1/datasets", tags=["data sets"])
RELEASE_DOCUMENTS = Kept(ReleaseDocument.of)


def _parameter(name: str, description: str, example: str, longest: int) -> dict[str, Any]:
    schema = {"type": "string", "maxLength": longest}
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": schema,
        "example": example,
    }


PeriodName = Annotated[
    str | None, Query(max_length=10, description="Only this period.", examples=["2013-Q1"])
]


@router.get(
    "/{dataset}/releases/{which}",  # noqa: FAST003 - see below
    operation_id="get_release_of",
    response_model=ReleaseDocument,
    responses=CACHED,
    openapi_extra={
        "parameters": [
            _parameter("dataset", "A data set's name.", "flights", MAX_SLUG),
            _parameter("which", "`latest`, or a period.", "latest", 10),
        ]
    },
)
async def get_release_of(request: Request) -> Response:
    """The current release of the newest period (`latest`) or of a period."""
    # What is asked for most: declared parameters would double its time.
    shelf = await shelf_of(request)
    which = request.path_params["which"]
    release = shelf.latest(request.path_params["dataset"], None if which == "latest" else which)
    return RELEASE_DOCUMENTS.answer(request, release)


@router.get("", operation_id="list_datasets", response_model=DatasetList, responses=CACHED)
def list_datasets(
    request: Request, shelf: OnShelf, limit: Limit = 100, page_token: PageToken = None
) -> Response:
    """The data sets that have a release and that the key opens."""
    page, token = page_of(shelf.datasets(), str, limit, page_token)
    documents = [DatasetDocument.of(name, shelf.releases(name)) for name in page]
    return cached(request, DatasetList(datasets=documents, next_page_token=token))


@router.get("/{dataset}", operation_id="get_dataset", response_model=DatasetDocument, responses=CACHED)
async def get_dataset(request: Request, shelf: OnShelf, dataset: DatasetName) -> Response:
    """A data set."""
    return cached(request, DatasetDocument.of(dataset, shelf.releases(dataset)))


@router.get("/{dataset}/releases", operation_id="list_releases", response_model=ReleaseList, responses=CACHED)
def list_releases(
    request: Request,
    shelf: OnShelf,
    dataset: DatasetName,
    period: PeriodName = None,
    limit: Limit = 100,
    page_token: PageToken = None,
) -> Response:
    """A data set's releases, by period and revision, newest last."""
    found = shelf.releases(dataset)
    if period is not None:
        wanted = Period.parse(period).name
        found = tuple(release for release in found if release.period == wanted)
    page, token = page_of(found, lambda release: release.name, limit, page_token)
    documents = [ReleaseDocument.of(release) for release in page]
    return cached(request, ReleaseList(releases=documents, next_page_token=token))
