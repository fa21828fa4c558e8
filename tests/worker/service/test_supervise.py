"""Children that end well, badly, slowly, or not at all; and a worker that dies first."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.support.processes import eventually, kill
from worker.service.supervision import STOPPED, Ending, Order, supervise

WAITS = "import time; print('ready', flush=True); time.sleep(60)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {WAITS}"
OBEDIENT = f"import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit({STOPPED})); {WAITS}"


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def once_ready(console: Path, then: Order) -> Order:
    """Go on until the child says that it is ready."""
    return then if "ready" in console.read_text() else Order.GO_ON


def watch(code: str, console: Path, then: Order = Order.GO_ON, grace: float = 30.0) -> Ending:
    return supervise(python(code), console, lambda: once_ready(console, then), grace)


def test_a_child_that_ends_by_itself(tmp_path: Path) -> None:
    ending = watch("print('hello')", tmp_path / "deep" / "console.txt")
    assert (ending.status, ending.stopped, ending.tail) == (0, False, "hello")


def test_a_child_that_crashes_leaves_the_end_of_its_console(tmp_path: Path) -> None:
    ending = watch("print('x' * 100_000); raise ValueError('bad luck')", tmp_path / "console.txt")
    assert (ending.status, ending.stopped) == (1, False)
    assert ending.tail.endswith("ValueError: bad luck")
    assert len(ending.tail) < 20_000
    assert ending.cause == "the training process ended with exit status 1"


def test_a_child_that_is_asked_to_stop_and_does(tmp_path: Path) -> None:
    ending = watch(OBEDIENT, tmp_path / "console.txt", Order.STOP)
    assert (ending.status, ending.stopped) == (STOPPED, True)


def test_a_child_that_does_not_listen_is_killed_after_its_grace(tmp_path: Path) -> None:
    ending = watch(STUBBORN, tmp_path / "console.txt", Order.STOP, grace=0.5)
    assert (ending.status, ending.stopped) == (-signal.SIGKILL, True)


def test_a_child_whose_run_is_lost_is_killed_at_once(tmp_path: Path) -> None:
    ending = watch(STUBBORN, tmp_path / "console.txt", Order.KILL, grace=600.0)
    assert (ending.status, ending.stopped) == (-signal.SIGKILL, True)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (signal.SIGKILL, "killed (SIGKILL); likely out of memory, or killed manually; it held 0."),
        (signal.SIGSEGV, "the training process died (SIGSEGV)"),
    ],
)
def test_a_child_killed_by_somebody_else_says_so(tmp_path: Path, number: int, words: str) -> None:
    ending = watch(f"import os; os.kill(os.getpid(), {number})", tmp_path / "console.txt")
    assert (ending.status, ending.stopped) == (-number, False)
    assert ending.cause.startswith(words)


def test_nothing_of_the_childs_group_outlives_it(tmp_path: Path) -> None:
    code = f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {STUBBORN!r}]).pid)"
    ending = watch(code, tmp_path / "console.txt")
    grandchild = int(ending.tail.split()[0])
    assert not psutil.pid_exists(grandchild) or psutil.Process(grandchild).status() == "zombie"


def test_a_child_dies_with_the_worker_that_is_killed(tmp_path: Path) -> None:
    console = tmp_path / "console.txt"
    code = (
        "import pathlib, sys; from worker.service.supervision import *;"
        "supervise([sys.executable, '-c', sys.argv[1]], pathlib.Path(sys.argv[2]), lambda: Order.GO_ON)"
    )
    says_its_number = f"import os; print(os.getpid(), flush=True); {STUBBORN}"
    worker = subprocess.Popen([*python(code), says_its_number, str(console)])
    eventually(lambda: console.exists() and "ready" in console.read_text(), "the child")
    child = psutil.Process(int(console.read_text().split()[0]))
    assert child.is_running()

    kill(worker)

    eventually(lambda: not child.is_running() or child.status() == "zombie", "the child's death")
