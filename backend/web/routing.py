"""Who may use an address: each route says so when it is registered, or it is not served.

What a request takes follows from the route that it matches, never from the text of its address: names that
people choose stand in addresses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, TypeVar

from fastapi import APIRouter
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from starlette.routing import BaseRoute

from backend.domain.people import Role, Scope

Access = Role | Scope | Literal["open"]
OPEN: Final = "open"  # no login
VIEWER, EDITOR, ADMIN = Role.VIEWER, Role.EDITOR, Role.ADMIN
LOG: Final = Scope.LOG  # editors, by a token that may do no more than log
READING = frozenset({"GET", "HEAD", "OPTIONS"})
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_ACCESS, _ASKS_AGAIN = "needed_access", "asks_again"
_NAMED_GROUP = re.compile(r"\(\?P<\w+>")

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


def needs(access: Access) -> Callable[[Endpoint], Endpoint]:
    """Marks an endpoint whose access is not what its router declares for its method."""

    def mark(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, _ACCESS, access)
        return endpoint

    return mark


def asks_again(endpoint: Endpoint) -> Endpoint:
    """Marks an endpoint that asks, in the transaction in which it writes, whether the token that let the
    request in may still do so: so that what was found out a moment ago lets it in."""
    setattr(endpoint, _ASKS_AGAIN, True)
    return endpoint


class Route(APIRoute):
    """A route that knows who may use it."""

    access: Access | None = None


class Router(APIRouter):
    """Routes of which each is for those that `reads` or `writes` names, by its method, or `needs` on its
    endpoint. TypeError for a route of which nothing says so."""

    def __init__(self, *, reads: Access | None = None, writes: Access | None = None, **options: Any) -> None:
        super().__init__(route_class=Route, **options)
        self._reads, self._writes = reads, writes

    def add_api_route(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        """Register an endpoint with the access that it, or else this router, declares."""
        methods = set(options.get("methods") or ["GET"])
        access = getattr(endpoint, _ACCESS, self._reads if methods <= READING else self._writes)
        if access is None:
            said = f"{', '.join(sorted(methods))} {self.prefix}{path} does not say who may use it"
            raise TypeError(f"{said}: give its router `reads` or `writes`, or its endpoint `needs`.")
        super().add_api_route(path, endpoint, **options)
        route = self.routes[-1]
        assert isinstance(route, Route)
        route.access = access


class Addresses:
    """Which access a request takes: that of the route that answers it."""

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        """TypeError for a route that does not say who may use it, or that nothing would ask."""
        contexts = list(iter_route_contexts(routes))
        for each in contexts:
            if not each.methods or each.methods - READING - set(METHODS):  # a mount, a socket, TRACE
                raise TypeError(f"{each.path} is no route of {', '.join(METHODS)}: nothing would guard it.")
        self._of_method = {method: _Table(contexts, method) for method in METHODS}

    def access(self, method: str, path: str) -> Access:
        """What `method` of the decoded `path` takes. Where nothing answers, and for OPTIONS: a login, unless
        another method of the path is open."""
        table = self._of_method.get("GET" if method == "HEAD" else method)
        declared = table.find(path) if table else None
        return declared or (
            OPEN if any(each.find(path) == OPEN for each in self._of_method.values()) else VIEWER
        )

    def asks_again(self, method: str, path: str) -> bool:
        """Whether the endpoint that answers `method` of the decoded `path` is one that `asks_again`."""
        context = self.context(method, path)
        return context is not None and getattr(context.endpoint, _ASKS_AGAIN, False)

    def context(self, method: str, path: str) -> RouteContext | None:
        """The route that answers `method` of the decoded `path`."""
        table = self._of_method.get(method)
        return table.context(path) if table else None

    def route(self, method: str, path: str) -> str:
        """The declared path of the route that answers `method` of the decoded `path`, else `other`."""
        table = self._of_method.get("GET" if method == "HEAD" else method)
        return (table.route(path) if table else "") or "other"

    def methods(self, path: str) -> list[str]:
        """What some route answers at the decoded `path`; none if there is no such address."""
        return [method for method, table in self._of_method.items() if table.find(path)]


class _Table:
    """All paths of one method as one pattern, in the order in which the application tries its routes."""

    def __init__(self, contexts: Sequence[RouteContext], method: str) -> None:
        found = self._contexts = [each for each in contexts if method in (each.methods or ())]
        self._accesses = [_declared(each) for each in found]
        self._routes = [each.path or "" for each in found]
        patterns = (_NAMED_GROUP.sub("(?:", each.path_regex.pattern) for each in found)
        self._pattern = re.compile("|".join(f"({pattern})" for pattern in patterns) or "(?!)")

    def find(self, path: str) -> Access | None:
        at = self._index(path)
        return None if at is None else self._accesses[at]

    def route(self, path: str) -> str:
        at = self._index(path)
        return "" if at is None else self._routes[at]

    def context(self, path: str) -> RouteContext | None:
        at = self._index(path)
        return None if at is None else self._contexts[at]

    def _index(self, path: str) -> int | None:
        matched = self._pattern.match(path)
        return matched.lastindex - 1 if matched and matched.lastindex else None


def _declared(context: RouteContext) -> Access:
    route: Any = context.original_route
    access: Access | None = getattr(route, "access", None) or getattr(route.endpoint, _ACCESS, None)
    if access is None:
        raise TypeError(f"{route.path} does not say who may use it: register it with a Router.")
    return access
