"""Trains the variants, each in a process of its own, by the same command that a user has."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from backend.domain.experiment import ExperimentConfig
from backend.kit import die_with_parent
from backend.kit.errors import EtrmError
from worker.experiments.control.variants import Variant
from worker.training.checkpoints.checkpoint import list_checkpoints
from worker.training.stop import StopSignal

CONFIG_FILE, CONSOLE_FILE = "config.json", "console.log"  # in the folder of a variant
_PAUSE = 0.5  # seconds between two looks at the children


class ControlFailed(EtrmError):
    """A variant's process ended badly."""


def train_all(
    chosen: Sequence[Variant], folder: Path, jobs: int, stop: StopSignal, tell: Callable[[str], None]
) -> None:
    """Train every variant to its end in its folder, `jobs` at a time; continue with what is there.

    One thread each: processes that wait for each other's threads would stand still on a busy machine.
    Raises ControlFailed with the end of the console of the first that fails.
    """
    waiting, running = list(chosen), list[_Child]()
    try:
        while (waiting or running) and not stop.requested:
            while waiting and len(running) < jobs:
                running.append(_Child(waiting.pop(0), folder))
                tell(f"{running[-1].variant.folder}: {running[-1].variant.title}")
            time.sleep(_PAUSE)
            for child in [each for each in running if each.has_ended()]:
                running.remove(child)
                tell(f"{child.variant.folder}: done after {child.seconds:.0f} s")
    finally:
        for child in running:
            child.end()


class _Child:
    """One training process. It dies with this one."""

    def __init__(self, variant: Variant, folder: Path) -> None:
        self.variant = variant
        self._started = time.monotonic()
        self._folder = folder / variant.folder
        self._folder.mkdir(parents=True, exist_ok=True)
        self._console: IO[bytes] = (self._folder / CONSOLE_FILE).open("ab")
        self._process = subprocess.Popen(
            [sys.executable, die_with_parent.__file__, str(os.getpid()), *self._command(variant.config)],
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
            console = (self._folder / CONSOLE_FILE).read_text(errors="replace").strip()
            raise ControlFailed(
                f"Variant {self.variant.folder} ended with status {status}: {console[-600:]}",
                f"Its console is {self._folder / CONSOLE_FILE}. Run the same command to continue.",
            )
        if status == 0:
            self._console.close()
        return status is not None

    def end(self) -> None:
        """Ask it to write a checkpoint and leave."""
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait()
        self._console.close()

    def _command(self, config: ExperimentConfig) -> list[str]:
        train = [sys.executable, "-m", "worker", "train"]
        (self._folder / CONFIG_FILE).write_text(config.model_dump_json(indent=1) + "\n")
        if list_checkpoints(self._folder):
            return [*train, "--resume", "--out", str(self._folder)]
        return [*train, str(self._folder / CONFIG_FILE), "--out", str(self._folder)]
