"""How far, how fast, how long still."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Literal

from backend.domain.records import Progress

Phase = Literal["loading", "training", "evaluating"]
_WINDOW = 20  # marks the speed is measured over: old enough to be calm, young enough to follow a change


class Meter:
    """Turns counts of things done into progress with the time left, from the recent speed."""

    def __init__(
        self, phase: Phase, total: int, done: int = 0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.phase: Phase = phase
        self.total = total
        self._clock = clock
        self._marks: deque[tuple[float, int]] = deque([(clock(), done)], maxlen=_WINDOW)

    def mark(self, done: int) -> Progress:
        """Progress now that `done` of the total are done; no time left is given before the first is."""
        self._marks.append((self._clock(), done))
        speed = self.speed
        left = (self.total - done) / speed if speed > 0 else None
        return Progress(self.phase, done, self.total, left)

    @property
    def speed(self) -> float:
        """Things per second over the last marks; 0 while unknown."""
        (started, first), (now, last) = self._marks[0], self._marks[-1]
        return (last - first) / (now - started) if now > started else 0.0
