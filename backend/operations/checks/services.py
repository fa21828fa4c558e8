"""What answers on the network: broker, web server and object store."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from http import HTTPStatus
from urllib.parse import urlsplit

import redis

from backend.artifacts import service as objects
from backend.operations.checks.finding import Finding, ok, problem, warning
from backend.settings import Settings
from backend.terminal.home import holder_of
from backend.terminal.port import address_of

PATIENCE = 3.0  # seconds


def check_broker(settings: Settings) -> Iterator[Finding]:
    """Whether the broker answers: that of the settings, or of the lab that runs on the folder."""
    holder = holder_of(settings.home)
    url = settings.broker_url or (holder.broker_url if holder else None)
    if url is None:
        yield warning("broker", "None is set, and no lab runs here.", "etrm up starts one.")
        return
    place = url.rpartition("@")[2]
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=PATIENCE, socket_timeout=PATIENCE) as client:
            version = client.info("server").get("redis_version", "")
    except (redis.RedisError, OSError, ValueError) as error:
        yield problem(
            "broker",
            f"{place} does not answer: {error}.",
            "Start it, or correct ETRM_BROKER_URL. Runs stay queued until then.",
        )
    else:
        yield ok("broker", f"{place} answers, version {version}")


def check_store(settings: Settings) -> Iterator[Finding]:
    """Whether the object store takes, shows and removes an object; nothing where there is none."""
    if store := objects.of(settings, PATIENCE):
        store.probe()
        yield ok("object store", f"{store.url} can be read and written")


def check_web(settings: Settings) -> Iterator[Finding]:
    """Whether the web server answers, and how it is."""
    holder = holder_of(settings.home)
    address = holder.url if holder else address_of(settings.host, settings.port)
    try:
        status = _status(address)
    except (OSError, http.client.HTTPException) as error:
        if holder:
            yield problem(
                "web server",
                f"{address} does not answer: {error}.",
                f"See the logs in {settings.home / 'logs'}.",
            )
        else:
            yield warning("web server", f"Nothing answers at {address}.", "Run etrm web, or etrm up.")
        return
    if status == HTTPStatus.OK:
        yield ok("web server", f"{address} answers")
    else:
        yield problem(
            "web server",
            f"{address} answers {status}.",
            "Its database is away or of another version, or another program uses the port: see its log.",
        )


def _status(address: str) -> int:
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status
    finally:
        connection.close()
