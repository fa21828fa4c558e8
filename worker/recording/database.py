"""What a training emits, into the database: the only bridge between the loop and what people see.

Every transaction first takes the run's row under its attempt (fencing), so a child that lost its run can
write nothing. A checkpoint's row is written together with, never before, the points that precede it: what
a restart resumes from is what the database knows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from backend.alerts import service as alarms
from backend.db.session import session_scope
from backend.domain.records import (
    Alarm,
    Checkpoint,
    EvaluationKey,
    EvaluationSummary,
    LogLine,
    MetricFrame,
    Progress,
    Ruling,
    TestOutcome,
)
from backend.domain.trained_on import TrainedOn
from backend.evaluation import outcomes as predictions
from backend.hypothesis import service as hypotheses
from backend.keeping import service as keeping
from backend.metrics import service as series
from backend.runs import checkpoints, events, logs, trained_on
from backend.web import notify
from backend.workers import lease
from worker.kit.recorder import LostRun
from worker.recording.write_behind import WriteBehind

Write = Callable[[Session], object]
Point = tuple[int, float, Mapping[str, float]]  # step, wall time, values
TABLE_EVERY = 2.0  # seconds between two notifications to the table of runs


@dataclass(frozen=True)
class _Release:
    """Checkpoints that the training keeps no longer."""

    paths: tuple[str, ...]
    remove: Callable[[str], None]


Entry = Point | LogLine | Progress | _Release | Write


@dataclass
class _Batch:
    """What one transaction writes, sorted by kind."""

    points: list[Point] = field(default_factory=list)
    lines: list[LogLine] = field(default_factory=list)
    progress: Progress | None = None
    others: list[Write] = field(default_factory=list)
    released: list[_Release] = field(default_factory=list)


class DbRecorder:
    """A Recorder whose methods only append to a list; a thread writes it in bulk.

    Raises LostRun from any method once the run belongs to another attempt.
    """

    def __init__(self, engine: Engine, run_id: str, attempt: int, artifacts: Path) -> None:
        self._engine = engine
        self._run_id = run_id
        self._attempt = attempt
        self._artifacts = artifacts
        self._table_told_at = 0.0
        self._phase = ""
        self._evaluations: dict[EvaluationKey, int] = {}  # their ids; touched by the writing thread only
        self._queue: WriteBehind[Entry] = WriteBehind(self._write)

    def trained_on(self, record: TrainedOn) -> None:
        self._queue.put(lambda session: trained_on.record(session, self._run_id, record))

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        self._queue.put((step, time.time(), dict(values)))

    def progress(self, progress: Progress) -> None:
        self._queue.put(progress)

    def log(self, text: str, level: str = "info") -> None:
        known = cast(Literal["info", "warning", "error"], level)
        self._queue.put(LogLine(time.time(), known, text))

    def alarm(self, alarm: Alarm) -> None:
        self._queue.put(lambda session: self._raise_alarm(session, alarm))

    def ruled(self, ruling: Ruling) -> None:
        self._queue.put(lambda session: hypotheses.note_ruling(session, self._run_id, self._attempt, ruling))

    def checkpoint(self, checkpoint: Checkpoint) -> None:
        self._queue.put(lambda session: self._add_checkpoint(session, checkpoint))

    def release(self, paths: Sequence[str], remove: Callable[[str], None]) -> None:
        """Their rows go first: a file is removed once the database has told that nothing needs it, and a
        kill in between leaves files that the next start removes."""
        self._queue.put(_Release(tuple(paths), remove))

    def evaluation_started(self, key: EvaluationKey) -> None:
        self._queue.put(lambda session: self._start_evaluation(session, key))

    def outcome(self, key: EvaluationKey, outcome: TestOutcome) -> None:
        self._queue.put(lambda session: predictions.add_outcome(session, self._evaluations[key], outcome))

    def evaluation_finished(self, summary: EvaluationSummary) -> None:
        self._queue.put(lambda session: self._finish_evaluation(session, summary))

    def flush(self) -> None:
        self._queue.flush()

    def close(self) -> None:
        self._queue.close()

    def _write(self, entries: Sequence[Entry]) -> None:
        """Write a batch in one transaction, then tell whoever is looking."""
        batch = _sorted_by_kind(entries)
        with session_scope(self._engine) as session:
            self._hold(session, batch)
            if batch.points:
                series.append(session, self._run_id, frame_of(batch.points))
            logs.append(session, self._run_id, batch.lines)
            for write in batch.others:
                write(session)
            going = [
                (path, each.remove)
                for each in batch.released
                for path in keeping.release(session, self._run_id, each.paths)
            ]
        for path, remove in going:
            remove(path)
        notify.run_changed(self._run_id)
        self._tell_table(batch.progress)

    def _hold(self, session: Session, batch: _Batch) -> None:
        """Take the run's row and write the progress; LostRun if this attempt no longer has it."""
        values: dict[str, Any] = {}
        if batch.points:
            values["step"] = batch.points[-1][0]
        if batch.progress is not None:
            values |= {
                "phase": batch.progress.phase,
                "done": batch.progress.done,
                "total": batch.progress.total,
                "seconds_left": batch.progress.seconds_left,
            }
        if not lease.write(session, lease.of_run(self._run_id, self._attempt), **values):
            raise LostRun(f"run {self._run_id}, attempt {self._attempt}")

    def _raise_alarm(self, session: Session, alarm: Alarm) -> None:
        if alarms.raise_once(session, self._run_id, alarm):
            data = {"name": alarm.name, "step": alarm.step}
            events.add(session, self._run_id, "alarm", alarm.text, data)

    def _add_checkpoint(self, session: Session, checkpoint: Checkpoint) -> None:
        checkpoints.add(session, self._run_id, checkpoint)
        kept = checkpoints.list(session, self._run_id)
        gone = [each.path for each in kept if not (self._artifacts / each.path).exists()]
        keeping.release(session, self._run_id, gone)

    def _start_evaluation(self, session: Session, key: EvaluationKey) -> None:
        self._evaluations[key] = predictions.start_evaluation(session, self._run_id, key)

    def _finish_evaluation(self, session: Session, summary: EvaluationSummary) -> None:
        predictions.finish_evaluation(session, self._evaluations[summary.key], summary)

    def _tell_table(self, progress: Progress | None) -> None:
        """The table of runs hears of progress now and then, and of a new phase at once."""
        now = time.monotonic()
        phase = progress.phase if progress else self._phase
        if phase != self._phase or now - self._table_told_at > TABLE_EVERY:
            self._phase, self._table_told_at = phase, now
            notify.runs_changed()


def _sorted_by_kind(entries: Sequence[Entry]) -> _Batch:
    batch = _Batch()
    for entry in entries:
        match entry:
            case tuple():
                batch.points.append(entry)
            case LogLine():
                batch.lines.append(entry)
            case Progress():
                batch.progress = entry
            case _Release():
                batch.released.append(entry)
            case _:
                batch.others.append(entry)
    return batch


def frame_of(points: Sequence[Point]) -> MetricFrame:
    """Points as columns; None where a metric was not logged at a step (NaN is a value)."""
    names = dict.fromkeys(name for _, _, values in points for name in values)
    return MetricFrame(
        steps=[step for step, _, _ in points],
        wall_times=[wall_time for _, wall_time, _ in points],
        values={name: [values.get(name) for _, _, values in points] for name in names},
    )
