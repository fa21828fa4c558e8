"""Tell open pages that something changed. Redis only delivers and may be lost: the database is the truth."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from functools import lru_cache

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.client import PubSub
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from backend.settings import Settings

RUNS = "etrm:runs"  # the table of runs or of workers
OF_RUN = "etrm:run:"  # and the run's id
PATIENCE = 0.02  # seconds for connecting and for each answer: a page must not wait for a notification
PAUSE = 2.0  # seconds without another try after a failure
POLL_INTERVAL = 2.0  # seconds of silence after which a listener says so
TABLE_EVERY = 2.0  # seconds between two notifications to the table of runs about points alone

# Called with what the broker did not take, in the thread of whoever notifies: other processes are told
# nothing, those who listen in this one are.
nearby: set[Callable[[str], None]] = set()


def run_changed(run_id: str) -> None:
    """Something of this run was written: points, log, progress, status. Never raises."""
    _publish(channel_of(run_id))


def runs_changed() -> None:
    """The table of runs or of workers looks different now. Never raises."""
    _publish(RUNS)


def changed(*run_ids: str) -> None:
    """These runs changed in a way that the table shows, too. Never raises."""
    _publish(*map(channel_of, run_ids), RUNS)


def logged(*run_ids: str) -> None:
    """Points of these runs were written: the table, which shows no more than the last ones, hears of it at
    most every two seconds. Never raises."""
    _publish(*map(channel_of, run_ids), *([RUNS] if _table.is_due() else []))


def channel_of(run_id: str) -> str:
    """The channel of one run's notifications."""
    return f"{OF_RUN}{run_id}"


def reachable() -> bool:
    """Whether the broker answers now."""
    url = Settings.current().broker_url
    return url is not None and _Publisher.of(url).answers()


async def listen(every: float = POLL_INTERVAL) -> AsyncIterator[str | None]:
    """The channels of all notifications as they come; None once it listens and after `every` silent seconds.

    One connection for all of them. A broker that is away or lost turns this into a timer until it is back.
    """
    url = Settings.current().broker_url
    while True:
        if url is not None:
            async for channel in _heard(url, every):
                yield channel
        await asyncio.sleep(every)
        yield None


async def _heard(url: str, every: float) -> AsyncIterator[str | None]:
    """Notifications and timeouts until the connection is lost."""
    client = AsyncRedis.from_url(_redis_url(url), socket_connect_timeout=1, retry=None)
    subscription: PubSub = client.pubsub(ignore_subscribe_messages=True)
    try:
        await subscription.psubscribe(RUNS, f"{OF_RUN}*")
        while True:
            message = await subscription.get_message(timeout=every)
            yield message["channel"].decode() if message else None
    except (RedisError, OSError):
        return
    finally:
        await subscription.aclose()  # type: ignore[no-untyped-call]
        await client.aclose()


class _Throttle:
    """Lets something happen at most every so often."""

    def __init__(self, every: float) -> None:
        self._every = every
        self._next = 0.0

    def is_due(self) -> bool:
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self._every
        return True


_table = _Throttle(TABLE_EVERY)


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

    def publish(self, channels: Sequence[str]) -> bool:
        """All in one round trip; whether the broker took them."""
        if time.monotonic() < self._silent_until:
            return False
        try:
            if len(channels) == 1:
                self._client.publish(channels[0], b"1")
            else:
                self._publish_together(channels)
        except (RedisError, OSError):
            self._silent_until = time.monotonic() + PAUSE
            return False
        return True

    def _publish_together(self, channels: Sequence[str]) -> None:
        with self._client.pipeline(transaction=False) as pipeline:
            for channel in channels:
                pipeline.publish(channel, b"1")
            pipeline.execute()

    def answers(self) -> bool:
        try:
            return bool(self._client.ping())
        except (RedisError, OSError):
            return False


def _publish(*channels: str) -> None:
    url = Settings.current().broker_url
    if url is None or not _Publisher.of(url).publish(channels):
        for channel in channels:
            for tell in tuple(nearby):
                tell(channel)


def _redis_url(url: str) -> str:
    return url.replace("redis+socket://", "unix://", 1)
