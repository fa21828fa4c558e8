"""What every request passes before anything else looks at it, pages and static files included.

The Host must be one of ours (a page elsewhere could point its own name at this address: DNS rebinding), a
change must come from our own origin (no other page may use this browser's cookie), a body must be within
its limit and come in time, and the answer forbids the browser everything we do not need.
"""

from __future__ import annotations

import asyncio
import time
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.db.session import watch_writes
from backend.kit.errors import Forbidden, NotFound
from backend.web.entrance.door import check_address
from backend.web.errors import ErrorResponder
from backend.web.routing import READING

PROBED = ("/healthz", "/readyz")  # by any address
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1")
CONFIG_BYTES, METRICS_BYTES, UPLOAD_BYTES = 1_000_000, 16_000_000, 50_000_000
# What is too long is read away for a while, or the sender would see a broken connection and no reason.
DISCARDED_BYTES, DISCARDED_SECONDS = 256_000_000, 10.0
# A body comes in this time, and longer only as long as it keeps coming at this rate.
BODY_SECONDS, SILENT_SECONDS, BYTES_PER_SECOND = 15.0, 10.0, 50_000
# Plotly writes style attributes and draws exported images from data and blob addresses; scripts are ours.
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guard:
    """ASGI middleware around the whole application; also answers errors that nothing inside answered."""

    def __init__(self, app: ASGIApp, allowed_hosts: tuple[str, ...], responder: ErrorResponder) -> None:
        self._app = app
        self._hosts = frozenset(name.strip("[]").lower() for name in (*LOOPBACK_NAMES, *allowed_hosts))
        self._responder = responder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                headers.update(SECURITY_HEADERS)
                headers.setdefault("Cache-Control", "no-store")  # the state of this moment, for its asker
            await send(message)

        request = Request(scope)
        try:
            watch_writes()
            self._check_sender(request)
            await self._app(scope, await limited(request, receive), send_with_headers)
        except Exception as error:
            if started:
                raise
            response = self._responder(request, error)
            await response(scope, receive, send_with_headers)

    def _check_sender(self, request: Request) -> None:
        host, path = host_of(request.headers), request.scope["path"]
        if not path.startswith("/"):
            raise NotFound("Page not found.", "Ask for a path, which begins with a slash.")
        check_address(request.scope)
        if host not in self._hosts and path not in PROBED:
            raise Forbidden(
                f"Host name {host!r} is not allowed.",
                "If the name is yours, add it to ETRM_ALLOWED_HOSTS.",
            )
        if request.method not in READING:
            check_origin(request.headers)


def host_of(headers: Headers) -> str:
    """The name or address in the Host header, without port and brackets; "" when it is malformed."""
    try:
        return urlsplit(f"//{headers.get('host', '')}").hostname or ""
    except ValueError:
        return ""


def check_origin(headers: Headers) -> None:
    """Refuse a change that another site's page sends. Programs send neither header and pass."""
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    foreign_origin = origin is not None and authority_of(origin) != headers.get("host", "").lower()
    if foreign_origin or site not in (None, "same-origin", "none"):
        raise Forbidden("Request from another site blocked.", "Make the change in the lab itself.")


def authority_of(origin: str) -> str | None:
    """Host and port of an Origin header; None when it is malformed, which no browser sends."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


def body_limit(path: str) -> int:
    """Most bytes of a request's body."""
    if path.startswith("/api/v1/runs/") and path.endswith(("/metrics", "/provenance")):
        return METRICS_BYTES  # of many steps, or a diff of many files
    return UPLOAD_BYTES if path.startswith(("/api/v1/sets", "/data")) else CONFIG_BYTES


async def limited(request: Request, receive: Receive) -> Receive:
    """`receive` that refuses a body over the limit, by its announced length or once it has come too far,
    and one that does not come in time."""
    limit = body_limit(request.scope["path"])
    announced = request.headers.get("content-length", "")
    total, ended, began = 0, False, time.monotonic()

    def refusal() -> HTTPException:
        # An HTTPException: body parsers let it pass and turn anything else into "400 bad request".
        said = f"The body is over the limit of {limit // 1_000_000} MB for this address."
        return HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, said)

    async def receive_within() -> Message:
        nonlocal total, ended
        if ended:  # from here on it tells when the sender leaves
            return await receive()
        left = began + BODY_SECONDS + total / BYTES_PER_SECOND - time.monotonic()
        try:
            async with asyncio.timeout(min(left, SILENT_SECONDS)):
                message = await receive()
        except TimeoutError:
            said = "The rest of the request did not come in time."
            raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, said, {"Connection": "close"}) from None
        total += len(message.get("body", b""))
        ended = not message.get("more_body", False)
        if total > limit:
            await _discard(receive, message)
            raise refusal()
        return message

    if announced.isdigit() and int(announced[:30]) > limit:
        if "expect" not in request.headers:  # who asks first has not sent anything yet
            await _discard(receive)
        raise refusal()
    return receive_within


async def _discard(receive: Receive, message: Message | None = None) -> None:
    total = 0
    try:
        async with asyncio.timeout(DISCARDED_SECONDS):
            while total < DISCARDED_BYTES and (message is None or message.get("more_body", False)):
                message = await receive()
                total += len(message.get("body", b""))
    except TimeoutError:
        return
