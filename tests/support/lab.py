"""A real `etrm up` for tests, and what is left of it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

# Only what hangs takes so long: on a busy machine a start that takes 2 s takes a minute.
START_SECONDS = 300.0
STOP_SECONDS = 300.0


def etrm(home: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run an `etrm` command on the folder `home` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "backend.cli", *arguments],
        env=environment(home, **variables),
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )


def environment(home: Path, **variables: str) -> dict[str, str]:
    """This process's environment without its own settings, for a lab on `home`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ETRM_")}
    return {**inherited, "ETRM_HOME": str(home), "OMP_NUM_THREADS": "1", **variables}


def processes_of(home: Path) -> list[psutil.Process]:
    """Every living process that was started for the folder `home`, however it came about.

    The broker writes its title over its environment, so it is known by its working folder.
    """
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("ETRM_HOME") == str(home) or Path(process.cwd()) == home / "broker":
                found.append(process)
        except psutil.Error:  # ended meanwhile, a zombie, or another user's
            continue
    return found


def is_over(process: psutil.Process, seconds: float = 60.0) -> bool:
    """Whether the process ends within `seconds`; one that nobody has reaped yet counts as ended."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)


def gone(home: Path, seconds: float) -> bool:
    """Whether, within `seconds`, no process of `home` is left."""
    return all(is_over(process, seconds) for process in processes_of(home))


class StartedLab:
    """`etrm up` on a folder and a free port, from its start to its end."""

    def __init__(self, home: Path, *options: str, **variables: str) -> None:
        self.home = home
        self.process = subprocess.Popen(
            [sys.executable, "-m", "backend.cli", "up", "--port", "0", *options],
            env=environment(home, **variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.login_url = self._first_line()
        self.url = self.login_url.partition("/login")[0]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> str:
        """Send the signal, wait for the end, and return what it said on standard error."""
        self.process.send_signal(number)
        return self._end()

    def kill(self) -> None:
        """kill -9 of the supervisor alone."""
        self.process.kill()
        self._end()

    def children(self, words: str) -> list[psutil.Process]:
        """Children of the supervisor with these words in their command line."""
        found = []
        for child in psutil.Process(self.process.pid).children():
            with suppress(psutil.Error):  # it ended meanwhile
                if words in " ".join(child.cmdline()):
                    found.append(child)
        return found

    def child(self, words: str) -> psutil.Process:
        """The one child of the supervisor with these words in its command line."""
        (only,) = self.children(words)
        return only

    def _first_line(self) -> str:
        """The line on standard output that says where the lab is."""
        assert self.process.stdout
        readable, _, _ = select.select([self.process.stdout], [], [], START_SECONDS)
        line = self.process.stdout.readline().strip() if readable else ""
        if not line.startswith("http"):
            self.process.terminate()
            raise AssertionError(f"etrm up did not start: {line} {self._end()}")
        return line

    def _end(self) -> str:
        _, said = self.process.communicate(timeout=STOP_SECONDS)
        return said
