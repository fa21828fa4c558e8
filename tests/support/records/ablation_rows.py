"""Ablations whose evaluations a worker is played for: for pages that need something to show."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from backend.ablations import service as ablations
from backend.db.session import session_scope
from backend.domain.ablation.planning import AblationRequest
from backend.domain.records import EvaluationSummary, TestOutcome
from backend.evaluation import outcomes as predictions
from backend.evaluation import service as evaluations
from backend.runs.status import RunStatus
from backend.scores import queries as evaluation_rows
from backend.scores.transition import transition_evaluation
from backend.settings import Settings


def record_ablation(
    engine: Engine, artifacts: Path, run_id: str, solved: Mapping[str, int] | None, **asked: Any
) -> int:
    """An ablation that is finished, each row with so many of its first tasks solved (those not named with
    none); or for None one that was cancelled before anything was computed. Its id."""
    settings = Settings(artifacts=artifacts)
    with session_scope(engine) as session:
        view, started = ablations.request(session, settings, run_id, AblationRequest.model_validate(asked))
    new = {evaluation_id for evaluation_id, _ in started}
    for row in view.rows:
        if row.evaluation not in new:
            continue
        if solved is None:
            with session_scope(engine) as session:
                evaluations.cancel(session, row.evaluation)
        else:
            finish(engine, row.evaluation, solved.get(row.name, 0))
    return view.id


def finish(engine: Engine, evaluation_id: int, solved: int) -> None:
    """As a worker would that finds the first `solved` tasks solved."""
    with session_scope(engine) as session:
        row = evaluation_rows.get(session, evaluation_id)
        assert row is not None
        key = predictions.key_of(row)
        transition_evaluation(session, row, (RunStatus.QUEUED,), RunStatus.RUNNING)
        for number, task_id in enumerate(key.task_ids):
            outcome = TestOutcome(task_id, 0, key.views, 1 if number < solved else None, ())
            predictions.add_outcome(session, evaluation_id, outcome)
        predictions.finish_evaluation(session, evaluation_id, EvaluationSummary(key, {}))
