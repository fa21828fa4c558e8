"""Every request has a trace id: its sender's, or a new one. The answer and all that is logged carry it.

With the JSON log, every request also leaves a line once its answer is complete.
"""

from __future__ import annotations

import logging
import re
import secrets
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.kit import service_log
from backend.web.pages import SHARED

HEADER = "X-Request-ID"
_TRACEPARENT = re.compile("00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")  # W3C Trace Context
_REQUEST_ID = re.compile("[A-Za-z0-9._:-]{1,128}")

log = logging.getLogger(__name__)


class Trace:
    """ASGI middleware, the outermost: what uvicorn logs of a failure still belongs to the request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0
        trace_id = trace_of(Headers(scope=scope))
        service_log.bind(trace_id=trace_id)

        async def traced(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = trace_id
            await send(message)

        try:
            await self._app(scope, receive, traced)
        finally:
            _note(scope["method"], public(scope["path"]), status, time.perf_counter() - began)


def trace_of(headers: Headers) -> str:
    """The valid trace id that the sender gives in `traceparent`, else in `X-Request-ID`; else a new one."""
    parent = _TRACEPARENT.fullmatch(headers.get("traceparent", "").strip())
    if parent:
        return parent[1]
    given = headers.get(HEADER, "").strip()
    return given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(16)


def public(path: str) -> str:
    """A path as it may stand in a log: without the secret of a share link."""
    return f"{SHARED}…" if path.startswith(SHARED) else path


def _note(method: str, path: str, status: int, seconds: float) -> None:
    """`status` 0: it broke off before an answer began."""
    facts = {"method": method, "path": path, "status": status, "seconds": round(seconds, 4)}
    log.info("%s %s %d", method, path, status, extra=facts)
