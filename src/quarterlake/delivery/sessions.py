"""Logging in with a browser: a key is given once, a signed cookie stands for it afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from urllib.parse import parse_qs, quote, urlsplit

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from quarterlake.delivery.access import SESSION_COOKIE, LoginNeededError
from quarterlake.delivery.pages.rendering import page
from quarterlake.delivery.parts import OnParts, Parts
from quarterlake.delivery.problems import Problem

if TYPE_CHECKING:
    from fastapi import FastAPI

_LONGEST_TARGET = 500
_MOST_FIELDS = 8
router = APIRouter(include_in_schema=False)


@router.get("/login", operation_id="login_page")
async def show_login(
    parts: OnParts, target: Annotated[str, Query(max_length=_LONGEST_TARGET)] = "/"
) -> HTMLResponse:
    """The login page."""
    return _page(parts, None, target, 200)


@router.post("/login", operation_id="login")
async def login(request: Request, parts: OnParts) -> Response:
    """Begin a session, and go to where the browser wanted to."""
    _check_origin(request, parts)
    try:
        form = parse_qs((await request.body()).decode("utf-8", "replace"), max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise Problem(422, "This is not the login page's form. Open /login and try again.") from None
    key, target = (form.get(name, [""])[0].strip() for name in ("key", "target"))
    begun = await parts.door.begin_session(key)
    if begun is None:
        return _page(parts, "This key opens nothing: it is wrong, expired or revoked.", target, 401)
    cookie, seconds = begun
    response = RedirectResponse(f"{parts.options.root}{_local(target)}", 303, {"Cache-Control": "no-store"})
    response.set_cookie(
        SESSION_COOKIE,
        cookie,
        max_age=seconds,
        path=parts.options.root or "/",
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https" or (parts.options.url or "").startswith("https:"),
    )
    return response


@router.post("/logout", operation_id="logout")
async def logout(request: Request, parts: OnParts) -> Response:
    """End the session of this browser."""
    _check_origin(request, parts)
    root = parts.options.root
    response = RedirectResponse(f"{root}/login", 303, {"Cache-Control": "no-store"})
    response.delete_cookie(SESSION_COOKIE, path=root or "/", httponly=True, samesite="strict")
    return response


def install(app: FastAPI) -> None:
    """Mount login and logout, and send who must log in to the login page."""
    app.include_router(router)
    app.add_exception_handler(LoginNeededError, _to_login)


async def _to_login(request: Request, _error: Exception) -> Response:
    query = f"?{request.url.query}" if request.url.query else ""
    target = f"{request.url.path}{query}"[:_LONGEST_TARGET]
    login = f"{request.app.state.parts.options.root}/login?target={quote(target, safe='/')}"
    return RedirectResponse(login, 303, {"Cache-Control": "no-store"})


def _check_origin(request: Request, parts: Parts) -> None:
    """Refuse a form that another site sent: browsers say where a POST comes from."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        is_foreign = site not in {"same-origin", "none"}
    else:
        # A proxy may pass another host on than the one that the browser asked.
        ours = {request.headers.get("host"), urlsplit(parts.options.url or "").netloc or None}
        is_foreign = origin is not None and origin.partition("://")[2] not in ours
    if is_foreign:
        raise Problem(
            403,
            "This form was sent from another site. Open the login page and try again.",
            kind="foreign-form",
        )


def _local(target: str) -> str:
    """A path of this server, whatever was asked for."""
    is_local = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if is_local else "/"


def _page(parts: Parts, problem: str | None, target: str, status: int) -> HTMLResponse:
    shown = page(
        "login.html", parts.options.root, status, problem=problem, target=_local(target), caller=None
    )
    shown.headers["Cache-Control"] = "no-store"
    return shown
