"""How busy a worker's device is now, for its sign of life."""

from __future__ import annotations

import logging
from concurrent.futures import Future

import psutil

from backend.domain.metrics.system import MEMORY, UTILISATION
from backend.kit.aside import aside
from worker.service import machine
from worker.service.gpus import Gpus

PATIENCE = 1.0  # seconds: a driver that hangs must not hold up a sign of life
log = logging.getLogger(__name__)
Use = tuple[float | None, int | None]  # utilisation from 0 to 1, bytes of memory


class DeviceUse:
    """Reads utilisation and memory of the first GPU, or of the machine where the device is its CPU."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._gpus = Gpus()
        self._answer: Future[Use] | None = None
        psutil.cpu_percent()  # it counts from one call to the next

    def read(self) -> Use:
        """Utilisation since the last time and memory in use now; None for what the device does not tell."""
        if self._kind == "cpu":
            return psutil.cpu_percent() / 100, machine.memory_in_use()
        self._answer = self._answer or aside(self._of_gpu, "GPU figures")
        try:
            found = self._answer.result(timeout=PATIENCE)
        except TimeoutError:
            return None, None
        except Exception:  # whatever a driver makes of it: figures are no reason to report nothing
            log.exception("No GPU figures.")
            found = (None, None)
        self._answer = None
        return found

    def _of_gpu(self) -> Use:
        first = next(iter(self._gpus.read()), {})
        memory = first.get(MEMORY)
        return first.get(UTILISATION), None if memory is None else int(memory)
