"""Ablations whose evaluations a worker is played for: for pages that need something to show."""

from __future__ import annotations

import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from backend.ablations import service as ablations
from backend.db.session import session_scope
from backend.domain.ablation.planning import AblationRequest
from backend.domain.records import COMPUTED_BY, EvaluationSummary, TestOutcome
from backend.evaluation import jobs as evaluation_queue
from backend.evaluation import outcomes as predictions
from backend.evaluation import service as evaluations
from backend.runs.status import RunStatus
from backend.scores import job_queries as evaluation_jobs
from backend.scores import queries as evaluation_rows
from backend.scores.transition import transition_evaluation
from backend.settings import Settings
from tests.support.passing_time import keep_alive

DEVICE = "NVIDIA H100"
SECONDS = 0.0021  # of a view's ACT step
LATER = 9e5  # seconds for which leases hold and nobody is told of a job


def record_ablation(
    engine: Engine,
    artifacts: Path,
    run_id: str,
    solved: Mapping[str, int] | None,
    *,
    waiting: int = 0,
    worker_id: str = "",
    **asked: Any,
) -> int:
    """An ablation with so many of the first tasks of each row solved (those not named with none); or for
    None one that was cancelled before anything was computed. The last `waiting` rows are not finished:
    the worker computes the first of them. Its id."""
    settings = Settings(artifacts=artifacts)
    with session_scope(engine) as session:
        view, started = ablations.request(session, settings, run_id, AblationRequest.model_validate(asked))
    new = {evaluation_id for evaluation_id, _ in started}
    for row in view.rows[len(view.rows) - waiting :]:
        _leave_open(engine, row.evaluation, worker_id)
        worker_id = ""
    for row in view.rows[: len(view.rows) - waiting]:
        if row.evaluation not in new:
            continue
        if solved is None:
            with session_scope(engine) as session:
                evaluations.cancel(session, row.evaluation)
        else:
            finish(engine, row.evaluation, solved.get(row.name, 0))
            _note_cost(engine, row.evaluation)
    return view.id


def _leave_open(engine: Engine, evaluation_id: int, worker_id: str) -> None:
    """An evaluation that waits, or of which a worker has done half; nothing of it is left to take."""
    with session_scope(engine) as session:
        if worker_id:
            share = evaluation_queue.claim(session, evaluation_id, worker_id)
            assert share
            evaluation_queue.begin(session, share, DEVICE, 2, views=600, cells=60_000, failed=[])
            number = evaluation_queue.take(session, share)
            assert number is not None
            evaluation_queue.deliver(session, share, number, b"", views=300, cells=30_000, seconds=9.5)
            keep_alive(session, LATER)
        row = evaluation_jobs.lock(session, evaluation_id)
        assert row
        _, job = row
        job.batches = job.next_batch = 2
        job.dispatched_at = time.time() + LATER


def _note_cost(engine: Engine, evaluation_id: int) -> None:
    """As a worker notes it: views, seconds, and what computed them."""
    with session_scope(engine) as session:
        row = evaluation_jobs.lock(session, evaluation_id)
        assert row
        evaluation, job = row
        job.views_done = len(evaluation.task_ids) * evaluation.views
        evaluation.seconds = job.views_done * evaluation.act_steps * SECONDS
        code = {"version": version("etrm-lab"), "source": "5e" * 32, "torch": "2.7.1"}
        evaluation.extras = {**evaluation.extras, COMPUTED_BY: code | {"device": DEVICE}}


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
        summary = EvaluationSummary(key, {}, extras=row.extras)  # what is known of it before stays
        predictions.finish_evaluation(session, evaluation_id, summary)
