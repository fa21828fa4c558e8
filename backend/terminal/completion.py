"""Completing ids as they are typed: from the lab that the command works on, if it answers at once.

A shell waits for this at every Tab: it reads by the database's driver or one request, and whatever goes wrong
completes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import typer

MAX_SECONDS = 0.4  # for a lab elsewhere
MAX_LOCAL, MAX_REMOTE = 500, 50  # newest that are offered

Offer = tuple[str, str]  # what is typed, and what it is
Completion = Callable[[typer.Context, str], list[Offer]]


def offered(query: str, path: str, offers: Callable[[Any], Iterable[Offer]]) -> Completion:
    """Complete from a lab: the rows of `query` are offers; `offers` makes them of what GET /api/v1`path`
    answers."""

    def complete(context: typer.Context, incomplete: str) -> list[Offer]:
        with suppress(Exception):  # a message would land in the line that is being typed
            known = context.find_root().params
            found = _offers(query, path, offers, known.get("url"), known.get("token"))
            return [(str(value), str(text)) for value, text in found if str(value).startswith(incomplete)]
        return []

    return complete


def complete_presets(incomplete: str) -> list[Offer]:
    """The presets that begin like this."""
    from backend.domain.config.presets import PRESETS

    return [(name, each.description) for name, each in PRESETS.items() if name.startswith(incomplete)]


def _offers(
    query: str, path: str, offers: Callable[[Any], Iterable[Offer]], url: str | None, token: str | None
) -> Iterable[Offer]:
    from backend.db import driver
    from backend.settings import Settings

    settings = Settings.current()
    url = (url or settings.url or "").rstrip("/")
    if not url:
        return driver.read(settings.database_url, query) or []
    from backend.terminal.logins import stored_token

    return offers(_fetched(url, path, token or settings.token or stored_token(url) or ""))


def _fetched(url: str, path: str, token: str) -> Any:
    """What a lab answers. It follows no redirect: the token is for this address."""
    from http.client import HTTPConnection, HTTPSConnection

    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=MAX_SECONDS)
    try:
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        connection.request("GET", f"{parts.path}/api/v1{path}", headers=headers)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


complete_runs = offered(
    "SELECT id, name || ', ' || status FROM run WHERE archived_at IS NULL "
    f"ORDER BY created_at DESC, id DESC LIMIT {MAX_LOCAL}",
    f"/runs?limit={MAX_REMOTE}",
    lambda page: [(run["id"], f"{run['name']}, {run['status']}") for run in page["runs"]],
)
