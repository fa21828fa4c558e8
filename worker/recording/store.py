"""Batches of entries into the database: each in one transaction, under the run's attempt, and once.

Every transaction first takes the run's row under the attempt that writes (fencing), so a process that lost
its run can write nothing. The row remembers the number of the last batch: one that is there already, because
only the answer to its commit was lost or because it is replayed, is passed over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, Update
from sqlalchemy.orm import Session

from backend.alerts import service as alarms
from backend.db.session import reading_scope, session_scope
from backend.domain.histograms import Counted
from backend.domain.metrics.system import is_of_system
from backend.domain.records import (
    Alarm,
    Checkpoint,
    EvaluationKey,
    EvaluationSummary,
    LogLine,
    MetricFrame,
    Progress,
    Ruling,
)
from backend.domain.snapshots import Snapshot
from backend.domain.trained_on import TrainedOn
from backend.evaluation import outcomes as predictions
from backend.histograms import service as histograms
from backend.hypothesis import service as hypotheses
from backend.keeping import service as keeping
from backend.metrics import service as series
from backend.runs import checkpoints, events, logs, trained_on
from backend.runs import queries as runs
from backend.snapshots import service as snapshots
from backend.workers import lease
from worker.kit.recorder import LostRun
from worker.recording.entries import Answered, Entry, Point, Released, Started
from worker.recording.journal import ATTEMPT_BITS


@dataclass
class _Batch:
    """What one transaction writes, sorted by kind."""

    points: list[Point] = field(default_factory=list)
    counted: list[Counted] = field(default_factory=list)
    snapshots: list[Snapshot] = field(default_factory=list)
    lines: list[LogLine] = field(default_factory=list)
    progress: Progress | None = None
    others: list[Any] = field(default_factory=list)
    released: list[Released] = field(default_factory=list)


class Store:
    """Writes what one attempt at a run emitted. `writer` is the attempt that has the run now, if another."""

    def __init__(
        self, engine: Engine, artifacts: Path, run_id: str, attempt: int, writer: int | None = None
    ) -> None:
        self._engine = engine
        self._artifacts = artifacts
        self._run_id = run_id
        self._attempt = attempt
        self._writer = attempt if writer is None else writer
        self._evaluations: dict[EvaluationKey, int] = {}  # their ids
        # What was written of it here, with what earlier starts and the run started from trained on.
        self.trained_on: TrainedOn | None = None

    def write(self, entries: Sequence[Entry], number: int) -> tuple[Progress | None, list[str]]:
        """Store a batch, whose last entry has this number; its last progress, and which of the released
        checkpoints nothing needs: their rows are gone, so their files may go.

        LostRun once the run belongs to another attempt, Unavailable while the database takes nothing.
        """
        batch, gone = _sorted_by_kind(entries), list[str]()
        with session_scope(self._engine) as session:
            if self._hold(session, batch, number):
                gone = self._put(session, batch)
        return batch.progress, gone

    def list_checkpoint(self, checkpoint: Checkpoint) -> None:
        """List a checkpoint that the object store has; LostRun, Unavailable as of `write`."""
        with session_scope(self._engine) as session:
            self._fence(session)
            checkpoints.add(session, self._run_id, checkpoint)

    def release(self, paths: Sequence[str]) -> list[str]:
        """Drop the rows of those checkpoints that nothing needs; their paths. Errors as of `write`."""
        with session_scope(self._engine) as session:
            self._fence(session)
            return keeping.release(session, self._run_id, paths)

    def is_newest(self) -> bool:
        """Whether no later attempt than the one that emitted this has stored anything."""
        with reading_scope(self._engine) as session:
            recorded = runs.recorded(session, self._run_id)
        return recorded >> ATTEMPT_BITS <= self._attempt

    def _fence(self, session: Session) -> Update:
        own = lease.of_run(self._run_id, self._writer)
        if not lease.write(session, own):
            raise LostRun(f"run {self._run_id}, attempt {self._writer}")
        return own

    def _hold(self, session: Session, batch: _Batch, number: int) -> bool:
        """Take the run's row and write the progress; whether the batch is new. LostRun if the attempt no
        longer has the run."""
        own = self._fence(session)
        if runs.recorded(session, self._run_id) >= number:
            return False
        lease.write(session, own, recorded=number, **_progress_of(batch))
        return True

    def _put(self, session: Session, batch: _Batch) -> list[str]:
        if batch.points:
            series.append(session, self._run_id, frame_of(batch.points))
        histograms.append(session, self._run_id, batch.counted)
        snapshots.append(session, self._run_id, batch.snapshots)
        logs.append(session, self._run_id, batch.lines)
        for entry in batch.others:
            self._put_one(session, entry)
        released = [path for each in batch.released for path in each.paths]
        return keeping.release(session, self._run_id, released) if released else []

    def _put_one(self, session: Session, entry: Any) -> None:
        run_id = self._run_id
        match entry:
            case TrainedOn():
                self.trained_on = trained_on.record(session, run_id, entry)
            case Alarm():
                if alarms.raise_once(session, run_id, entry):
                    data = {"name": entry.name, "step": entry.step}
                    events.add(session, run_id, "alarm", entry.text, data)
            case Ruling():
                hypotheses.note_ruling(session, run_id, self._attempt, entry)
            case Checkpoint():
                self._add_checkpoint(session, entry)
            case Started():
                self._evaluations[entry.key] = predictions.start_evaluation(session, run_id, entry.key)
            case Answered():
                predictions.add_outcome(session, self._evaluation(session, entry.key), entry.outcome)
            case EvaluationSummary():
                predictions.finish_evaluation(session, self._evaluation(session, entry.key), entry)

    def _evaluation(self, session: Session, key: EvaluationKey) -> int:
        """The id of an evaluation, also of one that started in a batch that needs no replay."""
        known = self._evaluations.get(key)
        return predictions.start_evaluation(session, self._run_id, key) if known is None else known

    def _add_checkpoint(self, session: Session, checkpoint: Checkpoint) -> None:
        checkpoints.add(session, self._run_id, checkpoint)
        kept = checkpoints.list(session, self._run_id)
        gone = [each.path for each in kept if not (self._artifacts / each.path).exists()]
        keeping.release(session, self._run_id, gone)


def _progress_of(batch: _Batch) -> dict[str, Any]:
    """The columns of the run's row that follow a batch."""
    values: dict[str, Any] = {}
    trained = (point.step for point in reversed(batch.points) if not is_of_system(point.values))
    if (step := next(trained, None)) is not None:
        values["step"] = step
    if batch.progress is not None:
        values |= {
            "phase": batch.progress.phase,
            "done": batch.progress.done,
            "total": batch.progress.total,
            "seconds_left": batch.progress.seconds_left,
        }
    return values


def _sorted_by_kind(entries: Sequence[Entry]) -> _Batch:
    batch = _Batch()
    for entry in entries:
        match entry:
            case Point():
                batch.points.append(entry)
            case Counted():
                batch.counted.append(entry)
            case Snapshot():
                batch.snapshots.append(entry)
            case LogLine():
                batch.lines.append(entry)
            case Progress():
                batch.progress = entry
            case Released():
                batch.released.append(entry)
            case _:
                batch.others.append(entry)
    return batch


def frame_of(points: Sequence[Point]) -> MetricFrame:
    """Points as columns; None where a metric was not logged at a step (NaN is a value)."""
    return MetricFrame(
        steps=[step for step, _, _ in points],
        wall_times=[wall_time for _, wall_time, _ in points],
        values=_columns(points),
    )


def _columns(points: Sequence[Point]) -> Mapping[str, Sequence[float | None]]:
    first = list(points[0].values)
    if all(list(point.values) == first for point in points):  # nearly always, and ten times as fast
        return dict(zip(first, zip(*(point.values.values() for point in points), strict=True), strict=True))
    names = dict.fromkeys(name for point in points for name in point.values)
    return {name: [point.values.get(name) for point in points] for name in names}
