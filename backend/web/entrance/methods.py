"""HEAD wherever there is GET, OPTIONS, and every method of an address in `Allow`."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.web.routing import Addresses


class Heads:
    """ASGI middleware around everything that asks for a role or a route: HEAD is GET without its body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        ended = False

        async def send_head(message: Message) -> None:
            nonlocal ended
            if message["type"] == "http.response.start":
                await send(message)
            elif not ended:  # at once: the body of an event stream would never end
                ended = True
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        await self._app({**scope, "method": "GET"}, receive, send_head)


class Methods:
    """ASGI middleware around the routes: answers OPTIONS, and completes the `Allow` of a refused method."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "OPTIONS" and (known := allowed(scope)):
            await Response(status_code=204, headers={"Allow": known})(scope, receive, send)
            return

        async def send_allowed(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 405:
                MutableHeaders(scope=message)["Allow"] = allowed(scope)
            await send(message)

        await self._app(scope, receive, send_allowed)


def allowed(scope: Scope) -> str:
    """The methods of the request's address as an `Allow` header has them; "" if there is no such address."""
    addresses: Addresses = scope["app"].state.addresses
    known = addresses.methods(scope["path"])
    if not known:
        return ""
    return ", ".join([*known, *(["HEAD"] if "GET" in known else []), "OPTIONS"])
