"""Write behind a training loop's back: it appends to a list, threads write in bulk and in order.

Nothing is dropped. One thread keeps every batch in a journal, another one stores it. While the store cannot
be reached that one tries again and the list grows; beyond `most` entries the loop waits, which is the only
time it does.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from backend.kit.errors import Unavailable
from backend.kit.retry import retry

Entry = TypeVar("Entry")
Kept = TypeVar("Kept", contravariant=True)

EVERY = 0.3  # seconds between two batches
MAX_PAUSE = 5.0  # seconds between two attempts while the store is away

log = logging.getLogger(__name__)


class Keeper(Protocol[Kept]):
    """Where batches are until they are stored."""

    def keep(self, entries: Sequence[Kept]) -> int: ...

    def stored(self, number: int) -> None: ...

    def close(self) -> None: ...


class WriteBehind(Generic[Entry]):
    """Hands entries to `write` in the order they were put, in batches, each again until it is written.

    `write(entries, number)` gets the number that `journal` gave to the last of them. It raises Unavailable to
    be tried again with the same entries; any other error ends writing and is raised to the next caller.
    """

    def __init__(
        self,
        write: Callable[[Sequence[Entry], int], None],
        journal: Keeper[Entry],
        most: int = 1_000_000,
    ) -> None:
        self._write = write
        self._journal = journal
        self._most = most
        self._entries: list[Entry] = []
        self._kept: list[Entry] = []
        self._number = 0
        self._changed = threading.Condition()
        self._put = 0
        self._in_journal = 0
        self._written = 0
        self._hurried = False
        self._closing = False
        self._all_kept = False
        self._error: BaseException | None = None
        self._threads = [
            threading.Thread(target=self._guarded, args=[work], name=name, daemon=True)
            for work, name in ((self._keep_all, "journal"), (self._store_all, "write-behind"))
        ]
        for thread in self._threads:
            thread.start()

    def put(self, entry: Entry) -> None:
        """Take an entry; returns at once unless `most` wait already."""
        with self._changed:
            self._raise_error()
            while self._put - self._written >= self._most and threading.current_thread() not in self._threads:
                self._changed.wait()
                self._raise_error()
            self._entries.append(entry)
            self._put += 1

    def settle(self) -> None:
        """Wait until the journal has had everything put so far, which takes as long as a write to a file."""
        with self._changed:
            target = self._put
            self._hurried = True
            self._changed.notify_all()
            while self._in_journal < target:
                self._raise_error()
                self._changed.wait()

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
        """Write what is left and end the threads."""
        try:
            self.flush()
        finally:
            with self._changed:
                self._closing = True
                self._changed.notify_all()
            for thread in self._threads:
                thread.join()
            self._journal.close()

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 — handed to whoever calls next
            with self._changed:
                self._error = error
                self._changed.notify_all()
            self._journal.close()

    def _keep_all(self) -> None:
        while (batch := self._next_batch()) is not None:
            if batch:
                number = self._journal.keep(batch)
                with self._changed:
                    self._kept += batch
                    self._number = number
                    self._in_journal += len(batch)
                    self._changed.notify_all()
        with self._changed:
            self._all_kept = True
            self._changed.notify_all()

    def _next_batch(self) -> list[Entry] | None:
        """Everything put since the last time, at most every `EVERY` seconds; None when it is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._hurried or self._closing, timeout=EVERY)
            if self._error is not None or (self._closing and not self._entries):
                return None
            batch, self._entries = self._entries, []
            self._hurried = False
            return batch

    def _store_all(self) -> None:
        while (found := self._next_kept()) is not None:
            self._store(*found)

    def _next_kept(self) -> tuple[list[Entry], int] | None:
        """Everything kept since the last time, and its number; None when it is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._kept or self._all_kept or self._error)
            if not self._kept:
                return None
            batch, self._kept = self._kept, []
            return batch, self._number

    def _store(self, batch: list[Entry], number: int) -> None:
        def wait(error: Unavailable, pause: float) -> bool:
            log.warning("%d entries wait: %s", len(batch), error)
            with self._changed:
                return not self._changed.wait_for(lambda: self._closing, timeout=pause)

        retry(lambda: self._write(batch, number), Unavailable, wait, EVERY, MAX_PAUSE)
        self._journal.stored(number)
        with self._changed:
            self._written += len(batch)
            self._changed.notify_all()
