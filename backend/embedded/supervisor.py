"""Child processes kept alive, logged to files, and stopped in order. Knows nothing of what they serve."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from backend.embedded.signals import Signals
from backend.kit import die_with_parent
from backend.kit.errors import Unavailable
from backend.kit.retry import pause_after

LOG_BYTES = 8 * 2**20  # a log this long moves to NAME.log.1, whose place it takes
FIRST_PAUSE = 1.0
MAX_PAUSE = 30.0  # seconds between two attempts to start a child again
HEALTHY_AFTER = 60.0  # seconds of life after which the next crash counts as the first
TICK = 1.0
TAIL_BYTES = 4096
FIRST_REPORT = 5.0  # seconds of waiting after which the user is told what is awaited
REPORT_INTERVAL = 10.0  # and then so often at most, if the child does something else by then


class Stopped(Exception):
    """The user asked to stop while something was starting."""


@dataclass(frozen=True)
class Service:
    """What to run. `grace`: seconds between the request to stop and the kill."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    stdin: bytes = b""
    descriptors: tuple[int, ...] = ()
    grace: float = 10.0


class Child:
    """One service, running or waiting to be started again."""

    def __init__(self, service: Service, log: Path) -> None:
        self.service = service
        self.log = log
        self.crashes = 0
        self.start_again_at: float | None = None
        self.start()

    def start(self) -> None:
        """Start the process in a group of its own: a Ctrl-C in the terminal reaches the supervisor only."""
        self.started_at = time.monotonic()
        self.start_again_at = None
        with self.log.open("ab") as output:
            output.write(self._heading())
            self._output_begins = output.tell()
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-I",
                    "-S",
                    str(die_with_parent.__file__),
                    str(os.getpid()),
                    *self.service.command,
                ],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.service.environment},
                pass_fds=self.service.descriptors,
                process_group=0,
            )
        assert self.process.stdin
        with contextlib.suppress(BrokenPipeError):  # it died already, which the next look will find
            self.process.stdin.write(self.service.stdin)
            self.process.stdin.close()

    @property
    def ending(self) -> str:
        """How it ended, in words; empty while it runs."""
        status = self.process.poll()
        if status is None:
            return ""
        if status < 0:
            with contextlib.suppress(ValueError):
                return f"was killed ({signal.Signals(-status).name})"
        return f"ended with exit status {status}"

    @property
    def last_line(self) -> str:
        """The last line it wrote since its latest start; empty if it has written none."""
        size = self.log.stat().st_size
        begins = self._output_begins if self._output_begins <= size else 0  # 0: the log was rotated
        with self.log.open("rb") as file:
            file.seek(max(begins, size - TAIL_BYTES))
            lines = file.read().decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def _heading(self) -> bytes:
        """The line above a start's output, so that a log is never empty. The command holds no password."""
        when = time.strftime("%Y-%m-%d %H:%M:%S")
        return f"--- {when} start: {shlex.join(self.service.command)}\n".encode()

    def crashed(self, now: float) -> float:
        """Note a crash; returns the seconds until the next attempt: 1, 2, 4 … `MAX_PAUSE`."""
        self.crashes = 1 if now - self.started_at > HEALTHY_AFTER else self.crashes + 1
        pause = pause_after(self.crashes, FIRST_PAUSE, MAX_PAUSE)
        self.start_again_at = now + pause
        return pause

    def ask_to_stop(self) -> None:
        """SIGTERM to the service itself, which knows best how to end what it started."""
        self.process.terminate()

    def kill_what_is_left(self) -> None:
        """SIGKILL to all of its group, and reap it."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Supervisor:
    """Starts services, starts crashed ones again, and stops all of them. `say` tells the user."""

    def __init__(self, logs: Path, signals: Signals, say: Callable[[str], None]) -> None:
        logs.mkdir(parents=True, exist_ok=True)
        self._logs = logs
        self._signals = signals
        self._say = say
        self._children: list[Child] = []

    def start(self, service: Service) -> Child:
        """Start a service; `stop` will end it before those that were started earlier."""
        log = self._logs / f"{service.name.replace(' ', '-')}.log"
        rotate(log)
        child = Child(service, log)
        self._children.append(child)
        return child

    def until(self, ready: Callable[[], bool], child: Child) -> None:
        """Wait until `ready`, as long as the child lives; of a long wait each stage is reported once.

        Raises: Unavailable if the child ends first, Stopped on a signal. There is no time limit: a slow
        machine needs minutes where a fast one needs a second, and whoever waits can press Ctrl-C.
        """
        began = time.monotonic()
        report_at = began + FIRST_REPORT
        reported: str | None = None  # what the child did then
        while not ready():
            if self._signals.stop_requests:
                raise Stopped
            if child.ending:
                last_line = child.last_line or "no output"
                raise Unavailable(
                    f"The {child.service.name} {child.ending} while starting: {last_line}",
                    f"Its log: {child.log}",
                )
            now = time.monotonic()
            if now >= report_at:
                report_at = now + REPORT_INTERVAL
                if (doing := child.last_line) != reported:
                    reported = doing
                    self._say(_waiting(child, doing, now - began))
            self._signals.wait(0.05)

    def watch(self) -> None:
        """Keep everything running until a signal asks to stop."""
        while not self._signals.stop_requests:
            now = time.monotonic()
            for child in self._children:
                self._look_after(child, now)
            due = [child.start_again_at for child in self._children if child.start_again_at is not None]
            self._signals.wait(min([TICK, *(each - now for each in due)]))

    def stop(self) -> None:
        """End the children, last started first, each with its grace; a second signal cuts it short."""
        patience = self._signals.stop_requests + 1
        for child in reversed(self._children):
            if not child.ending:
                child.ask_to_stop()
            deadline = time.monotonic() + child.service.grace
            while not child.ending and time.monotonic() < deadline:
                if self._signals.stop_requests >= patience:
                    break
                self._signals.wait(0.1)
            child.kill_what_is_left()
        self._children.clear()

    def _look_after(self, child: Child, now: float) -> None:
        rotate(child.log)
        if child.start_again_at is not None:
            if now >= child.start_again_at:
                child.start()
        elif child.ending:
            child.kill_what_is_left()
            pause = child.crashed(now)
            told = f"The {child.service.name} {child.ending}; starting it again in {pause:.0f} s."
            self._say(f"{told} Its log: {child.log}")


def _waiting(child: Child, last_line: str, seconds: float) -> str:
    """What is awaited, for how long, and what it does, in one line."""
    shown = textwrap.shorten(last_line, 160, placeholder=" …")
    doing = f"last line of its log: {shown}" if shown else "it has not logged anything yet"
    return f"Still starting the {child.service.name} ({seconds:.0f} s); {doing} ({child.log})"


def rotate(log: Path) -> None:
    """Move a long log's text to `NAME.log.1`. The writer appends, so it continues in the emptied file."""
    with contextlib.suppress(OSError):  # there is none yet, or the disk is full: no reason to stop the lab
        if log.stat().st_size > LOG_BYTES:
            shutil.copyfile(log, log.with_name(f"{log.name}.1"))
            os.truncate(log, 0)
