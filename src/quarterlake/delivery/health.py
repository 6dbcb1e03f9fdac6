"""Whether the server lives, whether it could answer, and what it counted."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field

from quarterlake import __version__
from quarterlake.delivery.access import Administering
from quarterlake.delivery.parts import OnParts
from quarterlake.delivery.problems import problem_responses

router = APIRouter(tags=["health"])
_PUBLIC: dict[str, Any] = {"security": []}


class Alive(BaseModel):
    """The process is alive."""

    status: Literal["alive"] = "alive"
    service: Literal["delivery"] = "delivery"
    version: str = Field(examples=[__version__])


class Ready(BaseModel):
    """Whether requests can be answered; the problems say what is out of reach."""

    status: Literal["ready", "not ready"]
    problems: list[str] = Field(examples=[[]])


@router.get("/livez", operation_id="livez", openapi_extra=_PUBLIC)
async def livez() -> Alive:
    """Whether the process is alive. Asks nothing else."""
    return Alive(version=__version__)


@router.get(
    "/readyz",
    operation_id="readyz",
    openapi_extra=_PUBLIC,
    response_model=Ready,
    responses={503: {"model": Ready, "description": "The store or the key database does not answer."}},
)
async def readyz(parts: OnParts) -> Response:
    """Whether the store and the key database answer; both are asked twice a second. What is known is served meanwhile."""
    problems = []
    if parts.catalog.problem():
        problems.append("The releases are not up to date: the store does not answer as it should.")
    if parts.keyring.problem():
        problems.append("The database of API keys does not answer.")
    body = Ready(status="not ready" if problems else "ready", problems=problems)
    return JSONResponse(body.model_dump(), 503 if problems else 200, {"Cache-Control": "no-store"})


@router.get(
    "/metrics",
    operation_id="metrics",
    response_class=Response,
    responses={
        200: {
            "description": "Prometheus's text format.",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        },
        **problem_responses(401, 403, 429, 503),
    },
)
def metrics(parts: OnParts, _admin: Administering) -> Response:
    """What was counted, for Prometheus. Needs a key with the scope `*:admin`."""
    return Response(generate_latest(parts.metrics.registry), media_type=CONTENT_TYPE_LATEST)
