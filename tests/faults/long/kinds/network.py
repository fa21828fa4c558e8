"""A host cut off from the others, and hosts whose clock is wrong."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import suppress
from pathlib import Path

from sqlalchemy.engine import make_url

from backend.db.session import reading_scope
from backend.runs.status import RunStatus
from backend.workers import service as workers
from tests.faults.long.lab import end
from tests.faults.long.registry import POSTGRES, Course, Missed, Skipped, fault
from tests.faults.long.trial import Trial
from tests.support.namespaces import Bridge, Host, why_not
from tests.support.processes import eventually, kill
from tests.support.records.tiny import STEPS

WRONG = 120  # seconds
LIBRARY = "libfaketime.so.1"
LATE_SLEEP = "[Errno 22] Invalid argument"
# Python sleeps until a moment, and libfaketime refuses one that has passed meanwhile, as happens on a busy
# machine. A `sitecustomize` that sleeps for a time instead:
SLEEP = """import select, time

time.sleep = lambda seconds: select.select([], [], [], seconds)
"""
RIGHT_TIME = "takes no live worker's run; its own run is like any other"
OF_HOSTS = (POSTGRES,)  # what shares an SQLite file is on one host and has one clock
AFTERWARDS = 5.0  # seconds at most between the takeover and the return of the host


@fault(
    "partition",
    "a host is cut off from database and broker (network namespace) and returns",
    "another worker takes its run; what the cut-off training still writes counts for nothing, and it leaves",
    OF_HOSTS,
)
def partition(trial: Trial) -> Course:
    lab = trial.lab
    assert lab.server
    assert lab.worker
    bridge, host = _other_host(trial)
    trial.stack.callback(trial.labs.drop, POSTGRES)  # its server listens on the bridge from now on
    broker = make_url(lab.environment["ETRM_BROKER_URL"])
    port = _forwarded(trial, bridge.address(1), (broker.host or "", broker.port or 0))
    there = {
        "ETRM_DATABASE_URL": lab.server.listen_on(bridge.address(1), bridge.network),
        "ETRM_BROKER_URL": broker.set(host=bridge.address(1), port=port).render_as_string(
            hide_password=False
        ),
    }
    lab.engine.dispose()  # the server was restarted
    end(lab.worker)
    far = lab.beside(host.prefix, **there)
    trial.stack.callback(kill, far)
    run_id = trial.submit()
    eventually(lambda: lab.row(run_id).status == RunStatus.RUNNING, "the claim of the far host")
    lab.start_worker()
    trial.reach(run_id, last=STEPS // 2)
    zombie = trial.child(run_id)
    host.cut()
    eventually(lambda: lab.row(run_id).attempt == 2, "the takeover")
    trial.pause(AFTERWARDS)
    host.join()
    yield
    trial.expect(run_id, "interrupted", "has not answered")
    eventually(lambda: not zombie.is_running() or zombie.status() == "zombie", "the end of the old training")


def _other_host(trial: Trial) -> tuple[Bridge, Host]:
    if why := why_not():
        raise Skipped(why)
    bridge = Bridge()
    trial.stack.callback(bridge.remove)
    host = Host(bridge, "far", 1)
    trial.stack.callback(host.remove)
    return bridge, host


def _forwarded(trial: Trial, address: str, target: tuple[str, int]) -> int:
    """A port at `address` that leads to a server which listens on this host only."""
    listener = socket.create_server((address, 0))
    trial.stack.callback(listener.close)

    def accept() -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(target)
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=_pump, args=[source, sink], daemon=True).start()

    threading.Thread(target=accept, name="forward", daemon=True).start()
    return int(listener.getsockname()[1])


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(2**16):
            sink.sendall(data)
    for end_of in (source, sink):
        with suppress(OSError):
            end_of.shutdown(socket.SHUT_RDWR)


@fault(
    "clock-ahead",
    "a host whose clock is 120 s ahead joins",
    RIGHT_TIME,
    OF_HOSTS,
)
def clock_ahead(trial: Trial) -> Course:
    yield from _wrong_clock(trial, WRONG)


@fault(
    "clock-behind",
    "a host whose clock is 120 s behind joins",
    RIGHT_TIME,
    OF_HOSTS,
)
def clock_behind(trial: Trial) -> Course:
    yield from _wrong_clock(trial, -WRONG)


def _wrong_clock(trial: Trial, seconds: int) -> Course:
    """A second worker with a wrong clock joins while the first trains; then it has the lab to itself."""
    library = _fake_time()
    lab = trial.lab
    first_run = trial.midway()
    patience = lab.folder / "patience"
    patience.mkdir(exist_ok=True)
    (patience / "sitecustomize.py").write_text(SLEEP)
    odd = lab.beside(
        LD_PRELOAD=library,
        FAKETIME=f"{seconds:+d}s",
        DONT_FAKE_MONOTONIC="1",
        PYTHONPATH=os.pathsep.join(filter(None, [str(patience), os.environ.get("PYTHONPATH")])),
    )
    trial.stack.callback(kill, odd)

    def shown() -> bool:
        with reading_scope(lab.engine) as session:
            listed = [worker for worker in workers.listed(session) if worker.pid == odd.pid]
        return any(abs(worker.clock_ahead - seconds) < WRONG / 4 for worker in listed)

    eventually(shown, "the wrong clock on the workers' list")
    eventually(lambda: RunStatus(lab.row(first_run).status).is_over, "the end of the first run")
    assert lab.worker
    end(lab.worker)
    second_run = trial.submit()
    eventually(lambda: lab.row(second_run).attempt == 1, "the claim of the odd host")
    lab.start_worker()
    yield
    if LATE_SLEEP in trial.worker_said():
        raise Missed("libfaketime refused a sleep whose end had passed, as it does on a busy machine")
    trial.expect_attempts(first_run, 1)
    trial.expect_attempts(second_run, 1)


def _fake_time() -> str:
    for folder in (Path("/usr/lib"), Path("/usr/local/lib")):
        if library := next(folder.rglob(LIBRARY), None):
            return str(library)
    raise Skipped("needs libfaketime (`apt-get install faketime`)")
