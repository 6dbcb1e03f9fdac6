"""Errors as answers: problem documents (RFC 9457), whatever went wrong."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any, Literal

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from quarterlake.domain.errors import (
    IntegrityError,
    QuarterlakeError,
    TransientError,
    UnknownDatasetError,
    UnknownKeyError,
    UnknownReleaseError,
    UsageError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fastapi import FastAPI, Request
    from starlette.responses import Response

    Shape = Callable[["Problem"], Response]

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 5
_TITLES = {
    400: "The request cannot be read",
    401: "A key is needed",
    403: "The key does not open this",
    404: "There is no such thing here",
    405: "The method is not allowed here",
    413: "The request is too large",
    416: "The range is outside of the file",
    422: "The request is malformed",
    429: "Too many requests",
    500: "The server failed",
    503: "Not available at the moment",
}
_TITLES_OF_KINDS = {
    "url": "The URL opens nothing",
    "foreign-form": "The form is not of this site",
}
"""What is not what its status commonly means: a kind, and its title."""
_PLAIN = {
    "Not Found": "There is nothing at this path. /docs shows what there is.",
    "Method Not Allowed": "This path does not take this method. /docs shows what it takes.",
}
"""What the framework says, and what to say instead."""
_log = logging.getLogger("quarterlake.delivery")


class Problem(Exception):  # noqa: N818 - RFC 9457's word
    """An answer that says no: a status, what was wrong with what, and what to do next.

    `kind` tells apart what has the same status: `url` is a signed URL, `foreign-form` another site's form.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        headers: Mapping[str, str] | None = None,
        *,
        kind: Literal["url", "foreign-form"] | None = None,
        **more: object,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.headers = dict(headers or {})
        self.more = more

    @property
    def title(self) -> str:
        """What kind of problem it is."""
        if self.kind is not None:
            return _TITLES_OF_KINDS[self.kind]
        return _TITLES.get(self.status, "The request failed")

    @property
    def type(self) -> str:
        """The URI of what kind of problem it is."""
        return f"urn:quarterlake:problem:{self.status}{f':{self.kind}' if self.kind else ''}"


class FieldProblem(BaseModel):
    """What is wrong with one part of a request."""

    where: str = Field(examples=["query.limit"])
    message: str = Field(examples=["Input should be less than or equal to 100"])


class ProblemDocument(BaseModel):
    """A problem document, RFC 9457."""

    model_config = ConfigDict(title="Problem")

    type: str = Field(examples=["urn:quarterlake:problem:404"])
    title: str = Field(examples=[_TITLES[404]])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["There is no release flights@2013-Q1.9. The latest of flights: …"])
    errors: list[FieldProblem] | None = Field(None, description="With 422: the parts that are malformed.")


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What an operation says of the problems that it may answer with; `describe_problems` gives them their schema."""
    return {status: {"description": _TITLES[status]} for status in statuses}


READING = problem_responses(401, 403, 404, 422, 429, 503)
"""The problems of an operation that reads something by name."""


def answer(problem: Problem) -> Response:
    """The problem as an answer of REST."""
    body = {
        "type": problem.type,
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        **problem.more,
    }
    return JSONResponse(
        body, problem.status, {"Cache-Control": "no-store", **problem.headers}, media_type=MEDIA_TYPE
    )


def install(app: FastAPI) -> None:
    """Let every error of an application be answered with a problem document.

    `app.state.problem_shapes` maps path prefixes to functions that answer otherwise, as another protocol wants it.
    """
    app.state.problem_shapes = {}
    kinds = (Problem, QuarterlakeError, RequestValidationError, HTTPException, Exception)
    for kind in kinds:
        app.add_exception_handler(kind, _answered)


def problem_of(error: Exception) -> Problem:
    """What an error says to a caller."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, RequestValidationError):
        wrong = [
            {"where": ".".join(map(str, one["loc"])), "message": str(one["msg"])} for one in error.errors()
        ]
        detail = "; ".join(f"{one['where']}: {one['message']}" for one in wrong)
        return Problem(422, detail, errors=wrong)
    if isinstance(error, HTTPException):
        detail = _PLAIN.get(str(error.detail), str(error.detail))
        return Problem(error.status_code, detail, error.headers)
    if isinstance(error, UnknownReleaseError | UnknownDatasetError | UnknownKeyError):
        return Problem(404, str(error))
    if isinstance(error, UsageError):
        return Problem(422, str(error))
    if isinstance(error, TransientError):
        _log.warning("not available", extra={"fields": {"problem": str(error)}})
        return Problem(
            503, "The store or the database does not answer. Ask again.", {"Retry-After": str(RETRY_SECONDS)}
        )
    if isinstance(error, IntegrityError):
        _log.error("broken", extra={"fields": {"problem": str(error)}})
        return Problem(
            500, "What was stored is not what was recorded; the log of the server says more. Do not retry."
        )
    _log.error("failed", exc_info=error)
    return Problem(500, "The server failed; its log says why, under the id of the header X-Request-Id.")


async def _answered(request: Request, error: Exception) -> Response:
    problem = problem_of(error)
    shapes: dict[str, Shape] = request.app.state.problem_shapes
    for prefix, shape in shapes.items():
        if request.url.path.startswith(prefix):
            return shape(problem)
    return answer(problem)


def describe_problems(schema: dict[str, Any]) -> None:
    """Give the answers of an OpenAPI schema that are problems their media type and schema."""
    components = schema.setdefault("components", {}).setdefault("schemas", {})
    document = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
    components.update(document.pop("$defs", {}))
    components["Problem"] = document
    for unused in ("HTTPValidationError", "ValidationError"):
        components.pop(unused, None)
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for operations in schema.get("paths", {}).values():
        for operation in operations.values():
            for status, response in operation.get("responses", {}).items():
                if re.fullmatch("[45]..", status) and "x-shape" not in response:
                    response["content"] = content
