"""Tell open pages that something changed. Redis only delivers and may be lost: the database is the truth."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from functools import lru_cache

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.client import PubSub
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from backend.settings import Settings

RUNS = "etrm:runs"
PATIENCE = 0.02  # seconds for connecting and for each answer: a page must not wait for a notification
PAUSE = 2.0  # seconds without another try after a failure
POLL_INTERVAL = 2.0  # seconds after which a listener looks at the database even if nothing was heard


def run_changed(run_id: str) -> None:
    """Something of this run was written: points, log, progress, status. Never raises."""
    _publish(_channel(run_id))


def runs_changed() -> None:
    """The table of runs or of workers looks different now. Never raises."""
    _publish(RUNS)


def reachable() -> bool:
    """Whether the broker answers now."""
    url = Settings.load().broker_url
    return url is not None and _Publisher.of(url).answers()


async def listen(run_id: str | None = None, every: float = POLL_INTERVAL) -> AsyncIterator[bool]:
    """Yield when the run (None: any run) may have changed: True if told so, False after `every` seconds.

    A broker that is away or lost turns this into a plain timer until it is back.
    """
    url = Settings.load().broker_url
    channel = RUNS if run_id is None else _channel(run_id)
    while True:
        if url is not None:
            async for told in _heard(url, channel, every):
                yield told
        await asyncio.sleep(every)
        yield False


async def _heard(url: str, channel: str, every: float) -> AsyncIterator[bool]:
    """Notifications and timeouts until the connection is lost."""
    client = AsyncRedis.from_url(_redis_url(url), socket_connect_timeout=1, retry=None)
    subscription: PubSub = client.pubsub()
    try:
        await subscription.subscribe(channel)
        while True:
            message = await subscription.get_message(ignore_subscribe_messages=True, timeout=every)
            yield message is not None
    except (RedisError, OSError):
        return
    finally:
        await subscription.aclose()  # type: ignore[no-untyped-call]
        await client.aclose()


class _Publisher:
    """A connection that is given up for `PAUSE` seconds when it fails, so that nobody waits in a row."""

    def __init__(self, url: str) -> None:
        self._client = Redis.from_url(
            _redis_url(url),
            socket_connect_timeout=PATIENCE,
            socket_timeout=PATIENCE,
            retry=Retry(NoBackoff(), 0),
        )
        self._silent_until = 0.0

    @staticmethod
    @lru_cache(maxsize=4)
    def of(url: str) -> _Publisher:
        return _Publisher(url)

    def publish(self, channel: str) -> None:
        if time.monotonic() < self._silent_until:
            return
        try:
            self._client.publish(channel, b"1")
        except (RedisError, OSError):
            self._silent_until = time.monotonic() + PAUSE

    def answers(self) -> bool:
        try:
            return bool(self._client.ping())
        except (RedisError, OSError):
            return False


def _publish(channel: str) -> None:
    url = Settings.load().broker_url
    if url is not None:
        _Publisher.of(url).publish(channel)


def _channel(run_id: str) -> str:
    return f"etrm:run:{run_id}"


def _redis_url(url: str) -> str:
    return url.replace("redis+socket://", "unix://", 1)
