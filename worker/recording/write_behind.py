"""Write behind a training loop's back: it appends to a list, a thread writes in bulk and in order.

Nothing is dropped. While the store cannot be reached the thread tries again and the list grows; beyond
`most` entries the loop waits, which is the only time it does.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from backend.kit.errors import Unavailable
from backend.kit.retry import retry

Entry = TypeVar("Entry")

EVERY = 0.3  # seconds between two writes
MAX_PAUSE = 5.0  # seconds between two attempts while the store is away

log = logging.getLogger(__name__)


class WriteBehind(Generic[Entry]):
    """Hands entries to `write` in the order they were put, in batches, each again until it is written.

    `write` raises Unavailable to be tried again; any other error ends writing and is raised to the next
    caller.
    """

    def __init__(self, write: Callable[[Sequence[Entry]], None], most: int = 1_000_000) -> None:
        self._write = write
        self._most = most
        self._entries: list[Entry] = []
        self._changed = threading.Condition()
        self._put = 0
        self._written = 0
        self._hurried = False
        self._closing = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="write-behind", daemon=True)
        self._thread.start()

    def put(self, entry: Entry) -> None:
        """Take an entry; returns at once unless `most` wait already."""
        with self._changed:
            self._raise_error()
            while self._put - self._written >= self._most and threading.current_thread() is not self._thread:
                self._changed.wait()
                self._raise_error()
            self._entries.append(entry)
            self._put += 1

    def flush(self) -> None:
        """Wait until everything put so far is written, however long the store is away."""
        with self._changed:
            target = self._put
            self._hurried = True
            self._changed.notify_all()
            while self._written < target:
                self._raise_error()
                self._changed.wait()

    def close(self) -> None:
        """Write what is left and end the thread."""
        try:
            self.flush()
        finally:
            with self._changed:
                self._closing = True
                self._changed.notify_all()
            self._thread.join()

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        try:
            while (batch := self._next_batch()) is not None:
                if batch:
                    self._persist(batch)
        except BaseException as error:  # noqa: BLE001 — handed to whoever calls next
            with self._changed:
                self._error = error
                self._changed.notify_all()

    def _next_batch(self) -> list[Entry] | None:
        """Everything put since the last time, at most every `EVERY` seconds; None when it is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._hurried or self._closing, timeout=EVERY)
            if self._closing and not self._entries:
                return None
            batch, self._entries = self._entries, []
            self._hurried = False
            return batch

    def _persist(self, batch: list[Entry]) -> None:
        def wait(error: Unavailable, pause: float) -> bool:
            log.warning("%d entries wait: %s", len(batch), error)
            with self._changed:
                return not self._changed.wait_for(lambda: self._closing, timeout=pause)

        retry(lambda: self._write(batch), Unavailable, wait, EVERY, MAX_PAUSE)
        with self._changed:
            self._written += len(batch)
            self._changed.notify_all()
