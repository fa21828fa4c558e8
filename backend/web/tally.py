"""What this process counts from its start on, for `/metrics`: requests, points, memory.

Labels are few and known beforehand: routes as they are declared, never what stands in an address.
"""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.web.routing import METHODS, Addresses

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)  # memory, CPU, open files; on Linux
REQUESTS = Counter(
    "etrm_http_requests",
    "Requests by method, route and status; status none: it broke off before an answer began.",
    ("method", "route", "status"),
    registry=REGISTRY,
)
SECONDS = Histogram(
    "etrm_http_response_seconds",
    "Seconds until an answer began; an event stream counts until it opened.",
    ("method", "route"),
    buckets=(0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0),
    registry=REGISTRY,
)
POINTS = Counter("etrm_points_accepted", "Points that scripts logged over the API.", registry=REGISTRY)
KNOWN_METHODS = (*METHODS, "HEAD", "OPTIONS")


class Tally:
    """ASGI middleware, near the outside: counts every request, also those that are refused at the door."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), ""

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
                SECONDS.labels(*labels).observe(time.perf_counter() - began)
            await send(message)

        labels = _labels(scope)
        try:
            await self._app(scope, receive, counted)
        finally:
            REQUESTS.labels(*labels, status or "none").inc()


def _labels(scope: Scope) -> tuple[str, str]:
    """Method and route of a request."""
    addresses: Addresses = scope["app"].state.addresses
    method = scope["method"] if scope["method"] in KNOWN_METHODS else "other"
    return method, addresses.route(scope["method"], scope["path"])
