"""The routes of the catalog pages."""

from __future__ import annotations

import mimetypes
from functools import partial
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse
from fastapi.routing import APIRoute

from quarterlake.delivery.access import LoginNeededError
from quarterlake.delivery.pages import views
from quarterlake.delivery.pages.lineage import column_heads, lineage, raw_parts
from quarterlake.delivery.pages.rendering import ASSETS, page, problem_page
from quarterlake.delivery.pages.snippets import snippets
from quarterlake.delivery.parts import OnParts
from quarterlake.delivery.problems import Problem, problem_of
from quarterlake.delivery.shelf import PageShelf

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from fastapi import FastAPI


class _PageRoute(APIRoute):
    """A route whose problems are pages too."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """See APIRoute."""
        handler = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            try:
                return await handler(request)
            except LoginNeededError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, somebody waits in front of a browser
                return problem_page(problem_of(error), request.app.state.parts.options.root)

        return guarded


router = APIRouter(include_in_schema=False, route_class=_PageRoute)
_FOREVER = "public, max-age=31536000, immutable"
_NAMES = frozenset({"style.css", "catalog.js", "icon.svg"})


def install(app: FastAPI) -> None:
    """Mount the pages; paths below theirs that are none give a page that says so."""
    app.include_router(router)
    shape = partial(problem_page, root=app.state.parts.options.root)
    app.state.problem_shapes |= dict.fromkeys(("/datasets/", "/releases/"), shape)


@router.get("/", operation_id="page_home")
def home(request: Request, shelf: PageShelf, parts: OnParts) -> Response:
    """The data sets."""
    return page(
        "home.html", parts.options.root, cards=views.dataset_cards(shelf), **_common(request, shelf, parts)
    )


@router.get("/datasets/{dataset}", operation_id="page_dataset")
def dataset(request: Request, shelf: PageShelf, parts: OnParts, dataset: str) -> Response:
    """One data set: its releases, and what the next one lacks."""
    releases = shelf.releases(dataset)
    outlook = views.outlook_of(shelf.catalog, dataset)
    return page(
        "dataset.html",
        parts.options.root,
        dataset=dataset,
        lines=views.release_lines(releases),
        months=views.months_of(views.current_of(releases)),
        outlook=outlook,
        open_periods=[p for p in outlook.periods if p.waits_for or p.stopped_by or p.note] if outlook else [],
        next_period=views.next_period(releases, outlook),
        rejects=views.rejects_by_file(outlook.rejects) if outlook else (),
        **_common(request, shelf, parts),
    )


@router.get("/releases/{name}", operation_id="page_release")
def release(request: Request, shelf: PageShelf, parts: OnParts, name: str) -> Response:
    """One release: what changed, how good it is, what is in it and what it was made from."""
    found = shelf.find(name)
    code = snippets(found, parts.base(request), needs_key=not parts.door.is_open)
    view = views.release_view(shelf, found, code)
    parts.accesses.record(shelf.caller, found, [], "page")
    return page(
        "release.html",
        parts.options.root,
        view=view,
        needs_key=not parts.door.is_open,
        picture=lineage(found),
        heads=column_heads(),
        raw=raw_parts(found),
        **_common(request, shelf, parts),
    )


@router.get("/assets/{name}", operation_id="page_asset")
async def asset(name: str) -> Response:
    """A file that pages need; it holds nothing that anybody may not see."""
    if name not in _NAMES:
        raise Problem(404, f"There is no file {name[:100]!r} here.")
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return FileResponse(ASSETS / name, media_type=kind, headers={"Cache-Control": _FOREVER})


def _common(request: Request, shelf: PageShelf, parts: OnParts) -> dict[str, Any]:
    """What every page shows."""
    return {
        "caller": None if parts.door.is_open and shelf.caller.id == "anonymous" else shelf.caller,
        "base": parts.base(request),
    }
