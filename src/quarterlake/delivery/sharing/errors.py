"""Problems as the protocol has them: an error code and a message, and never a 5xx for what stays wrong, which clients try again for minutes."""

from __future__ import annotations

from typing import Any

from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from quarterlake.delivery.problems import Problem

_CODES = {
    400: "INVALID_PARAMETER_VALUE",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    405: "METHOD_NOT_ALLOWED",
    413: "REQUEST_TOO_LARGE",
    429: "TOO_MANY_REQUESTS",
    500: "INTERNAL_ERROR",
    503: "TEMPORARILY_UNAVAILABLE",
}
_UNPROCESSABLE = 422


class SharingError(BaseModel):
    """What the protocol says of an error."""

    model_config = ConfigDict(populate_by_name=True)

    error_code: str = Field(alias="errorCode", examples=["RESOURCE_DOES_NOT_EXIST"])
    message: str = Field(examples=["There is no share lake. There is: quarterlake."])


def sharing_answer(problem: Problem) -> JSONResponse:
    """A problem as an answer of the protocol, which knows 400 alone for malformed requests."""
    status = 400 if problem.status == _UNPROCESSABLE else problem.status
    code = _CODES.get(status, "INVALID_PARAMETER_VALUE")
    return JSONResponse(
        {"errorCode": code, "message": problem.detail},
        status,
        {"Cache-Control": "no-store", **problem.headers},
    )


def error_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What an operation's description says of errors."""
    return {
        status: {"description": _CODES[status], "model": SharingError, "x-shape": "delta-sharing"}
        for status in statuses
    }
