"""Tell open pages that something changed. Redis only delivers and may be lost: the database is the truth."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence

from backend.settings import Settings

RUNS = "etrm:runs"  # the table of runs or of workers
OF_RUN = "etrm:run:"  # and the run's id
OF_PLAY = "etrm:play:"  # and the play's id
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


def play_changed(play_id: str) -> None:
    """A play was taken, answered or ended. Never raises."""
    _publish(channel_of_play(play_id))


def channel_of_play(play_id: str) -> str:
    """The channel of one play's notifications."""
    return f"{OF_PLAY}{play_id}"


def channel_of(run_id: str) -> str:
    """The channel of one run's notifications."""
    return f"{OF_RUN}{run_id}"


def reachable() -> bool:
    """Whether the broker answers now."""
    url = Settings.current().broker_url
    if url is None:
        return False
    from backend.web.broker import Publisher

    return Publisher.of(url).answers()


async def listen(every: float = POLL_INTERVAL) -> AsyncIterator[str | None]:
    """The channels of all notifications as they come; None once it listens and after `every` silent seconds.

    One connection for all of them. A broker that is away or lost turns this into a timer until it is back.
    """
    url = Settings.current().broker_url
    while True:
        if url is not None:
            from backend.web.broker import heard

            async for channel in heard(url, every, RUNS, f"{OF_RUN}*", f"{OF_PLAY}*"):
                yield channel
        await asyncio.sleep(every)
        yield None


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


def _publish(*channels: str) -> None:
    if not _sent(channels):
        for channel in channels:
            for tell in tuple(nearby):
                tell(channel)


def _sent(channels: Sequence[str]) -> bool:
    url = Settings.current().broker_url
    if url is None:
        return False
    from backend.web.broker import Publisher

    return Publisher.of(url).publish(channels)
