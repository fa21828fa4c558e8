"""One child process under watch: started, asked to stop, killed, and its end told in words.

Knows processes only. What an end means for the run is decided in `worker.service.tasks`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import psutil

from backend.kit import die_with_parent
from worker.service.machine import memory_limit, out_of_memory_kills

STOPPED = 75  # exit status of a child that wrote its checkpoint and left because it was asked to
BY_OUR_SIGNALS = (-signal.SIGTERM, -signal.SIGKILL)
GRACE = 30.0  # seconds between asking a child to stop and killing it
POLL = 0.25  # seconds between two looks at the child and at its orders
TAIL_BYTES = 16_384

log = logging.getLogger(__name__)


class Order(Enum):
    """What the watcher wants of the child."""

    GO_ON = "go on"
    STOP = "stop"  # write a checkpoint and leave
    KILL = "kill"  # the run belongs to another attempt: leave nothing


@dataclass(frozen=True)
class Ending:
    """How a child ended. `status` as `subprocess` has it: negative for a signal."""

    status: int
    stopped: bool  # by an order, or because somebody else asked it to leave
    out_of_memory: bool  # the kernel counted an out-of-memory kill meanwhile
    peak_bytes: int  # largest resident memory seen
    tail: str  # end of what it wrote to its console

    @property
    def cause(self) -> str:
        """Why a child ended that nobody had asked to, in one line."""
        if self.status >= 0:
            return f"the training process ended with exit status {self.status}"
        name = _signal_name(-self.status)
        if self.out_of_memory:
            return f"killed ({name}) by the kernel: out of memory; {self._memory}"
        if -self.status == signal.SIGKILL:
            return f"killed ({name}); likely out of memory, or killed manually; {self._memory}"
        return f"the training process died ({name})"

    @property
    def _memory(self) -> str:
        return f"it held {self.peak_bytes / 2**30:.1f} of {memory_limit() / 2**30:.1f} GiB"


def supervise(
    command: Sequence[str], console: Path, order: Callable[[], Order], grace: float = GRACE
) -> Ending:
    """Run `command` in its own process group until it ends; nothing of the group is left on return.

    `console` receives its stdout and stderr, from the start of the file; `order` is asked every `POLL`
    seconds.
    """
    kills_before = out_of_memory_kills()
    console.parent.mkdir(parents=True, exist_ok=True)
    with console.open("wb") as output:
        child = subprocess.Popen(
            [sys.executable, "-I", "-S", str(die_with_parent.__file__), str(os.getpid()), *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=0,  # a Ctrl-C in the terminal reaches the worker only
        )
    log.info("Started process %d", child.pid)
    try:
        asked, peak = _watch(child, order, grace)
    finally:
        kill_group(child.pid)
        child.wait()
        _await_group(child.pid)
    log.info("Process %d ended with exit status %d", child.pid, child.returncode)
    return Ending(
        status=child.returncode,
        stopped=child.returncode == STOPPED or (asked and child.returncode in BY_OUR_SIGNALS),
        out_of_memory=out_of_memory_kills() > kills_before,
        peak_bytes=peak,
        tail=_tail(console),
    )


def python_module(module: str, *arguments: str) -> list[str]:
    """The command line that runs `module` with this interpreter."""
    return [sys.executable, "-m", module, *arguments]


def _watch(child: subprocess.Popen[bytes], order: Callable[[], Order], grace: float) -> tuple[bool, int]:
    """Wait for the child's end, carrying out orders. Returns (was told to end, peak resident bytes)."""
    asked_at: float | None = None
    peak = 0
    while not _ended(child):
        peak = max(peak, _resident_bytes(child.pid))
        wanted = order()
        if wanted is Order.GO_ON:
            continue
        if asked_at is None:
            asked_at = time.monotonic()
            log.info("Asked process %d to stop", child.pid)
            child.terminate()
        if wanted is Order.KILL or time.monotonic() - asked_at > grace:
            kill_group(child.pid)
    return asked_at is not None, peak


def _ended(child: subprocess.Popen[bytes]) -> bool:
    """Whether the child ended; waits up to `POLL` for it."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(timeout=POLL)
    return child.returncode is not None


def kill_group(group: int) -> None:
    """SIGKILL to every process of the group; nothing happens if none is left."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS answers EPERM for zombies
        os.killpg(group, signal.SIGKILL)


def _await_group(group: int, limit: float = 10.0) -> None:
    """Return once no process of the group runs any more (zombies hold no memory and do not count)."""
    deadline = time.monotonic() + limit
    while _group_runs(group) and time.monotonic() < deadline:
        time.sleep(0.01)


def _group_runs(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return any(_is_running_member(process, group) for process in psutil.process_iter())


def _is_running_member(process: psutil.Process, group: int) -> bool:
    try:
        return os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, ProcessLookupError, PermissionError):
        return False


def _resident_bytes(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def _tail(console: Path) -> str:
    with console.open("rb") as file:
        file.seek(max(0, console.stat().st_size - TAIL_BYTES))
        return file.read().decode(errors="replace").strip()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
