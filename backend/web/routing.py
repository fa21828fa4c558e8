"""Who may use an address: each route says so when it is registered, or it is not served.

What a request takes follows from the route that it matches, never from the text of its address: names that
people choose stand in addresses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final, Literal, TypeVar

from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from starlette import routing
from starlette.convertors import Convertor
from starlette.routing import BaseRoute
from starlette.types import Receive, Send
from starlette.types import Scope as HttpScope

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


class Route(routing.Route):
    """An address, and who may use it.

    FastAPI's own route, of which each takes milliseconds to make, is made when the first request for the
    address comes, or when the API is described: most starts of the lab need few of them.
    """

    # Set here, found out by Starlette's constructor, which is not called: it would compile a pattern for
    # every copy of a route.
    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        access: Access,
        methods: Collection[str] = ("GET",),
        include_in_schema: bool = True,
        **options: Any,
    ) -> None:
        """`options` are those of FastAPI's routes."""
        assert path.startswith("/"), f"The path {path!r} has no leading slash."
        self.path, self.endpoint, self.access = path, endpoint, access
        self.name = endpoint.__name__
        self.methods = set(methods)
        self.include_in_schema = include_in_schema
        self._options = options

    @cached_property
    def api(self) -> APIRoute:
        """FastAPI's route, with its parameters and its models."""
        return APIRoute(
            self.path,
            self.endpoint,
            methods=self.methods,
            include_in_schema=self.include_in_schema,
            **self._options,
        )

    def under(self, prefix: str, dependencies: Sequence[Any] = ()) -> Route:
        """The same below `prefix`, where requests pass `dependencies` first."""
        options = {**self._options, "dependencies": [*dependencies, *self._options.get("dependencies", ())]}
        path = f"{prefix}{self.path}"
        return Route(path, self.endpoint, self.access, self.methods or (), self.include_in_schema, **options)

    async def handle(self, scope: HttpScope, receive: Receive, send: Send) -> None:
        """Answer a request that `matches`; 405 for another method."""
        if scope["method"] in (self.methods or ()):
            scope["route"] = self.api
            await self.api.app(scope, receive, send)
        else:
            await super().handle(scope, receive, send)

    @cached_property
    def path_regex(self) -> re.Pattern[str]:  # type: ignore[override]
        return self._compiled[0]

    @cached_property
    def path_format(self) -> str:  # type: ignore[override]
        return self._compiled[1]

    @cached_property
    def param_convertors(self) -> dict[str, Convertor[Any]]:  # type: ignore[override]
        return self._compiled[2]

    @cached_property
    def _compiled(self) -> tuple[re.Pattern[str], str, dict[str, Convertor[Any]]]:
        return routing.compile_path(self.path)


class Router:
    """Routes of which each is for those that `reads` or `writes` names, by its method, or `needs` on its
    endpoint. TypeError for a route of which nothing says so."""

    def __init__(
        self,
        *,
        reads: Access | None = None,
        writes: Access | None = None,
        prefix: str = "",
        include_in_schema: bool = True,
        tags: Sequence[str] = (),
        responses: Mapping[int | str, Any] = MappingProxyType({}),
    ) -> None:
        self.routes: list[Route] = []
        self._reads, self._writes = reads, writes
        self._prefix, self._include_in_schema = prefix, include_in_schema
        self._tags, self._responses = tags, responses

    def get(self, path: str, **options: Any) -> Callable[[Endpoint], Endpoint]:
        """Marks an endpoint as what answers GET at `path`; `options` are those of FastAPI's routes."""
        return self._at("GET", path, options)

    def post(self, path: str, **options: Any) -> Callable[[Endpoint], Endpoint]:
        """As `get`, for POST."""
        return self._at("POST", path, options)

    def put(self, path: str, **options: Any) -> Callable[[Endpoint], Endpoint]:
        """As `get`, for PUT."""
        return self._at("PUT", path, options)

    def patch(self, path: str, **options: Any) -> Callable[[Endpoint], Endpoint]:
        """As `get`, for PATCH."""
        return self._at("PATCH", path, options)

    def delete(self, path: str, **options: Any) -> Callable[[Endpoint], Endpoint]:
        """As `get`, for DELETE."""
        return self._at("DELETE", path, options)

    def _at(self, method: str, path: str, options: dict[str, Any]) -> Callable[[Endpoint], Endpoint]:
        def register(endpoint: Endpoint) -> Endpoint:
            self._add(method, f"{self._prefix}{path}", endpoint, options)
            return endpoint

        return register

    def _add(self, method: str, path: str, endpoint: Callable[..., Any], options: dict[str, Any]) -> None:
        access = getattr(endpoint, _ACCESS, self._reads if method in READING else self._writes)
        if access is None:
            raise TypeError(
                f"{method} {path} does not say who may use it: give its router `reads` or `writes`, or its "
                "endpoint `needs`."
            )
        options = {
            **options,
            "tags": list(self._tags),
            "responses": {**self._responses, **options.get("responses", {})},
        }
        self.routes.append(Route(path, endpoint, access, [method], self._include_in_schema, **options))


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
