"""Every error as one JSON shape, its status from the error itself, and never a traceback to the client."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import Field
from pydantic_core import ErrorDetails
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException

from backend.db.session import Writes, writes
from backend.kit.errors import (
    EtrmError,
    FieldProblem,
    InvalidInput,
    NotFound,
    TooLarge,
    TooManyRequests,
    Unavailable,
)
from backend.kit.model import Model

log = logging.getLogger(__name__)


class ErrorField(Model):
    """One thing wrong with one named field."""

    field: str = Field(examples=["training.steps"])
    message: str = Field(examples=["must be at least 1, not 0."])
    hint: str = ""


class ErrorBody(Model):
    """What happened and why, and what to do about it."""

    code: str = Field(examples=["invalid_config"])
    message: str = Field(examples=["The config is not valid."])
    hint: str = ""
    fields: list[ErrorField] = Field([])


class ErrorModel(Model):
    """The body of every response with a status of 400 or more."""

    error: ErrorBody


class InternalError(EtrmError):
    """Something of ours broke; the log has the traceback under the error's id."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR
    code = "internal_error"


class HttpError(EtrmError):
    """A refusal by the web framework itself: no such path, wrong method."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = HTTPStatus(status)
        self.headers = dict(headers or {})
        self.code = self.status.phrase.lower().replace(" ", "_")


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error statuses of an endpoint for its OpenAPI description."""
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorModel"}}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}


def body_of(error: EtrmError) -> ErrorModel:
    """An error as the API ships it."""
    fields = [
        ErrorField(field=problem.field, message=problem.message, hint=problem.hint)
        for problem in error.problems
    ]
    return ErrorModel(error=ErrorBody(code=error.code, message=error.message, hint=error.hint, fields=fields))


def problems(details: Iterable[ErrorDetails], within: Sequence[str] = ()) -> list[FieldProblem]:
    """pydantic's errors as field problems; the first steps of a location that are `within` are left out."""
    return [_problem(each, within) for each in details]


def _problem(details: ErrorDetails, within: Sequence[str]) -> FieldProblem:
    steps = [str(step) for step in details["loc"]]
    if steps and steps[0] in within:
        steps = steps[1:]
    if details["type"] == "json_invalid":
        reason = str(details.get("ctx", {}).get("error", "it cannot be read"))
        return FieldProblem("", f"Invalid JSON: {reason}.", "Send one JSON object.")
    return FieldProblem(".".join(steps), _words(details))


def _words(details: ErrorDetails) -> str:
    """pydantic's message in the words that configs use."""
    if details["type"] == "missing":
        return "is missing."
    if details["type"] == "extra_forbidden":
        return "unknown field."
    message = details["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    return f"{message.replace('valid array', 'list').replace('a valid dictionary', 'an object').rstrip('.')}."


def translate(error: Exception) -> EtrmError:
    """Any exception as an error with words for the user."""
    match error:
        case Unavailable() if known := _OF_WRITES[writes()]:
            return Unavailable(error.message, f"{known}{error.hint}")
        case EtrmError():
            return error
        case RequestValidationError():
            found = problems(error.errors(), within=("body", "query", "path", "header"))
            return InvalidInput("The request is not valid.", problems=found)
        case HTTPException(status_code=HTTPStatus.NOT_FOUND):
            return NotFound("Page not found.", "API routes are listed at /api/docs.")
        case HTTPException(status_code=HTTPStatus.REQUEST_ENTITY_TOO_LARGE):
            return TooLarge(str(error.detail), "Send a smaller request.")
        case HTTPException():
            return HttpError(error.status_code, f"{str(error.detail).rstrip('.')}.", error.headers)
        case OperationalError():
            log.error("database unreachable", exc_info=error)
            return Unavailable("The database is not responding.", "Try again in a moment; see /readyz.")
    number = secrets.token_hex(4)
    log.error("error %s", number, exc_info=error)
    return InternalError(
        f"Internal server error ({number}).",
        f"{_OF_WRITES[writes()]}The server's log has the details under {number}.",
    )


# Said of what a request that failed was to write, and only where it is known.
_OF_WRITES = {
    Writes.NONE: "",
    Writes.ROLLED_BACK: "Nothing was changed. ",
    Writes.COMMITTED: "It was stored, or a part of it: look before you send it again. ",
    Writes.UNKNOWN: "It may have been stored: look before you send it again. ",
}


class _Escaped(JSONResponse):
    """JSON in ASCII: whatever an error quotes, it can be written."""

    def render(self, content: object) -> bytes:
        return json.dumps(content, separators=(",", ":")).encode("ascii")


def _headers(error: EtrmError) -> dict[str, str]:
    match error:
        case HttpError():
            return dict(error.headers)
        case TooManyRequests() | Unavailable():
            return {"Retry-After": str(error.retry_after)}
    return {}


ErrorPage = Callable[[Request, EtrmError], Response]


class ErrorResponder:
    """Any exception -> response: `page(request, error)` for browsers, JSON for programs."""

    def __init__(self, page: ErrorPage) -> None:
        self._page = page

    def __call__(self, request: Request, error: Exception) -> Response:
        known = translate(error)
        headers = _headers(known)
        if not request.scope["path"].startswith("/api/") and "text/html" in request.headers.get("accept", ""):
            page = self._page(request, known)
            page.headers.update(headers)
            return page
        if known.status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = "Bearer"
        return _Escaped(body_of(known).model_dump(), status_code=known.status, headers=headers)

    def install(self, app: FastAPI) -> None:
        """Answer what endpoints raise; the guard around the application answers the rest."""
        for kind in (EtrmError, RequestValidationError, HTTPException):
            app.add_exception_handler(kind, self)
