"""Each part killed, told to stop, or stopped for longer than a lease."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from backend.workers import lease
from tests.faults.long.lab import FaultedLab, end
from tests.faults.long.registry import EITHER, POSTGRES, STORED, Course, Missed, fault
from tests.faults.long.trial import Trial
from tests.support.processes import eventually, kill

AWAY = 5.0  # seconds at most for which a dead part stays away
BEYOND = (lease.SECONDS + 2, lease.SECONDS + 15)  # seconds for which a part is stopped
LEAVES_IN = 3.0  # seconds that clients of PostgreSQL have before they are cut off


# --- the training process


@fault(
    "kill-child", "`kill -9` of the training process", "resumes from its newest checkpoint; the run says why"
)
def kill_child(trial: Trial) -> Course:
    run_id = trial.midway()
    kill(trial.child(run_id))
    yield
    trial.expect(run_id, "interrupted", "killed (SIGKILL)")


@fault("term-child", "SIGTERM to the training process", "saves, leaves and is queued again")
def term_child(trial: Trial) -> Course:
    run_id = trial.midway()
    trial.child(run_id).terminate()
    yield
    _check_released(trial, run_id, "stop requested")


@fault("stop-child", "SIGSTOP of the training process beyond the lease", "continues in the same attempt")
def stop_child(trial: Trial) -> Course:
    run_id = trial.midway()
    _freeze(trial, trial.child(run_id).pid)
    yield
    trial.expect_attempts(run_id, 1)


# --- the worker


@fault(
    "kill-worker", "`kill -9` of the worker", "takes its training with it; the next worker resumes the run"
)
def kill_worker(trial: Trial) -> Course:
    run_id = trial.midway()
    child = trial.child(run_id)
    kill(_worker(trial.lab))
    eventually(lambda: not child.is_running(), "the end of its training")
    trial.pause(AWAY)
    trial.lab.start_worker()
    yield
    trial.expect(run_id, "interrupted", "died")


@fault("term-worker", "SIGTERM to the worker", "saves its run and puts it back; the next worker resumes it")
def term_worker(trial: Trial) -> Course:
    run_id = trial.midway()
    trial.child(run_id)
    end(_worker(trial.lab))
    trial.pause(AWAY)
    trial.lab.start_worker()
    yield
    _check_released(trial, run_id, "the worker was stopped")


@fault(
    "stop-worker",
    "SIGSTOP of the worker alone beyond the lease",
    "another worker takes the run; what the first one still writes counts for nothing",
)
def stop_worker(trial: Trial) -> Course:
    run_id = trial.midway()
    trial.child(run_id)
    _beside(trial)
    with _frozen(_worker(trial.lab).pid):
        _await_takeover(trial, run_id)
    yield
    trial.expect(run_id, "interrupted", "has not answered")


@fault(
    "stop-host",
    "SIGSTOP of worker and training beyond the lease (a host that freezes)",
    "another worker takes the run; the old training writes nothing more and leaves",
)
def stop_host(trial: Trial) -> Course:
    run_id = trial.midway()
    child = trial.child(run_id)
    _beside(trial)
    with _frozen(_worker(trial.lab).pid, child.pid):
        _await_takeover(trial, run_id)
    yield
    trial.expect(run_id, "interrupted", "has not answered")
    eventually(lambda: not child.is_running() or child.status() == "zombie", "the end of the old training")


# --- web server, broker, PostgreSQL, object store: none of them ends a training


ANSWERED_AGAIN = "the training continues in the same attempt; scripts that log are answered again"
PUBLISHED_LATER = "the training continues in the same attempt; its checkpoints are published once it is back"


def _of_part(
    part: str,
    title: str,
    databases: tuple[str, ...],
    restart: Callable[[FaultedLab], None],
    promise: str = ANSWERED_AGAIN,
) -> None:
    """The three faults of a part that trainings do without for a while."""

    def killed(number: signal.Signals) -> Callable[[Trial], Course]:
        def course(trial: Trial) -> Course:
            run_id = trial.midway()
            _end_part(trial.lab, part, number)
            trial.pause(AWAY)
            restart(trial.lab)
            yield
            trial.expect_attempts(run_id, 1)

        return course

    def stopped(trial: Trial) -> Course:
        run_id = trial.midway()
        if part == "postgres":
            assert trial.lab.server
            with trial.lab.server.stopped():
                time.sleep(trial.draw.uniform(*BEYOND))
        else:
            _freeze(trial, _process(trial.lab, part).pid)
        yield
        trial.expect_attempts(run_id, 1)

    fault(f"kill-{part}", f"`kill -9` of {title}", promise, databases)(killed(signal.SIGKILL))
    fault(f"term-{part}", f"SIGTERM to {title}", promise, databases)(killed(signal.SIGTERM))
    fault(f"stop-{part}", f"SIGSTOP of {title} beyond the lease", promise, databases)(stopped)


def _process(lab: FaultedLab, part: str) -> subprocess.Popen[bytes]:
    parts: dict[str, subprocess.Popen[Any] | None] = {
        "broker": lab.broker,
        "web": lab.web and lab.web.process,
        "store": lab.store and lab.store.process,
    }
    process = parts[part]
    assert process
    return process


def _end_part(lab: FaultedLab, part: str, number: signal.Signals) -> None:
    if part == "postgres":
        assert lab.server
        lab.server.down(number, LEAVES_IN)
        return
    process = _process(lab, part)
    process.send_signal(number)
    eventually(lambda: process.poll() is not None, f"the end of the {part}")


def _start_server(lab: FaultedLab) -> None:
    assert lab.server
    lab.server.start()


def _start_store(lab: FaultedLab) -> None:
    assert lab.store
    lab.store.start()


_of_part("web", "the web server", EITHER, FaultedLab.start_web)
_of_part("broker", "the broker", EITHER, FaultedLab.start_broker)
_of_part("postgres", "PostgreSQL", (POSTGRES,), _start_server)
_of_part("store", "the object store", (STORED,), _start_store, PUBLISHED_LATER)


def _check_released(trial: Trial, run_id: str, words: str) -> None:
    if trial.lab.row(run_id).attempt == 1:
        raise Missed("the training had all done but to leave")
    trial.expect(run_id, "released", words)


def _worker(lab: FaultedLab) -> subprocess.Popen[bytes]:
    assert lab.worker
    return lab.worker


def _beside(trial: Trial) -> None:
    """A second worker until the end of the try."""
    trial.stack.callback(kill, trial.lab.beside())


def _freeze(trial: Trial, pid: int) -> None:
    """SIGSTOP for longer than a lease."""
    with _frozen(pid):
        time.sleep(trial.draw.uniform(*BEYOND))


def _await_takeover(trial: Trial, run_id: str) -> None:
    """Nobody takes a run on the second at which its lease lapses: the next sweep does, which is up to ten
    seconds later."""
    eventually(lambda: trial.lab.row(run_id).attempt > 1, "the takeover")
    trial.pause(AWAY)


@contextmanager
def _frozen(*pids: int) -> Iterator[None]:
    """SIGSTOP for the block, then SIGCONT."""
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
