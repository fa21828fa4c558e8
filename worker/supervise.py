"""One child process under watch: started, asked to stop, killed, and its end told in words.

Knows processes only. What an end means for the run is decided in `worker.tasks`.
"""

from __future__ import annotations

import contextlib
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

from worker.lifeline import PARENT_VARIABLE

STOPPED = 75  # exit status of a child that wrote its checkpoint and left because it was asked to
GRACE = 30.0  # seconds between asking a child to stop and killing it
POLL = 0.25  # seconds between two looks at the child and at its orders
TAIL_BYTES = 16_384


class Order(Enum):
    """What the watcher wants of the child."""

    GO_ON = "go on"
    STOP = "stop"  # write a checkpoint and leave
    KILL = "kill"  # the run belongs to another attempt: leave nothing


@dataclass(frozen=True)
class Ending:
    """How a child ended. `status` as `subprocess` has it: negative for a signal."""

    status: int
    killed_by_us: bool
    out_of_memory: bool  # the kernel counted an out-of-memory kill meanwhile
    peak_bytes: int  # largest resident memory seen
    tail: str  # end of what it wrote to its console

    @property
    def cause(self) -> str:
        """Why a child that was not asked to end did end, in one line."""
        if self.status >= 0:
            return f"the training process ended with exit status {self.status}"
        name = _signal_name(-self.status)
        if self.out_of_memory:
            return f"killed ({name}) by the kernel: out of memory; {self._memory}"
        if -self.status == signal.SIGKILL:
            return f"killed ({name}); likely out of memory, or by hand; {self._memory}"
        return f"the training process died ({name})"

    @property
    def _memory(self) -> str:
        total = psutil.virtual_memory().total
        return f"it held {self.peak_bytes / 2**30:.1f} GiB of this machine's {total / 2**30:.1f} GiB"


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
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a Ctrl-C in the terminal reaches the worker only
            env=os.environ | {PARENT_VARIABLE: str(os.getpid())},
        )
    try:
        killed, peak = _watch(child, order, grace)
    finally:
        kill_group(child.pid)
        child.wait()
        _await_group(child.pid)
    return Ending(
        status=child.returncode,
        killed_by_us=killed,
        out_of_memory=out_of_memory_kills() > kills_before,
        peak_bytes=peak,
        tail=_tail(console),
    )


def python_module(module: str, *arguments: str) -> list[str]:
    """The command line that runs `module` with this interpreter."""
    return [sys.executable, "-m", module, *arguments]


def _watch(child: subprocess.Popen[bytes], order: Callable[[], Order], grace: float) -> tuple[bool, int]:
    """Wait for the child's end, carrying out orders. Returns (had to be killed, peak resident bytes)."""
    asked_at: float | None = None
    peak = 0
    while True:
        try:
            child.wait(timeout=POLL)
        except subprocess.TimeoutExpired:
            peak = max(peak, _resident_bytes(child.pid))
        else:
            return False, peak
        wanted = order()
        if wanted is Order.STOP and asked_at is None:
            asked_at = time.monotonic()
            child.terminate()
        overdue = asked_at is not None and time.monotonic() - asked_at > grace
        if wanted is Order.KILL or overdue:
            kill_group(child.pid)
            child.wait()
            return True, peak


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


def out_of_memory_kills(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> int:
    """How many processes the kernel has killed for memory in this process's control group; 0 if unknown."""
    for folder in _control_groups(root, own):
        for name in ("memory.events", "memory.oom_control"):  # version 2, version 1
            try:
                lines = (folder / name).read_text().splitlines()
            except OSError:
                continue
            counts = dict(line.split(maxsplit=1) for line in lines if " " in line)
            return int(counts.get("oom_kill", 0))
    return 0


def _control_groups(root: Path, own: Path) -> list[Path]:
    """Folders that may hold this process's memory counters, most specific first."""
    try:
        paths = [line.split(":", 2) for line in own.read_text().splitlines()]
    except OSError:
        return []
    version_2 = [root / path.lstrip("/") for number, _, path in paths if number == "0"]
    version_1 = [root / "memory" / path.lstrip("/") for _, kinds, path in paths if kinds == "memory"]
    return [*version_2, root, *version_1, root / "memory"]


def _tail(console: Path) -> str:
    with console.open("rb") as file:
        file.seek(max(0, console.stat().st_size - TAIL_BYTES))
        return file.read().decode(errors="replace").strip()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
