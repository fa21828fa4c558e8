"""Checkpoints on their way into the object store, behind the batches that are stored.

A checkpoint comes here once the database has everything that was recorded before it, and is listed there once
it is published. Meanwhile points are still stored. The journal keeps what waits here: a killed process's
successor uploads it (`worker.recording.replay`).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from backend.artifacts.bucket import StoreAway
from backend.artifacts.service import ObjectStore
from backend.domain.records import Checkpoint
from backend.kit.errors import Unavailable
from backend.kit.retry import retry
from backend.runs.checkpoint_files import remove_published
from worker.recording.entries import Entry, Released
from worker.recording.store import Store
from worker.recording.write_behind import Keeper

OfCheckpoints = Checkpoint | Released
FIRST_PAUSE, MAX_PAUSE = 0.3, 5.0  # seconds between two tries while the store is away

log = logging.getLogger(__name__)


def parted(entries: Sequence[Entry]) -> tuple[list[Entry], list[OfCheckpoints]]:
    """What a batch says of checkpoints, apart from the rest."""
    others: list[Entry] = []
    of_checkpoints: list[OfCheckpoints] = []
    for entry in entries:
        if isinstance(entry, Checkpoint | Released):
            of_checkpoints.append(entry)
        else:
            others.append(entry)
    return others, of_checkpoints


def in_safe_order(entries: Sequence[OfCheckpoints]) -> list[OfCheckpoints]:
    """What is let go leaves only once what replaces it is there, however much waited for the store."""
    return sorted(entries, key=lambda entry: isinstance(entry, Released))


class Publisher:
    """Publishes one attempt's checkpoints, and removes those that nothing needs."""

    def __init__(
        self, objects: ObjectStore, artifacts: Path, store: Store, remove: Callable[[str], None]
    ) -> None:
        self._objects = objects
        self._artifacts = artifacts
        self._store = store
        self.remove = remove  # from the disk

    def carry_out(self, entry: OfCheckpoints) -> None:
        """Safe to repeat. StoreAway, Unavailable: try again; LostRun."""
        if isinstance(entry, Released):
            going = self._store.release(entry.paths)
            for path in going:
                self.remove(path)
            remove_published(self._objects, going)
            return
        try:
            self._objects.publish(self._artifacts / entry.path, entry.path)
        except FileNotFoundError:
            log.info("Not uploaded, because it is no longer kept: %s", entry.path)
        else:
            self._store.list_checkpoint(entry)


class Uploads:
    """A Keeper around the journal: batches count as stored once their checkpoints are published, too.

    `say` reports in the run's log, once per outage, why a checkpoint waits. An error other than Unavailable
    ends uploading, and is raised by `take` and `flush`.
    """

    def __init__(
        self,
        publisher: Publisher,
        journal: Keeper[Entry],
        say: Callable[[str, str], None],
        done: Callable[[], None],
    ) -> None:
        self._publisher = publisher
        self._journal = journal
        self._say = say
        self._done = done
        self._waiting: list[OfCheckpoints] = []
        self._at_work = False
        self._stored = 0  # the last batch that only waits for what waits here
        self._closing = False
        self._away = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()
        threading.Thread(target=self._guarded, name="uploads", daemon=True).start()

    def keep(self, entries: Sequence[Entry]) -> int:
        return self._journal.keep(entries)

    def stored(self, number: int) -> None:
        with self._changed:
            self._stored = number
            self._tell_journal()

    def close(self) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._journal.close()

    def take(self, entries: Sequence[OfCheckpoints]) -> None:
        """Carry these out in order, later. A checkpoint that is let go before its turn is not uploaded."""
        let_go: set[str] = set()
        with self._changed:
            self._raise_error()
            for entry in entries:
                if isinstance(entry, Released):
                    unsent = {each.path for each in self._waiting if isinstance(each, Checkpoint)}
                    let_go |= unsent & set(entry.paths)
                self._waiting.append(entry)
            self._waiting = [
                each for each in self._waiting if not (isinstance(each, Checkpoint) and each.path in let_go)
            ]
            self._waiting = in_safe_order(self._waiting)
            self._changed.notify_all()
        for path in let_go:  # the database never listed it
            self._publisher.remove(path)

    def flush(self) -> None:
        """Wait until everything that was taken is carried out, however long the store is away."""
        with self._changed:
            self._changed.wait_for(lambda: self._error or not (self._waiting or self._at_work))
            self._raise_error()

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _tell_journal(self) -> None:
        if not (self._waiting or self._at_work):
            self._journal.stored(self._stored)

    def _guarded(self) -> None:
        try:
            while (entry := self._next()) is not None:
                self._carry_out(entry)
        except BaseException as error:  # noqa: BLE001 — handed to whoever calls next
            with self._changed:
                self._error = error
                self._changed.notify_all()

    def _next(self) -> OfCheckpoints | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            if self._closing:
                return None
            self._at_work = True
            return self._waiting.pop(0)

    def _carry_out(self, entry: OfCheckpoints) -> None:
        retry(lambda: self._publisher.carry_out(entry), Unavailable, self._wait, FIRST_PAUSE, MAX_PAUSE)
        if self._away:
            self._away = False
            self._say("The object store answers again.", "info")
        with self._changed:
            self._at_work = False
            self._tell_journal()
            self._changed.notify_all()
        self._done()

    def _wait(self, error: Unavailable, pause: float) -> bool:
        log.warning("A checkpoint waits: %s", error)
        if isinstance(error, StoreAway) and not self._away:
            self._away = True
            self._say(
                f"Checkpoints stay on this machine until the object store answers: {error.message}", "warning"
            )
        with self._changed:
            return not self._changed.wait_for(lambda: self._closing, timeout=pause)
