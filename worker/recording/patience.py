"""Wait out a database that is away, hangs, is locked or takes no writes; and an object store."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from backend.artifacts.bucket import StoreAway
from backend.domain.arc.task import Task
from backend.kit.errors import Unavailable
from backend.kit.retry import retry
from worker.data.sets import TaskSource
from worker.training.stop import StopSignal

Result = TypeVar("Result")
MAX_PAUSE = 5.0  # seconds between two tries

log = logging.getLogger(__name__)


def waited_out(work: Callable[[], Result], stop: StopSignal) -> Result:
    """What `work` returns once it no longer raises Unavailable, which it does once a stop is requested."""

    def wait(error: Unavailable, pause: float) -> bool:
        what = "object store" if isinstance(error, StoreAway) else "database"
        log.warning("Waiting for the %s: %s", what, error)
        time.sleep(pause)
        return not stop.requested

    return retry(work, Unavailable, wait, longest=MAX_PAUSE)


class PatientTasks:
    """A TaskSource that waits for the one it asks."""

    def __init__(self, source: TaskSource, stop: StopSignal) -> None:
        self._source = source
        self._stop = stop

    def tasks(self, set_name: str) -> tuple[Task, ...]:
        return waited_out(lambda: self._source.tasks(set_name), self._stop)
