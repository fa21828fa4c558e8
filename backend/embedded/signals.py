"""Signals turned into something a loop can wait for."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Signals:
    """How often we were asked to stop, and a wait that a signal or a child's end cuts short."""

    def __init__(self, wake: int) -> None:
        self.stop_requests = 0
        self._wake = wake

    def wait(self, seconds: float) -> None:
        """Return after `seconds`, or as soon as a signal has come since the last wait."""
        readable, _, _ = select.select([self._wake], [], [], max(0.0, seconds))
        if readable:
            os.read(self._wake, 4096)

    def _ask_to_stop(self, number: int, frame: FrameType | None) -> None:
        self.stop_requests += 1

    def _child_ended(self, number: int, frame: FrameType | None) -> None:
        """Nothing to do here: the waiting loop has been woken and looks for itself."""


@contextmanager
def listening() -> Iterator[Signals]:
    """Take over SIGINT, SIGTERM, SIGHUP and SIGCHLD while the block runs. For the main thread."""
    wake, wakened = os.pipe()
    os.set_blocking(wakened, False)
    signals = Signals(wake)
    before = {each: signal.getsignal(each) for each in (*_STOPPING, signal.SIGCHLD)}
    before_fd = signal.set_wakeup_fd(wakened, warn_on_full_buffer=False)
    for each in _STOPPING:
        if not (each == signal.SIGHUP and before[each] == signal.SIG_IGN):  # under nohup it stays ignored
            signal.signal(each, signals._ask_to_stop)
    signal.signal(signal.SIGCHLD, signals._child_ended)
    try:
        yield signals
    finally:
        signal.set_wakeup_fd(before_fd)
        for each, handler in before.items():
            signal.signal(each, handler)
        os.close(wake)
        os.close(wakened)
