"""A request to stop, looked at between steps and between test inputs."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopSignal:
    """Asked to stop or not, and why. Safe to use from a signal handler and from other threads."""

    def __init__(self) -> None:
        self.reason = ""

    @property
    def requested(self) -> bool:
        return bool(self.reason)

    def request(self, reason: str = "stop requested") -> None:
        """Ask; the first reason stays."""
        self.reason = self.reason or reason

    @contextmanager
    def on_signals(self) -> Iterator[StopSignal]:
        """SIGTERM and Ctrl-C ask inside this block; a second Ctrl-C interrupts at once. Main thread only."""

        def handle(number: int, _frame: FrameType | None) -> None:
            if number == signal.SIGINT and self.requested:
                raise KeyboardInterrupt
            self.request("interrupted" if number == signal.SIGINT else "received SIGTERM")

        before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
