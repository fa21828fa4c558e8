"""The way to an endpoint without asking every route: one look into the table of addresses.

FastAPI asks its routers one after the other, and those inside them again, which takes longer than many an
endpoint. Whatever is no plain hit here (an unknown address, a wrong method) takes that way as before.
"""

from __future__ import annotations

from typing import Any

from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from backend.web.routing import Addresses

_APP = "direct_app"


class Direct(BaseRoute):
    """Stands before all other routes and hands a request to the one that would be found."""

    def __init__(self, addresses: Addresses) -> None:
        self._addresses = addresses

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """FULL for what a declared route answers."""
        if scope["type"] != "http" or scope.get("root_path"):
            return Match.NONE, {}
        context: Any = self._addresses.context(scope["method"], scope["path"])
        if context is None or not isinstance(context.original_route, APIRoute):
            return Match.NONE, {}
        match, found = context.matches(scope)
        if match is not Match.FULL:
            return Match.NONE, {}
        return match, {**found, "route": context.original_route, _APP: context.app}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the route does."""
        await scope[_APP](scope, receive, send)
