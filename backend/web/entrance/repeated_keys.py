"""No JSON body has a key twice: the last would win, and the rest be lost without a word."""

from __future__ import annotations

from anyio.to_thread import run_sync
from fastapi import Request
from fastapi.routing import APIRoute

from backend.kit.json_text import repeated_key, shown
from backend.kit.problems import invalid

LONG = 64 * 1024  # bytes that are parsed beside the event loop


async def check(request: Request) -> None:
    """InvalidInput that names the key. A route without a 422 judges its body itself, in its own answer."""
    if request.method in ("GET", "HEAD"):
        return
    route = request.scope.get("route")
    if not isinstance(route, APIRoute) or not (route.body_field or 422 in route.responses):
        return
    if "json" not in request.headers.get("content-type", "json"):
        return
    body = await request.body()
    key = await run_sync(repeated_key, body) if len(body) > LONG else repeated_key(body)
    if key is not None:
        raise invalid("Invalid JSON.", key, f"{shown(key)} stands twice in one object.", "Send it once.")
