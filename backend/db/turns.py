"""Writers of one process take turns before they wait for SQLite's lock.

SQLite lets one transaction write and has the others try again and again, in no order: of many threads that
wait for another process's lock, each would take up a thread of the server. Here only the thread whose turn it
is tries. The rest wait for their turn in the order in which they came, so that one who writes again and again
keeps nobody out, and give up as soon as the one before them has tried in vain for a while: then it is another
process that writes, and waiting in a row helps nobody.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from backend.kit.errors import Unavailable

STUCK = 1.0  # seconds in vain at the lock, after which those behind give up
LOCKED = "Could not use the database: another process has been writing to it for too long."
LOCKED_HINT = "Try again in a moment."


class Turns:
    """Who may try to begin a writing transaction."""

    def __init__(self, wait: float) -> None:
        self._wait = wait
        self._changed = threading.Condition()
        self._waiting: deque[object] = deque()
        self._holder: int | None = None  # a thread; it may take its turn again within it
        self._depth = 0
        self._trying_since: float | None = None

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold the turn for the block. Unavailable if it does not come."""
        self._take()
        try:
            yield
        finally:
            self._give_back()

    @contextmanager
    def trying(self) -> Iterator[None]:
        """The holder waits for the lock of the file in this block."""
        self._trying_since = time.monotonic()
        try:
            yield
        finally:
            self._trying_since = None

    def _take(self) -> None:
        me, place = threading.get_ident(), object()
        until = time.monotonic() + self._wait
        with self._changed:
            if self._holder != me:
                self._waiting.append(place)
                try:
                    while self._holder is not None or self._waiting[0] is not place:
                        if self._is_stuck() or time.monotonic() > until:
                            raise Unavailable(LOCKED, LOCKED_HINT)
                        self._changed.wait(0.1)
                finally:
                    self._waiting.remove(place)
                    self._changed.notify_all()
            self._holder, self._depth = me, self._depth + 1

    def _is_stuck(self) -> bool:
        since = self._trying_since
        return since is not None and time.monotonic() - since > STUCK

    def _give_back(self) -> None:
        with self._changed:
            self._depth -= 1
            if not self._depth:
                self._holder = None
                self._changed.notify_all()
