"""No JSON body has a key twice: the last would win, and the rest be lost without a word."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from anyio.to_thread import run_sync
from fastapi import Request
from fastapi.routing import APIRoute

from backend.kit.json_text import repeated_key, shown
from backend.kit.problems import invalid

LONG = 64 * 1024  # bytes that are parsed beside the event loop


Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
_OWN = "checks_keys_itself"


def checked_inside(endpoint: Endpoint) -> Endpoint:
    """Marks an endpoint that looks for repeated keys by itself, as it reads its body."""
    setattr(endpoint, _OWN, True)
    return endpoint


async def check(request: Request) -> None:
    """InvalidInput that names the key. A route without a 422 judges its body itself, in its own answer."""
    if request.method in ("GET", "HEAD"):
        return
    route = request.scope.get("route")
    if not isinstance(route, APIRoute) or not (route.body_field or 422 in route.responses):
        return
    if getattr(route.endpoint, _OWN, False):
        return
    if "json" not in request.headers.get("content-type", "json"):
        return
    body = await request.body()
    if len(body) > LONG:
        await run_sync(refuse, body)
    else:
        refuse(body)


def refuse(body: bytes) -> None:
    """InvalidInput that names the first key that stands twice in an object."""
    key = repeated_key(body)
    if key is not None:
        raise invalid("Invalid JSON.", key, f"{shown(key)} stands twice in one object.", "Send it once.")
