"""What goes over an event stream, as bytes that all readers share."""

from __future__ import annotations

from typing import Any

from backend.kit.fast_json import dumped

RETRY = 2000  # milliseconds a browser waits before it connects again


def packet(event: str, data: Any, id: str = "") -> bytes:
    """One server-sent event; `data` is written as JSON, which escapes every line end."""
    head = f"id: {id}\n" if id else ""
    return f"{head}event: {event}\ndata: ".encode() + dumped(data) + b"\n\n"


OPEN = f": open\nretry: {RETRY}\n\n".encode()
# A connection that broke without a word (a pulled cable, a proxy that forgot it) is known by its silence. The
# comments that keep proxies awake reach no script.
HEARTBEAT = packet("heartbeat", {})
# Something was left out: connect again, with the id of the last event that came.
REFRESH = packet("refresh", {})
