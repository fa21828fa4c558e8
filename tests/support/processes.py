"""A lab of real processes for tests: broker, Celery worker, training children, killed without mercy."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest

from backend.db.session import make_engine, reading_scope, session_scope
from backend.domain.experiment import ExperimentConfig
from backend.embedded import valkey
from backend.lifecycle import service as runs
from backend.metrics import service as series
from backend.queue import dispatch
from backend.runs import events, logs
from backend.runs import queries as run_rows
from backend.runs.tables import Run

T = TypeVar("T")
PATIENCE = 300.0  # seconds; only what never comes takes so long: a busy machine is slow, not broken


def eventually(condition: Callable[[], T], what: str, within: float = PATIENCE, every: float = 0.05) -> T:
    """The first true answer of `condition`; fails with `what` was awaited after `within` seconds."""
    deadline = time.monotonic() + within
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            pytest.fail(f"waited {within:.0f} s for {what}; last: {answer!r}")
        time.sleep(every)


class Lab:
    """A database, a folder, a broker and a worker. Stop it with `stop`."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.folder = folder
        self.artifacts = folder / "artifacts"
        self.engine = make_engine(database_url)
        self._broker_settings = valkey.Broker(folder)
        self.environment = {
            "ETRM_HOME": str(folder),
            "ETRM_ARTIFACTS": str(self.artifacts),
            "ETRM_DATABASE_URL": database_url,
            "ETRM_BROKER_URL": self._broker_settings.url,
            "OMP_NUM_THREADS": "1",  # the same numbers in every process, and room for other tests
        }
        self.broker: subprocess.Popen[bytes] | None = None
        self.worker: subprocess.Popen[bytes] | None = None

    def start_broker(self) -> None:
        """Start the embedded broker, empty, on the port of its predecessor."""
        with (self.folder / "broker.log").open("ab") as log:
            self.broker = subprocess.Popen(self._broker_settings.command, stdin=subprocess.PIPE, stdout=log)
        assert self.broker.stdin
        with self.broker.stdin as stdin:
            stdin.write(self._broker_settings.config)
        eventually(lambda: valkey.answers(self._broker_settings.url), "the broker's answer")

    def start_worker(self, prefix: Sequence[str] = ()) -> None:
        """Start `python -m worker worker`, behind the words of a `prefix` such as `ip netns exec`."""
        with (self.folder / "worker.log").open("ab") as log:
            self.worker = subprocess.Popen(
                [*prefix, sys.executable, "-m", "worker", "worker"],
                env=os.environ | self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
            )

    def submit(self, config: ExperimentConfig, tell: bool = True, /, **raw: Any) -> str:
        """Create a run as the API does and, unless told not to, tell the workers; `raw` goes into the stored
        config unchecked."""
        with session_scope(self.engine) as session:
            run_id = runs.create(session, config).id
            row = run_rows.get(session, run_id)
            assert row is not None
            row.config = row.config | raw
        if tell:
            dispatch.send(run_id)
        return run_id

    def cancel(self, run_id: str) -> None:
        with session_scope(self.engine) as session:
            runs.request_cancel(session, run_id)

    def row(self, run_id: str) -> Run:
        with reading_scope(self.engine) as session:
            row = run_rows.get(session, run_id)
        assert row is not None
        return row

    def await_status(self, run_id: str, status: str) -> Run:
        """Wait for a status; a run that failed instead is shown with its traceback."""

        def reached() -> Run | None:
            row = self.row(run_id)
            if row.status == "failed" != status:
                pytest.fail(f"the run failed: {row.status_cause}\n{row.traceback}")
            return row if row.status == status else None

        return eventually(reached, f"status {status} (worker log: {self.worker_log()[-3000:]})")

    def await_step(self, run_id: str, step: int) -> None:
        """Wait until points up to this step are acknowledged."""
        eventually(lambda: self.row(run_id).step >= step, f"step {step}")

    def await_child(self, run_id: str) -> psutil.Process:
        return eventually(lambda: self.child(run_id), f"the training process of {run_id}")

    def child(self, run_id: str) -> psutil.Process | None:
        """The training process of a run, if one lives."""
        for process in psutil.process_iter(["cmdline", "status"]):
            command = process.info["cmdline"] or []
            if "worker.service.train" in command and run_id in command and process.info["status"] != "zombie":
                return process
        return None

    def points(self, run_id: str) -> Mapping[str, dict[int, float]]:
        """Every stored point: metric -> step -> value."""
        with reading_scope(self.engine) as session:
            curves = series.read(session, run_id)
        points = {}
        for name, curve in curves.items():
            assert len(set(curve.steps.tolist())) == len(curve.steps), f"{name} has a step twice"
            points[name] = dict(zip(curve.steps.tolist(), curve.values.tolist(), strict=True))
        return points

    def event_kinds(self, run_id: str) -> list[str]:
        with reading_scope(self.engine) as session:
            return [event.kind for event in events.list(session, run_id)]

    def log_text(self, run_id: str) -> str:
        with reading_scope(self.engine) as session:
            return "\n".join(line.text for line in logs.tail(session, run_id))

    def worker_log(self) -> str:
        log = self.folder / "worker.log"
        return log.read_text() if log.exists() else ""

    def stop(self) -> None:
        for process in (self.worker, self.broker):
            if process is not None:
                kill(process)
        self.engine.dispose()


def kill(*processes: subprocess.Popen[bytes] | psutil.Process) -> None:
    """SIGKILL to all of them first, then wait for each."""
    for process in processes:
        with suppress(ProcessLookupError, psutil.NoSuchProcess):
            os.kill(process.pid, signal.SIGKILL)
    for process in processes:
        process.wait(timeout=PATIENCE)
