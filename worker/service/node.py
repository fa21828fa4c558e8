"""This machine as a place to work: what it offers, and what is wrong with it now."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future

from sqlalchemy import Engine

from backend.db import clock
from backend.db.session import reading_scope
from backend.kit.aside import aside
from backend.kit.format import rough_duration
from backend.kit.retry import pause_after
from backend.settings import Settings
from backend.workers.capability import Offer
from worker.service import fitness, machine
from worker.service.fitness import Trouble

FIRST_REST = 30.0  # seconds out of service after a fault that no check sees; doubled with each in a row
LONGEST_REST = 900.0
STORE_INTERVAL = 60.0  # seconds between two looks at an object store that is well

log = logging.getLogger(__name__)


class Node:
    """What a worker knows of its machine. `trouble` is why it takes no work; None: it does."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self.device = machine.device_info()
        self.labels = settings.labels
        self.trouble: Trouble | None = None
        self.clock_ahead = 0.0  # seconds before the database's clock
        self.schema_fits = False  # nothing may be written to tables of another version
        self._engine = engine
        self._settings = settings
        self._store_is_well_until = 0.0  # by the monotonic clock
        self._one_at_a_time = threading.Lock()
        self._torch_works = False
        self._probe: Future[Trouble | None] | None = None
        self._blamed: Trouble | None = None
        self._faults = 0  # in a row
        self._rests_until = 0.0  # by the monotonic clock

    @property
    def offer(self) -> Offer:
        """What runs may ask of this machine."""
        return Offer(self.device.kind, self.device.memory_bytes, frozenset(self.labels))

    def prove(self) -> Trouble | None:
        """Look whether the machine can carry a run; what is wrong first. Unavailable without a database."""
        with self._one_at_a_time:
            found = next(self._troubles(), None)
            if found != self.trouble:
                self._tell(found)
            self.trouble = found
            return found

    def blame(self, cause: str) -> None:
        """A run met a fault of this machine that no check sees: rest before the next, longer each time."""
        with self._one_at_a_time:
            if time.monotonic() < self._rests_until:
                return  # it is known
            self._faults += 1
            pause = pause_after(self._faults, FIRST_REST, LONGEST_REST)
            self._rests_until = time.monotonic() + pause
            self._torch_works = False
            advice = f"Check this machine. It takes work again after {rough_duration(pause)}."
            self._blamed = Trouble(cause, advice)

    def exonerate(self) -> None:
        """Something was carried to its end here."""
        self._faults = 0

    def _troubles(self) -> Iterator[Trouble]:
        of_storage = (self._folder, self._room, self._store)
        checks = (self._database, self._rest, *of_storage, self._device, self._torch)
        return (found for check in checks if (found := check()))

    def _database(self) -> Trouble | None:
        with reading_scope(self._engine) as session:
            foreign = fitness.schema(session)
            self.schema_fits = foreign is None
            self.clock_ahead = clock.skew(session)
        return foreign or fitness.clock_of(self.clock_ahead)

    def _rest(self) -> Trouble | None:
        return self._blamed if time.monotonic() < self._rests_until else None

    def _folder(self) -> Trouble | None:
        return fitness.folder(self._settings.artifacts)

    def _room(self) -> Trouble | None:
        return fitness.room(self._settings.artifacts, self._settings.min_free_gib)

    def _store(self) -> Trouble | None:
        """Asked seldom while it is well: four requests each time."""
        if time.monotonic() < self._store_is_well_until:
            return None
        found = fitness.object_store(self._settings)
        if found is None:
            self._store_is_well_until = time.monotonic() + STORE_INTERVAL
        return found

    def _device(self) -> Trouble | None:
        return fitness.device(self.device.kind) if self.device.kind != "cpu" else None

    def _torch(self) -> Trouble | None:
        """Waking a GPU can take longer than signs of life may be apart: then the next look has the answer."""
        if self._torch_works:
            return None
        self._probe = self._probe or aside(lambda: fitness.torch_device(self.device.kind), "torch probe")
        try:
            found = self._probe.result(timeout=fitness.PATIENCE)
        except TimeoutError:
            return fitness.TORCH_IS_TRIED
        self._probe, self._torch_works = None, found is None
        return found

    def _tell(self, found: Trouble | None) -> None:
        if found is None:
            log.warning("Fit again: this worker takes work.")
        else:
            log.error("Out of service, this worker takes no work: %s %s", found.cause, found.advice)
