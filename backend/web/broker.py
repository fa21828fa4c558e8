"""Redis as `notify` uses it. Loaded with the first notification: redis takes a tenth of a second."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from functools import lru_cache

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.client import PubSub
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

PATIENCE = 0.02  # seconds for connecting and for each answer: a page must not wait for a notification
PAUSE = 2.0  # seconds without another try after a failure


class Publisher:
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
    def of(url: str) -> Publisher:
        """The one of this process for a broker."""
        return Publisher(url)

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
        """Whether the broker answers now."""
        try:
            return bool(self._client.ping())
        except (RedisError, OSError):
            return False


async def heard(url: str, every: float, *patterns: str) -> AsyncIterator[str | None]:
    """The channels of notifications, and None for `every` silent seconds, until the connection is lost."""
    client = AsyncRedis.from_url(_redis_url(url), socket_connect_timeout=1, retry=None)
    subscription: PubSub = client.pubsub(ignore_subscribe_messages=True)
    try:
        await subscription.psubscribe(*patterns)
        while True:
            message = await subscription.get_message(timeout=every)
            yield message["channel"].decode() if message else None
    except (RedisError, OSError):
        return
    finally:
        await subscription.aclose()  # type: ignore[no-untyped-call]
        await client.aclose()


def _redis_url(url: str) -> str:
    return url.replace("redis+socket://", "unix://", 1)
