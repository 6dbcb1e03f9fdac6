"""Who was given what, and what the caller's own key opens."""

from __future__ import annotations

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from quarterlake.delivery.access import Administering, Calling
from quarterlake.delivery.parts import OnParts
from quarterlake.delivery.problems import problem_responses
from quarterlake.delivery.rest.answers import Limit, PageToken, opened_number, sealed

router = APIRouter(prefix="/v1", tags=["access"])
_NO_STORE = {"Cache-Control": "no-store"}


class KeyDocument(BaseModel):
    """A key, without its secret."""

    id: str = Field(examples=["0123456789ab"])
    name: str = Field(examples=["forecasting"])
    scopes: list[str] = Field(examples=[["flights:read"]])
    expires_at: str | None = Field(examples=[None])


class AccessDocument(BaseModel):
    """What somebody was given."""

    at: str = Field(examples=["2026-05-03T09:00:00.000+00:00"])
    key_id: str = Field(examples=["0123456789ab"])
    name: str = Field(examples=["forecasting"])
    what: str = Field(
        description="`links`, `download`, `rows`, `statistics`, `page`, `query` or `changes`.",
        examples=["links"],
    )
    release: str = Field(examples=["flights@2013-Q1.1"])
    files: list[str] = Field(description="Paths of the release's files.")


class AccessList(BaseModel):
    """The ledger of accesses, newest first."""

    accesses: list[AccessDocument]
    next_page_token: str | None = Field(
        None, description="Hand it back as `page_token`; null on the last page."
    )


@router.get(
    "/key", operation_id="get_key", response_model=KeyDocument, responses=problem_responses(401, 429, 503)
)
async def get_key(caller: Calling) -> Response:
    """The key that the request was sent with: what it opens, and until when."""
    document = KeyDocument(
        id=caller.id,
        name=caller.name,
        scopes=[str(scope) for scope in caller.scopes],
        expires_at=caller.expires_at.isoformat(timespec="seconds") if caller.expires_at else None,
    )
    return Response(document.model_dump_json(), headers=_NO_STORE, media_type="application/json")


@router.get(
    "/accesses",
    operation_id="list_accesses",
    response_model=AccessList,
    responses=problem_responses(401, 403, 422, 429, 503),
)
def list_accesses(
    parts: OnParts, _admin: Administering, limit: Limit = 100, page_token: PageToken = None
) -> Response:
    """Who was given what of which release, newest first. Needs a key with the scope `*:admin`."""
    found = parts.keyring.store.accesses(opened_number(page_token), limit + 1)
    page = found[:limit]
    documents = [
        AccessDocument(
            at=access.at.isoformat(timespec="milliseconds"),
            key_id=access.key_id,
            name=access.name,
            what=access.what,
            release=access.release,
            files=list(access.files),
        )
        for access in page
    ]
    token = sealed(str(page[-1].number)) if len(found) > limit else None
    body = AccessList(accesses=documents, next_page_token=token).model_dump_json()
    return Response(body, headers=_NO_STORE, media_type="application/json")
