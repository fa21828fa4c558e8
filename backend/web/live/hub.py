"""The event streams of this process: their topics, what rings them, and who may stay."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Hashable
from contextvars import Context
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from backend.kit.errors import EtrmError, Unavailable
from backend.web import notify
from backend.web.live.packets import HEARTBEAT, OPEN
from backend.web.live.reader import Reader
from backend.web.live.slots import Slots
from backend.web.live.snapshots import Marker, Snapshots
from backend.web.live.source import Source
from backend.web.live.topic import Joining, Topic

Answer = TypeVar("Answer")
log = logging.getLogger(__name__)

POLL_INTERVAL = 2.0  # seconds between two questions whether anything was written that no notification told of
MAX_POLLED = 20  # topics that one such question makes look, the longest-waiting first
BEATS = 10  # groups of readers, each of which hears a heartbeat in its turn


@dataclass(frozen=True)
class Timing:
    """How often a hub does what nobody asks it to. Seconds."""

    heartbeat: float = 10.0  # live.js takes a stream that is silent for 25 for dead
    poll: float = POLL_INTERVAL


class Hub:
    """All open streams of one process. Its methods belong to the event loop's thread.

    `valid(session, credentials)` gives those of the credentials that still open the lab.
    """

    def __init__(
        self,
        snapshots: Snapshots,
        slots: Slots,
        valid: Callable[[Session, Collection[str]], set[str]],
        timing: Timing = Timing(),
    ) -> None:
        self._snapshots = snapshots
        self._slots = slots
        self._valid = valid
        self._timing = timing
        self._topics: dict[Hashable, Topic] = {}
        self._tasks: dict[Topic, asyncio.Task[None]] = {}
        self._topic_of: dict[Reader, Topic] = {}
        self._own: list[asyncio.Task[None]] = []
        self._is_closed = False

    @property
    def open_streams(self) -> int:
        """How many streams are open."""
        return self._slots.taken

    async def open(
        self, owner: str, credential: str, key: Hashable, make: Callable[[], Source[Any]], start: Hashable
    ) -> Reader:
        """A reader that follows the source called `key`, from `start`; `leave` it in the end.

        TooManyRequests over a limit, and what the source refuses a reader with.
        """
        if self._is_closed:
            raise Unavailable("The server is stopping.", "Try again in a moment.")
        self._slots.take(owner)
        reader = Reader(owner, credential)
        reader.put(OPEN)
        self._begin()
        topic = self._topics.get(key) or self._new_topic(key, make())
        self._topic_of[reader] = topic
        joined: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        topic.join(Joining(reader, start, joined))
        try:
            await joined
        except BaseException:
            self.leave(reader)
            raise
        return reader

    def leave(self, reader: Reader) -> None:
        """The stream is over; may be called again."""
        topic = self._topic_of.pop(reader, None)
        if topic is None:
            return
        self._slots.give_back(reader.owner)
        reader.close()
        topic.leave(reader)
        if not topic.members:
            self._topics = {key: each for key, each in self._topics.items() if each is not topic}
            self._tasks.pop(topic).cancel()

    def end_all(self) -> None:
        """Let every stream end after what it has to say already: the server stops."""
        self._is_closed = True
        for reader in self._topic_of:
            reader.close()

    async def close(self) -> None:
        """End all streams and wait for what works behind them."""
        self.end_all()
        notify.nearby.discard(self._heard_nearby)
        tasks = [*self._own, *self._tasks.values()]
        while unfinished := [task for task in tasks if not task.done()]:
            for task in unfinished:  # again and again: while a connection is being made, one can get lost
                task.cancel()
            await asyncio.wait(unfinished, timeout=0.5)
        await asyncio.to_thread(self._snapshots.close)

    def _begin(self) -> None:
        """What works behind the streams starts with the first of them, and is about no single request."""
        if self._own:
            return
        self._loop = asyncio.get_running_loop()
        notify.nearby.add(self._heard_nearby)
        works = (self._listen, self._poll, self._beat)
        self._own = [asyncio.create_task(work(), context=Context()) for work in works]

    def _new_topic(self, key: Hashable, source: Source[Any]) -> Topic:
        topic = self._topics[key] = Topic(source, self._snapshots)
        self._tasks[topic] = asyncio.create_task(topic.live(), context=Context())
        return topic

    def _ring(self, channel: str) -> None:
        for topic in self._topics.values():
            if topic.source.channel == channel:
                topic.ring()

    def _heard_nearby(self, channel: str) -> None:
        """A notification of this process that the broker did not take; called in any thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._ring, channel)

    async def _listen(self) -> None:
        async for channel in notify.listen():
            if channel is not None:
                self._ring(channel)

    async def _poll(self) -> None:
        """Notifications can be lost, and a clock tells nobody: one question for all topics."""
        while True:
            await asyncio.sleep(self._timing.poll)
            if not self._topics:
                continue
            marker = await self._asked(self._read_marker)
            if marker is None:
                continue
            waiting = sorted(self._topics.values(), key=lambda topic: topic.looked_at)
            rung = 0
            for topic in waiting:
                rung += topic.ring_if_older(marker)
                if rung == MAX_POLLED:
                    break

    async def _asked(self, question: Callable[[], Answer]) -> Answer | None:
        """None while the database does not answer: what is asked now and then is asked again."""
        try:
            return await self._snapshots.run(question)
        except EtrmError as error:
            log.warning("Event streams cannot ask the database: %s", error)
        except Exception:
            log.exception("event streams cannot ask the database")
        return None

    def _read_marker(self) -> Marker:
        with self._snapshots.reading() as (_, marker):
            return marker

    async def _beat(self) -> None:
        """Every reader hears a heartbeat in its turn, so that they do not all wake at once; each round begins
        with the question who may still read."""
        while True:
            await self._end_invalid()
            for beat in range(BEATS):
                started = time.monotonic()
                for reader in [each for each in self._topic_of if each.number % BEATS == beat]:
                    if reader.is_idle:
                        reader.put(HEARTBEAT)
                await asyncio.sleep(max(0.0, started + self._timing.heartbeat / BEATS - time.monotonic()))

    async def _end_invalid(self) -> None:
        """End the streams of whoever was let in by what is revoked or expired by now."""
        credentials = {reader.credential for reader in self._topic_of}
        if not credentials:
            return
        valid = await self._asked(lambda: self._read_valid(credentials))
        if valid is None:
            return
        for reader in self._topic_of:
            if reader.credential in credentials - valid:
                reader.close()

    def _read_valid(self, credentials: Collection[str]) -> set[str]:
        with self._snapshots.reading() as (session, _):
            return self._valid(session, credentials)
