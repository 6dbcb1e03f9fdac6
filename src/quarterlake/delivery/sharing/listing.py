"""Shares, schemas and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from fastapi import APIRouter, Path, Query
from fastapi.responses import JSONResponse

from quarterlake.delivery.problems import Problem
from quarterlake.delivery.profile_file import SHARING_PATH
from quarterlake.delivery.rest.answers import opened, sealed
from quarterlake.delivery.sharing.errors import error_responses
from quarterlake.delivery.sharing.names import SHARE, SHARE_ID, SharedTable, checked_share, tables_of
from quarterlake.delivery.shelf import OnShelf

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quarterlake.delivery.shelf import Shelf

T = TypeVar("T")

router = APIRouter(prefix=SHARING_PATH, tags=["delta sharing"])
ERRORS = error_responses(400, 401, 403, 404, 429, 503)
_LONGEST = 200
_MOST = 500
_AFTER = "after:"
ShareName = Annotated[str, Path(max_length=_LONGEST, examples=[SHARE])]
SchemaName = Annotated[str, Path(max_length=_LONGEST, description="A data set.", examples=["flights"])]
TableName = Annotated[str, Path(max_length=_LONGEST, description="An aggregate.", examples=["summary"])]
MaxResults = Annotated[int | None, Query(alias="maxResults", ge=0, le=2**31 - 1)]
PageToken = Annotated[str | None, Query(alias="pageToken", max_length=1000)]


def _answers(description: str, example: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    """What an operation answers, with an example."""
    return {
        200: {"description": description, "content": {"application/json": {"example": example}}},
        **ERRORS,
    }


_SHARE = {"name": SHARE, "id": SHARE_ID}
_SCHEMA = {"name": "flights", "share": SHARE}
_TABLE = {
    "name": "summary",
    "schema": "flights",
    "share": SHARE,
    "shareId": SHARE_ID,
    "id": SharedTable("flights", "summary").id,
}
_TABLES = _answers("A page of tables.", {"items": [_TABLE]})


@router.get(
    "/shares", operation_id="list_shares", responses=_answers("A page of shares.", {"items": [_SHARE]})
)
async def list_shares(
    _shelf: OnShelf, max_results: MaxResults = None, page_token: PageToken = None
) -> JSONResponse:
    """The one share."""
    return _page([_SHARE], lambda item: str(item["name"]), max_results, page_token)


@router.get("/shares/{share}", operation_id="get_share", responses=_answers("The share.", {"share": _SHARE}))
async def get_share(_shelf: OnShelf, share: ShareName) -> JSONResponse:
    """A share."""
    checked_share(share)
    return JSONResponse({"share": _SHARE})


@router.get(
    "/shares/{share}/schemas",
    operation_id="list_schemas",
    responses=_answers("A page of schemas.", {"items": [_SCHEMA]}),
)
def list_schemas(
    shelf: OnShelf, share: ShareName, max_results: MaxResults = None, page_token: PageToken = None
) -> JSONResponse:
    """The data sets that the key opens."""
    checked_share(share)
    items = [{"name": name, "share": SHARE} for name in shelf.datasets()]
    return _page(items, lambda item: item["name"], max_results, page_token)


@router.get("/shares/{share}/schemas/{schema}/tables", operation_id="list_tables", responses=_TABLES)
def list_tables(
    shelf: OnShelf,
    share: ShareName,
    schema: SchemaName,
    max_results: MaxResults = None,
    page_token: PageToken = None,
) -> JSONResponse:
    """The aggregates of a data set."""
    checked_share(share)
    releases = shelf.releases(schema.lower())
    return _tables(tables_of(releases[0].dataset, releases), max_results, page_token)


@router.get("/shares/{share}/all-tables", operation_id="list_all_tables", responses=_TABLES)
def list_all_tables(
    shelf: OnShelf, share: ShareName, max_results: MaxResults = None, page_token: PageToken = None
) -> JSONResponse:
    """The aggregates of all data sets that the key opens."""
    checked_share(share)
    return _tables(_all_tables(shelf), max_results, page_token)


def _all_tables(shelf: Shelf) -> list[SharedTable]:
    return [table for name in shelf.datasets() for table in tables_of(name, shelf.releases(name))]


def _tables(tables: Sequence[SharedTable], most: int | None, token: str | None) -> JSONResponse:
    items = [
        {
            "name": table.aggregate,
            "schema": table.dataset,
            "share": SHARE,
            "shareId": SHARE_ID,
            "id": table.id,
        }
        for table in tables
    ]
    return _page(items, lambda item: f"{item['schema']}.{item['name']}", most, token)


def _page(
    items: Sequence[dict[str, Any]],
    identity: Callable[[dict[str, Any]], str],
    most: int | None,
    token: str | None,
) -> JSONResponse:
    """Some of a sorted list, on one line, as clients read it. A token names the item before its page, so that a list may grow meanwhile."""
    after = "" if token is None else _after(token)
    left = [item for item in sorted(items, key=identity) if identity(item) > after]
    page = left[: _MOST if most is None else min(most, _MOST)]
    answer: dict[str, Any] = {"items": page}
    if len(page) < len(left):
        answer["nextPageToken"] = sealed(_AFTER + (identity(page[-1]) if page else after))
    return JSONResponse(answer, headers={"Cache-Control": "private, no-cache"})


def _after(token: str) -> str:
    """The item that a token names."""
    text = opened(token)
    if not text.startswith(_AFTER):
        raise Problem(400, "pageToken is not one that this list gave. Begin without one.")
    return text.removeprefix(_AFTER)
