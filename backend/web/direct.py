"""The way to an endpoint without asking every route: one look into the table of addresses.

Starlette asks its routes one after the other, which takes longer than many an endpoint. Whatever is no plain
hit here (an unknown address, a wrong method) takes that way as before.
"""

from __future__ import annotations

from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from backend.web.routing import Addresses, Route

_ROUTE = "direct_route"


class Direct(BaseRoute):
    """Stands before all other routes and hands a request to the one that would be found."""

    def __init__(self, addresses: Addresses) -> None:
        self._addresses = addresses

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """FULL for what a declared route answers."""
        if scope["type"] != "http" or scope.get("root_path"):
            return Match.NONE, {}
        context = self._addresses.context(scope["method"], scope["path"])
        if context is None or not isinstance(context.original_route, Route):
            return Match.NONE, {}
        match, found = context.original_route.matches(scope)
        if match is not Match.FULL:
            return Match.NONE, {}
        return match, {**found, _ROUTE: context.original_route}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the route does."""
        await scope[_ROUTE].handle(scope, receive, send)
