"""The services of ingestion and of processing: one application each, alike but for their stages."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from fastapi import Depends, FastAPI, HTTPException, Response
from fastapi.responses import JSONResponse, StreamingResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from quarterlake import __version__
from quarterlake.service.metrics import Metrics
from quarterlake.service.readiness import Readiness, ingestion_problems, processing_problems
from quarterlake.service.requests import RunRequest, Stage
from quarterlake.service.runs import Runs
from quarterlake.web.access import LimitedBodies, bearer_check

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from quarterlake.settings import Settings


@dataclass(frozen=True, slots=True)
class Role:
    """What a service does."""

    name: str
    stages: frozenset[Stage]
    problems: Callable[[Settings], list[str]]


ROLES = {
    role.name: role
    for role in (
        Role("ingestion", frozenset({Stage.INGEST}), ingestion_problems),
        Role("processing", frozenset(Stage) - {Stage.INGEST}, processing_problems),
    )
}


def create_app(role: Role, settings: Settings) -> tuple[FastAPI, Runs]:
    """The application of a role, and its runs. Raises UsageError where the service's token protects nothing."""
    runs = Runs(Metrics())
    ready = Readiness(lambda: role.problems(settings))
    allowed = [Depends(bearer_check(settings.service_token, "QUARTERLAKE_SERVICE_TOKEN"))]

    @contextlib.asynccontextmanager
    async def looking_around(_app: FastAPI) -> AsyncIterator[None]:
        # What is wrong is in the log from the start, whoever asks later.
        first = asyncio.create_task(ready.problems())
        yield
        first.cancel()

    app = FastAPI(
        title=f"quarterlake {role.name}",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        lifespan=looking_around,
    )
    app.add_middleware(LimitedBodies)

    @app.get("/livez", operation_id="livez", summary="Whether the process is alive")
    async def livez() -> dict[str, str]:
        return {"status": "alive", "service": role.name, "version": __version__}

    @app.get("/readyz", operation_id="readyz", summary="Whether a run could start")
    async def readyz() -> JSONResponse:
        problems = await ready.problems()
        status = "ready" if not problems else "not ready"
        return JSONResponse({"status": status, "problems": problems}, 503 if problems else 200)

    @app.get("/metrics", operation_id="metrics", summary="What is counted, for Prometheus")
    async def metrics() -> Response:
        return Response(generate_latest(runs.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    @app.post("/runs", operation_id="run", dependencies=allowed, responses=_RESPONSES, summary="Run a stage")
    async def run(request: RunRequest) -> StreamingResponse:
        if request.stage not in role.stages:
            known = ", ".join(sorted(role.stages))
            raise HTTPException(
                422, f"The service {role.name} does not do {request.stage}. It does: {known}."
            )
        holder = runs.new_holder(request)
        other = runs.holds.holder_of(holder.dataset)
        if other is not None and not request.wait:
            message = f"Run {other.run} ({other.stage}) holds {other.dataset or 'every data set'}. Ask again later, or with `wait`."
            raise HTTPException(409, {"message": message, "holder": msgspec.to_builtins(other)})
        return StreamingResponse(
            runs.stream(request, holder),
            media_type="application/x-ndjson",
            headers={"Cache-Control": "no-store", "X-Run": holder.run},
        )

    return app, runs


_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events, a line each; the last one is `succeeded`, `refused` (the data is bad: do not retry) or `failed` (retry).",
        "content": {"application/x-ndjson": {"example": '{"event":"succeeded","run":"…","result":{}}\n'}},
    },
    401: {"description": "The token is missing or wrong."},
    409: {"description": "Another run holds the data set; the answer says which."},
}
