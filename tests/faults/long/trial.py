"""One try: runs in a lab, a random moment, and the one check of what came of them."""

from __future__ import annotations

import math
import os
import random
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import httpx
import psutil
from sqlalchemy.exc import SQLAlchemyError

from backend.artifacts import service as objects
from backend.db.session import reading_scope
from backend.domain.experiment import ExperimentConfig
from backend.evaluation import outcomes as predictions
from backend.kit.errors import EtrmError
from backend.metrics import service as series
from backend.runs import checkpoints, events
from backend.runs.status import RunStatus
from backend.runs.tables import Run
from backend.settings import Settings
from tests.faults.long.lab import FaultedLab, Labs, Script
from tests.faults.long.registry import Missed
from tests.support.processes import Lab, eventually
from tests.support.records.tiny import STEPS, numbers, tiny

LIMIT = 90.0  # seconds after healing within which a run ends or continues
POLL, SLOW_POLL = 0.1, 0.5  # seconds between two looks: before a fault, after it; looks take processor time
JITTER = 0.4  # seconds at most between the step that is waited for and the fault
EVALUATING = "evaluating"
CAUSES = ("interrupted", "released", "node_fault")  # events that say why an attempt ended
API = "/api/v1/runs"

Curves = Mapping[str, Mapping[int, float]]


@dataclass(frozen=True)
class Content:
    """What a run has: its points, what it answered, and its checkpoints."""

    points: Curves
    outcomes: tuple[Any, ...]
    checkpoints: tuple[int, ...]


@dataclass
class Started:
    """A run of a try: how it is to end, and what the API had acknowledged of it before the fault."""

    run_id: str
    ends: RunStatus = RunStatus.FINISHED
    compared: bool = True  # with the undisturbed run
    points: dict[str, dict[int, float]] = field(default_factory=dict)
    predictions: dict[tuple[int, str, int], Any] = field(default_factory=dict)
    step_at_heal: int = 0
    seconds: float | None = None  # from healing until it ended or continued


class Trial:
    """What a kind works with. `draw` is the only source of chance; `stack` undoes what must be undone."""

    def __init__(
        self, labs: Labs, lab: FaultedLab, expected: Content | None, draw: random.Random, stack: ExitStack
    ) -> None:
        self.labs = labs
        self.lab = lab
        self.draw = draw
        self.stack = stack
        self.runs: list[Started] = []
        self.findings: list[str] = []
        self.script: Script | None = None
        self.log_begins = len(lab.worker_log())
        self._expected = expected

    # --- before and at the fault

    def submit(self, config: ExperimentConfig | None = None, tell: bool = True, **raw: Any) -> str:
        """Queue a run, `tiny` unless told otherwise, whose end will be checked."""
        run_id = self.lab.submit(config or tiny(), tell, **raw)
        self.runs.append(Started(run_id))
        return run_id

    def script_logs(self) -> None:
        """Let a script log through the API until the check."""
        self.script = Script(self.lab)
        self.stack.callback(self.script.end)
        self.script.start()

    def reach(self, run_id: str, last: int = STEPS + 15, first: int = 1) -> None:
        """Wait for a random moment: a step from `first` to `last` is recorded and a bit of time has passed.

        A step beyond the last is the evaluation. Notes what the API says of the run then.
        """
        step = self.draw.randint(first, last)

        def reached() -> bool:
            row = self.lab.row(run_id)
            if RunStatus(row.status).is_over:
                raise Missed(f"run {run_id} was over before step {step} was seen")
            return row.phase == EVALUATING if step > STEPS else row.step >= step

        eventually(reached, f"step {step}", every=POLL)
        self.acknowledge(run_id)
        self.pause()

    def midway(self, last: int = STEPS + 15, first: int = 1) -> str:
        """Queue a run and `reach` a random moment of it; its id."""
        run_id = self.submit()
        self.reach(run_id, last, first)
        return run_id

    def pause(self, most: float = JITTER) -> None:
        """A random bit of time."""
        time.sleep(self.draw.uniform(0, most))

    def acknowledge(self, run_id: str) -> None:
        """Note what the API has of the run: none of it may be lost."""
        started = self.started(run_id)
        with self.lab.client() as client:
            curves = _answer(client, f"{API}/{run_id}/series?max_points=100000")["series"]
            answered = _answer(client, f"{API}/{run_id}/predictions?limit=100")["predictions"]
        started.points = {
            name: {
                step: math.nan if value is None else value
                for step, value in zip(curve["step"], curve["value"], strict=True)
            }
            for name, curve in curves.items()
        }
        started.predictions = {_key(one): one["candidates"] for one in answered}

    def child(self, run_id: str) -> psutil.Process:
        """The training process of a run; Missed if it has ended."""
        child = self.lab.child(run_id)
        if child is None:
            raise Missed(f"the process of run {run_id} had ended")
        return child

    def ends_as(self, run_id: str, status: RunStatus, compared: bool = True) -> None:
        """The run is to end so, and not finished; `compared` with the undisturbed run as far as it went."""
        started = self.started(run_id)
        started.ends, started.compared = status, compared

    def started(self, run_id: str) -> Started:
        return next(started for started in self.runs if started.run_id == run_id)

    # --- after it

    def check(self) -> None:
        """The one check of every kind. What is wrong is added to `findings`; returns once all runs ended."""
        self._await_progress()
        for started in self.runs:
            row = self._ended(started.run_id)
            if row.status != started.ends:
                self.findings.append(
                    f"run {started.run_id} is {row.status}, not {started.ends}: {row.status_cause}"
                )
            if started.seconds is None or started.seconds > LIMIT:
                load = f"load {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores"
                late = f"continued only {started.seconds} s after the fault was over ({load})"
                self.findings.append(f"run {started.run_id} {late}")
            self._check_content(started)
        if self.script:
            self._check_script(self.script)

    def worker_said(self) -> str:
        """What workers have logged in this try."""
        return self.lab.worker_log()[self.log_begins :]

    def told_cause(self) -> str:
        """The last word on why a run of this try stopped, for the results file."""
        for started in self.runs:
            with reading_scope(self.lab.engine) as session:
                told = [event.text for event in events.list(session, started.run_id) if event.kind in CAUSES]
            if told:
                return told[-1]
        return next(
            (cause for started in self.runs if (cause := self.lab.row(started.run_id).status_cause)), ""
        )

    def expect(self, run_id: str, kind: str, words: str = "") -> None:
        """The run has an event of this kind with these words: the right cause."""
        with reading_scope(self.lab.engine) as session:
            told = [(event.kind, event.text) for event in events.list(session, run_id)]
        if not any(told_kind == kind and words in text for told_kind, text in told):
            self.findings.append(f"run {run_id} has no event {kind!r} with {words!r}: {told}")

    def expect_attempts(self, run_id: str, count: int) -> None:
        """The run needed so many attempts."""
        attempts = self.lab.row(run_id).attempt
        if attempts != count:
            self.findings.append(f"run {run_id} took {attempts} attempts, not {count}")

    def _await_progress(self) -> None:
        """Wait until each run has ended or recorded a step beyond those it had, and note after how long."""
        began = time.monotonic()
        for started in self.runs:
            started.step_at_heal = self._row(started.run_id).step

        def all_continue() -> bool:
            rows = {started.run_id: self._row(started.run_id) for started in self.runs}
            running = any(row.status == RunStatus.RUNNING for row in rows.values())
            for started in (run for run in self.runs if run.seconds is None):
                row = rows[started.run_id]
                works = row.status == RunStatus.RUNNING and row.step > started.step_at_heal
                waits = row.status == RunStatus.QUEUED and running and not row.attempt  # its turn comes
                if works or waits or RunStatus(row.status).is_over:
                    started.seconds = round(time.monotonic() - began, 1)
            return all(started.seconds is not None for started in self.runs)

        eventually(all_continue, "every run to continue", every=SLOW_POLL)

    def _ended(self, run_id: str) -> Run:
        def ended() -> Run | None:
            row = self._row(run_id)
            return row if RunStatus(row.status).is_over else None

        what = f"the end of run {run_id} (worker: {self.lab.worker_log()[-2000:]})"
        return eventually(ended, what, every=SLOW_POLL)

    def _row(self, run_id: str) -> Run:
        """As the lab's, when a connection that the fault has cut must first be replaced."""

        def read() -> Run | None:
            try:
                return self.lab.row(run_id)
            except (EtrmError, SQLAlchemyError):
                return None

        return eventually(read, "the database")

    def _check_content(self, started: Started) -> None:
        run_id = started.run_id
        content = content_of(self.lab, run_id)
        points = numbers(content.points)  # type: ignore[arg-type]
        for name, curve in numbers(started.points).items():
            if not _equal(curve, {step: points.get(name, {}).get(step) for step in curve}):
                self.findings.append(f"run {run_id} lost acknowledged points of {name}")
        with self.lab.client() as client:
            answered = _answer(client, f"{API}/{run_id}/predictions?limit=100")["predictions"]
        now = {_key(one): one["candidates"] for one in answered}
        if len(now) != len(answered):
            self.findings.append(f"run {run_id} has predictions twice")
        for key, candidates in started.predictions.items():
            if now.get(key) != candidates:
                self.findings.append(f"run {run_id} lost the acknowledged prediction {key}")
        steps = list(points.get("loss", {}))
        if steps != list(range(1, len(steps) + 1)):
            self.findings.append(f"run {run_id} has a gap in its steps: {steps}")
        if self._expected and started.compared:
            self._compare(started, points, content, self._expected)
        self._check_checkpoints(run_id)

    def _compare(self, started: Started, points: Curves, content: Content, expected: Content) -> None:
        """With the undisturbed run: all of it, or of a run that was not to finish the beginning."""
        run_id = started.run_id
        whole = started.ends is RunStatus.FINISHED
        if whole and points.keys() != expected.points.keys():
            self.findings.append(f"run {run_id} has other series: {points.keys() ^ expected.points.keys()}")
        for name, curve in expected.points.items():
            own = points.get(name, {})
            wanted = curve if whole else {step: curve[step] for step in own if step in curve}
            if not _equal(wanted, own):
                wrong = sorted(step for step in {*wanted, *own} if not _same(wanted.get(step), own.get(step)))
                self.findings.append(f"run {run_id} has other points of {name} at steps {wrong[:9]}")
        if whole and content.outcomes != expected.outcomes:
            self.findings.append(f"run {run_id} has other predictions than the undisturbed run")
        newest = sorted({*expected.checkpoints, *self._stops(run_id)})[-len(expected.checkpoints) :]
        if whole and sorted(content.checkpoints) != newest:
            self.findings.append(f"run {run_id} has checkpoints of steps {content.checkpoints}, not {newest}")

    def _stops(self, run_id: str) -> Iterator[int]:
        """Steps at which the run was asked to leave, and saved: these checkpoints count among the newest."""
        with reading_scope(self.lab.engine) as session:
            for event in events.list(session, run_id):
                if event.kind == "released":
                    yield event.data["step"]

    def _check_checkpoints(self, run_id: str) -> None:
        """Every checkpoint that the database lists is there and whole, and there is no other."""
        from worker.training.checkpoints import checkpoint

        with reading_scope(self.lab.engine) as session:
            listed = {row.path: row.sha256 for row in checkpoints.list(session, run_id)}
        root = self.lab.artifacts
        present = {str(path.relative_to(root)) for path in checkpoint.list_checkpoints(root / run_id)}
        store = objects.of(Settings.load()) if self.lab.store else None
        if store:
            root, present = self.labs.folder("fetched"), set(store.published(run_id))
        for path, sha256 in sorted(listed.items()):
            try:
                if store:
                    store.fetch(path, sha256, root)
                checkpoint.load(root / path)
            except EtrmError as error:
                self.findings.append(f"run {run_id}: {error}")
        if unknown := sorted(present - listed.keys()):
            self.findings.append(f"run {run_id} has checkpoints that the database does not list: {unknown}")

    def _check_script(self, script: Script) -> None:
        """Every point that the API has acknowledged is there, once."""
        script.end()
        stored = script.lab.points(script.run_id).get("loss", {})
        lost = [step for step, value in script.acknowledged.items() if stored.get(step) != value]
        if lost:
            self.findings.append(f"the script lost acknowledged points of steps {lost[:9]}")
        if not script.acknowledged:
            self.findings.append("the API acknowledged nothing that the script sent")


def content_of(lab: Lab, run_id: str) -> Content:
    """What a run has; fails where a step or an evaluation is there twice."""
    with reading_scope(lab.engine) as session:
        done = predictions.evaluations(session, run_id)
        outcomes = tuple(
            sorted(
                (outcome for evaluation in done for outcome in predictions.outcomes(session, evaluation.id)),
                key=lambda outcome: (outcome.task_id, outcome.test_index),
            )
        )
        steps = tuple(row.step for row in checkpoints.list(session, run_id))
        curves = series.read(session, run_id)
    points = {}
    for name, curve in curves.items():
        taken = curve.steps.tolist()
        assert len(set(taken)) == len(taken), f"{name} has a step twice"
        points[name] = dict(zip(taken, curve.values.tolist(), strict=True))
    return Content(points, outcomes, steps)


def undisturbed(lab: FaultedLab) -> Content:
    """What a run has that nothing happens to."""
    run_id = lab.submit(tiny())
    lab.await_status(run_id, RunStatus.FINISHED)
    content = content_of(lab, run_id)
    return Content(numbers(content.points), content.outcomes, content.checkpoints)  # type: ignore[arg-type]


def _answer(client: httpx.Client, path: str) -> Any:
    """What the API says, once it can."""

    def ask() -> Any:
        try:
            answer = client.get(path)
        except httpx.HTTPError:
            return None
        assert answer.status_code in (200, 503), answer.text
        return answer.json() if answer.is_success else None

    return eventually(ask, f"an answer to {path}")


def _key(prediction: Mapping[str, Any]) -> tuple[int, str, int]:
    return prediction["step"], prediction["task_id"], prediction["test_index"]


def _equal(one: Mapping[int, Any], other: Mapping[int, Any]) -> bool:
    return one.keys() == other.keys() and all(_same(value, other[step]) for step, value in one.items())


def _same(one: float | None, other: float | None) -> bool:
    """Both missing, or both equal; what is not finite is one value to the API."""
    if one is None or other is None:
        return one is other
    return one == other or not (math.isfinite(one) or math.isfinite(other))
