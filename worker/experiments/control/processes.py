"""Runs the control's trainings and measurements, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from backend.kit import die_with_parent
from backend.kit.errors import EtrmError
from worker.training.stop import StopSignal

CONSOLE_FILE = "console.log"  # in the folder of a job
_POLL_INTERVAL = 0.5  # seconds between two looks at the children


class ControlFailed(EtrmError):
    """A job's process ended badly."""


@dataclass(frozen=True)
class Job:
    """A command to run in a folder."""

    title: str
    folder: Path  # its console goes there
    arguments: Sequence[str]  # of python
    then: Callable[[], Job | None] | None = None  # what can run once it has ended


def run_all(jobs: Sequence[Job], at_a_time: int, stop: StopSignal, tell: Callable[[str], None]) -> None:
    """Run every job and what follows it to the end, some at a time; a stop asks those that run to save and
    leave.

    One thread each: processes that wait for each other's threads would stand still on a busy machine.
    Raises ControlFailed with the end of the console of the first that fails.
    """
    waiting, running = list(jobs), list[_Child]()
    try:
        while (waiting or running) and not stop.requested:
            while waiting and len(running) < at_a_time:
                running.append(_Child(waiting.pop(0)))
            time.sleep(_POLL_INTERVAL)
            for child in [each for each in running if each.has_ended()]:
                running.remove(child)
                if following := child.job.then and child.job.then():
                    waiting.append(following)
                tell(f"{child.job.title}: {child.seconds:.0f} s, {len(waiting) + len(running)} left")
    finally:
        for child in running:
            child.end()


class _Child:
    """One process. It dies with this one."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._started = time.monotonic()
        job.folder.mkdir(parents=True, exist_ok=True)
        self._console: IO[bytes] = (job.folder / CONSOLE_FILE).open("ab")
        python = [sys.executable, die_with_parent.__file__, str(os.getpid()), sys.executable]
        self._process = subprocess.Popen(
            [*python, *job.arguments],
            stdout=self._console,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    def has_ended(self) -> bool:
        """Whether it is done; ControlFailed if it ended badly."""
        status = self._process.poll()
        if status:
            self._console.flush()
            path = self.job.folder / CONSOLE_FILE
            console = path.read_text(errors="replace").strip()
            raise ControlFailed(
                f"{self.job.title} ended with status {status}: {console[-600:]}",
                f"Its console is {path}. Run the same command to continue.",
            )
        if status == 0:
            self._console.close()
        return status is not None

    def end(self) -> None:
        """Ask it to save its work and leave."""
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait()
        self._console.close()
