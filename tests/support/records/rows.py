"""Rows that tests start from."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from backend.db.session import session_scope
from backend.domain.config.presets import quick
from backend.domain.records import EvaluationKey, EvaluationSummary, MetricFrame, Score
from backend.evaluation import outcomes as predictions
from backend.lifecycle import service as runs
from backend.metrics import service as series
from backend.queue import claims as queue
from backend.run_view.views import RunView
from backend.runs import queries as run_rows
from backend.runs.status import RunStatus
from backend.runs.tables import Run

HELD_OUT, TRAINED_ON = "arc-agi-1/evaluation", "arc-agi-1/training"


def add_run(engine: Engine, run_id: str, **values: Any) -> str:
    """Commit a queued run row; `values` override its columns."""
    columns: dict[str, Any] = {"name": run_id, "status": RunStatus.QUEUED, "config": {}, "created_at": 0.0}
    with session_scope(engine) as session:
        run_rows.add(session, Run(id=run_id, **(columns | values)))
    return run_id


def create(engine: Engine, **changes: object) -> RunView:
    with session_scope(engine) as session:
        return runs.create(session, quick().model_copy(update=changes))


def end(engine: Engine, run_id: str, status: RunStatus) -> None:
    """A worker takes the run and ends it like that."""
    with session_scope(engine) as session:
        claim = queue.claim(session, run_id, "host-1")
        assert claim
        if status is RunStatus.FAILED:
            queue.fail(session, claim, "out of memory", "Traceback …")
        else:
            queue.finish(session, claim)


def evaluate(session: Session, run_id: str, set_name: str, step: int, solved: float, n: int) -> None:
    key = EvaluationKey(set_name, step, "ema", 8, 4, tuple(f"t{i}" for i in range(n)))
    evaluation = predictions.start_evaluation(session, run_id, key)
    summary = EvaluationSummary(key, {1: Score(solved, n), 2: Score(solved, n)}, {"wrong size": 3}, 1.5)
    predictions.finish_evaluation(session, evaluation, summary)


def record(session: Session, run_id: str, **last_values: float) -> None:
    """Three points of each metric, rising to the given last value."""
    values = {name: [last / 3, last / 2, last] for name, last in last_values.items()}
    series.append(session, run_id, MetricFrame([1, 2, 3], [1.0, 2.0, 3.0], values))
