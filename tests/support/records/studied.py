"""A study as rows, for what shows, stops, continues and exports it: nothing of it is trained."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Engine

from backend.data import service as datasets
from backend.db.session import session_scope
from backend.domain.records import EvaluationKey, EvaluationSummary, Score, TestOutcome
from backend.domain.study import Design, parse_study
from backend.evaluation import outcomes as predictions
from backend.lifecycle import service as runs
from backend.runs.status import RunStatus
from backend.study.tables import StudyEvaluation, StudyRow, StudyRun
from tests.support.records.rows import HELD_OUT, add_run

TASKS = 20
STUDY: dict[str, Any] = {
    "title": "Cached contexts",
    "about": "Is a fresh context worth its time?",
    "scales": {
        "small": {
            "title": "A test",
            "hours": 100,
            "at_once": 1,
            "rounds": [{"seeds": 2, "tasks": TASKS}, {"seeds": 3, "tasks": TASKS}],
        }
    },
    "configurations": {
        "fresh": {"title": "fresh context", "scales": {"small": {"seconds": 100}}},
        "cached": {
            "title": "cached context",
            "overrides": {"model": {"reencode": False}},
            "scales": {"small": {"seconds": 100}},
        },
    },
    "claims": [
        {
            "name": "learns",
            "section": "5.1",
            "claim": "A fresh context solves most tasks",
            "about": "Held-out tasks solved.",
            "would_change": "Harder tasks.",
            "published": ["ETRM deterministic"],
            "tests": [{"of": "fresh", "comparison": ">", "bar": 0.5}],
        },
        {
            "name": "better",
            "section": "5.2.1",
            "claim": "A fresh context solves more than a cached one",
            "tests": [{"of": "fresh", "minus": "cached"}],
        },
    ],
}


def record_study(engine: Engine, status: str = "running") -> str:
    """A study with one claim decided, and another whose next run waits: nothing is due. Its id."""
    study = parse_study(STUDY)
    design, now = Design(study, "small"), time.time()
    study_id = runs.new_id()
    with session_scope(engine) as session:
        session.add(
            StudyRow(
                id=study_id,
                name="caching",
                definition=study.model_dump(mode="json"),
                scale="small",
                hours=100.0,
                spent=1800.0,
                looked_at=now,
                status="stopped",  # until all of it is there, or a web server would take its next step
                cause="" if status == "running" else "Stopped by the user.",
                project="",
                revision=0,
                created_at=now,
            )
        )
    for configuration, seed, is_over in (("fresh", 0, True), ("fresh", 1, True), ("cached", 0, False)):
        config = design.config(configuration, seed).model_dump(mode="json")
        run_id = add_run(
            engine,
            runs.new_id(),
            name=f"caching · {configuration} · seed {seed}",
            config=config,
            seed=seed,
            variant="deterministic",
            status=RunStatus.FINISHED if is_over else RunStatus.QUEUED,
            created_at=now,
        )
        with session_scope(engine) as session:
            session.add(StudyRun(study_id=study_id, configuration=configuration, seed=seed, run_id=run_id))
        if is_over:
            _record_evaluation(engine, study_id, run_id, configuration, seed)
    with session_scope(engine) as session:
        row = session.get(StudyRow, study_id)
        assert row
        row.status = status
    return study_id


def _record_evaluation(engine: Engine, study_id: str, run_id: str, configuration: str, seed: int) -> None:
    """It solves all tasks but one."""
    with session_scope(engine) as session:
        tasks = tuple(task.id for task in datasets.tasks(session, HELD_OUT, pools=False)[-TASKS:])
        key = EvaluationKey(HELD_OUT, 600, "ema", 8, 4, tasks)
        evaluation = predictions.start_evaluation(session, run_id, key)
        for number, task_id in enumerate(tasks):
            outcome = TestOutcome(task_id, 0, 8, 1 if number else None, ())
            predictions.add_outcome(session, evaluation, outcome)
        predictions.finish_evaluation(
            session, evaluation, EvaluationSummary(key, {1: Score(TASKS - 1, TASKS)})
        )
        session.add(
            StudyEvaluation(
                study_id=study_id,
                configuration=configuration,
                measurement="",
                set_name=HELD_OUT,
                seed=seed,
                tasks=TASKS,
                evaluation_id=evaluation,
            )
        )
