"""When to look at the database again for an open event stream, and when to end it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Protocol

from anyio import CancelScope
from anyio.to_thread import run_sync
from fastapi.sse import ServerSentEvent

from backend.kit.errors import EtrmError
from backend.web import notify

log = logging.getLogger(__name__)

POLL_INTERVAL = 2.0  # seconds after which a stream looks even if it heard nothing
HEARTBEAT_EVERY = 10.0  # seconds; live.js takes a stream without for dead
RETRY = 2000  # milliseconds a browser waits before it connects again


class Stream(Protocol):
    """What one open page follows. It remembers what it has sent."""

    over: bool  # everything was sent and nothing more will come
    pause: float  # seconds between two looks, however fast the notifications come

    def look(self) -> Sequence[ServerSentEvent]:
        """What is new since the last look; opens and closes its own database session."""
        ...


async def follow(
    stream: Stream, run_id: str | None, stopping: asyncio.Event
) -> AsyncGenerator[ServerSentEvent]:
    """The events of a stream until it is over, the server stops or the database is away.

    `heartbeat` in between: a connection that broke without a word (a pulled cable, a proxy that forgot it) is
    known by its silence. The comments that keep proxies awake reach no script.
    """
    said = time.monotonic()
    yield ServerSentEvent(comment="open", retry=RETRY)
    async with aclosing(_moments(run_id, stream.pause, stopping)) as moments:
        async for _ in moments:
            try:
                events = await run_sync(stream.look)
            except EtrmError as error:
                log.warning("An event stream ended: %s", error)
                return
            for event in events:
                yield event
            if time.monotonic() - said >= HEARTBEAT_EVERY:
                said = time.monotonic()
                yield ServerSentEvent(event="heartbeat", data={})
            if stream.over:
                return


async def _moments(run_id: str | None, pause: float, stopping: asyncio.Event) -> AsyncGenerator[None]:
    """Yield at once, then whenever something may have changed; end when the server stops."""
    bell = asyncio.Event()
    listener: asyncio.Task[None] | None = None
    try:
        while not stopping.is_set():
            bell.clear()
            yield
            if listener is None:  # only now: most streams are of runs that are over, and end here
                listener = asyncio.create_task(_ring(bell.set, run_id))
            await _first_of(stopping, timeout=pause)
            await _first_of(stopping, bell, timeout=POLL_INTERVAL)
    finally:
        if listener is not None:
            await _end(listener)


async def _end(task: asyncio.Task[None]) -> None:
    """Cancel until it is over: while a connection is being made, one cancellation can get lost."""
    with CancelScope(shield=True):
        while not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=0.5)


async def _ring(ring: Callable[[], None], run_id: str | None) -> None:
    """Many notifications in a row ring once."""
    async for _ in notify.listen(run_id, POLL_INTERVAL):
        ring()


async def _first_of(*events: asyncio.Event, timeout: float) -> None:
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
