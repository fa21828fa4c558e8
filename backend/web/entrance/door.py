"""What every request passes before an endpoint reads it: its text is text, its JSON is bounded.

One check for every string of the address, the query and the body, so that no field needs its own. What is
no JSON at all is left to the endpoint, whose words are better.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes

from anyio.to_thread import run_sync
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.kit import text
from backend.kit.errors import FieldProblem, InvalidInput
from backend.kit.text import MAX_DEPTH, MULTI_LINE
from backend.web.routing import READING

LARGE_BYTES = 100_000  # from here on a body is looked at beside the event loop
URLENCODED, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
_ESCAPED = re.compile(rb"%(?:[01]|7f|[89a-f])", re.IGNORECASE)  # what may be no text
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_INNERMOST = re.compile(rb"\[\]|\{\}")
_NOT_FINITE = re.compile(rb"NaN|Infinity|[eE]\+?\d{3}|\d{309}")
_MAX_DIGITS = 308


class Door:
    """ASGI middleware around the endpoints: InvalidInput, with the field, for what is no text."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in READING:
            body = await _whole(receive)
            if body is None:  # the sender left
                return
            receive = _replayed(body, receive)
            _refuse(await _problems_of_body(Headers(scope=scope), scope["path"], body))
        await self._app(scope, receive, send)


def check_address(scope: Scope) -> None:
    """InvalidInput if the path or a parameter of the query is no text."""
    path, query = scope.get("raw_path") or b"", scope["query_string"]
    found = []
    if _ESCAPED.search(path) and (said := text.fault(_decoded(unquote_to_bytes(path)))):
        found.append(FieldProblem("path", said))
    if _ESCAPED.search(query):
        found += _problems_of_fields(_fields(query))
    _refuse(found)


def _refuse(found: list[FieldProblem]) -> None:
    if found:
        raise InvalidInput("The request is not valid.", problems=found)


async def _whole(receive: Receive) -> bytes | None:
    """The body; its size is bounded by the guard. None if the sender left before its end."""
    pieces: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        pieces.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(pieces)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body once, then what comes from the server."""
    given = False

    async def receive_again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again


async def _problems_of_body(headers: Headers, path: str, body: bytes) -> list[FieldProblem]:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in (URLENCODED, MULTIPART):
        return await _problems_of_form(kind, headers, body)
    # NaN and infinities are values of a metric; what is larger than any config are grids, checked one by one.
    finite = not path.endswith("/metrics") and len(body) <= 10 * LARGE_BYTES
    if len(body) < LARGE_BYTES:
        return problems_of_json(body, finite)
    return await run_sync(problems_of_json, body, finite)


def problems_of_json(body: bytes, finite: bool = True) -> list[FieldProblem]:
    """What is wrong with a JSON body. Most are found fault with by a few scans, without parsing them."""
    bare = _STRING.sub(b"", body) if body.count(b"[") + body.count(b"{") > MAX_DEPTH or finite else b""
    too_deep = depth_is_over(bare, MAX_DEPTH)
    odd_number = finite and _NOT_FINITE.search(bare) is not None
    if not (too_deep or odd_number or _may_hold_no_text(body)):
        return []
    try:
        value = json.loads(_decoded(body, "surrogatepass"), parse_int=_whole_number)
    except RecursionError:
        return [FieldProblem("", f"The JSON is nested too deeply: at most {MAX_DEPTH} levels.")]
    except ValueError:
        said = "" if text.fault(_decoded(body), lines=True) == "" else "Invalid JSON: it is not UTF-8 text."
        return [FieldProblem("", said)] if said else []
    return text.problems(value, finite=finite)


def depth_is_over(bare: bytes, most: int) -> bool:
    """Whether JSON without its strings has more than `most` lists and objects inside one another."""
    brackets = bare.translate(None, _NOT_BRACKETS)
    for _ in range(most):
        if not brackets:
            return False
        shorter = _INNERMOST.sub(b"", brackets)
        if len(shorter) == len(brackets):  # brackets that do not match: open ones are levels too
            return brackets.count(b"[") + brackets.count(b"{") > most
        brackets = shorter
    return bool(brackets)


def _may_hold_no_text(body: bytes) -> bool:
    """Escapes, DEL, C1 controls or bytes that are not UTF-8: worth a closer look."""
    return b"\\" in body or b"\x7f" in body or not (body.isascii() or _is_plain(body))


def _is_plain(body: bytes) -> bool:
    try:
        return not re.search("[\x7f-\x9f]", body.decode())
    except UnicodeDecodeError:
        return False


def _whole_number(digits: str) -> float | int:
    return int(digits) if len(digits) <= _MAX_DIGITS else float("inf")


async def _problems_of_form(kind: str, headers: Headers, body: bytes) -> list[FieldProblem]:
    if kind == URLENCODED:
        return _problems_of_fields(_fields(body))

    async def stream() -> Any:
        yield body

    try:
        form = await MultiPartParser(headers, stream()).parse()
    except MultiPartException as error:
        return [FieldProblem("", f"The form cannot be read: {error.message.rstrip('.')}.")]
    except (LookupError, ValueError):  # no boundary, or an encoding that nobody knows
        return [FieldProblem("", "The form cannot be read: its Content-Type names no boundary.")]
    try:
        return _problems_of_fields(
            (name, (value.filename or "") if isinstance(value, UploadFile) else value)
            for name, value in form.multi_items()
        )
    finally:
        await form.close()


def _fields(encoded: bytes) -> Iterator[tuple[str, str]]:
    return iter(parse_qsl(_decoded(encoded), keep_blank_values=True, errors="surrogateescape"))


def _problems_of_fields(fields: Any) -> list[FieldProblem]:
    found = []
    for name, value in fields:
        said = text.fault(value, lines=name in MULTI_LINE)
        if text.fault(name):
            said = f"the name {text.fault(name)}"
        if said:
            found.append(FieldProblem(text.writable(name), said))
    return found[: text.MAX_PROBLEMS]


def _decoded(data: bytes, errors: str = "surrogateescape") -> str:
    return data.decode("utf-8", errors)
