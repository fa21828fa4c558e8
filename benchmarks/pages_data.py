"""The database of a busy year that the pages are timed on: 2,000 runs, 20,000 predictions."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Engine, insert

from backend.data import service as datasets
from backend.db.migrate import upgrade
from backend.db.session import make_engine, session_scope
from backend.domain.config.presets import PRESETS, preset_of_encoder
from backend.domain.experiment import ENCODERS
from backend.domain.records import EvaluationKey, EvaluationSummary, MetricFrame, Score
from backend.evaluation import outcomes as predictions
from backend.metrics import service as series
from backend.runs.tables import Run
from backend.scores.tables import Outcome, Prediction

RUNS, LONG_RUNS, POINTS = 2_000, 50, 10_000
METRICS = (
    "accuracy/token",
    "accuracy/exact",
    "loss",
    "loss/prediction",
    "loss/halting",
    "act_steps",
    "encoder/gradient_coverage",
    "encoder/scale_free_variance",
    "encoder/cross_sample_variance",
    "gradient_norm/all",
)
EVALUATED = 50  # runs; 400 outcomes each
VARIANTS = tuple(f"quick_{preset_of_encoder(kind)}" for kind in ENCODERS)
LARGE = "arc-agi-1/evaluation"


def filled(url: str, remembered: Path) -> list[str]:
    """Ids of the long runs of the database, which is filled unless it is already."""
    upgrade(url)  # one that is kept may be older than the code
    if remembered.exists():
        ids: list[str] = json.loads(remembered.read_text())
        return ids
    started = time.perf_counter()
    engine = make_engine(url)
    ids = add_runs(engine)
    add_points(engine, ids[:LONG_RUNS])
    add_predictions(engine, ids[:EVALUATED])
    engine.dispose()
    remembered.write_text(json.dumps(ids[:LONG_RUNS]))
    print(f"filled in {time.perf_counter() - started:.0f} s", file=sys.stderr)
    return ids[:LONG_RUNS]


def add_runs(engine: Engine) -> list[str]:
    """Newest first are the long ones."""
    now = time.time()
    rows: list[dict[str, Any]] = []
    for number in range(RUNS):
        config = PRESETS[VARIANTS[number // 5 % len(VARIANTS)]].make()
        config = config.model_copy(update={"seed": number % 5})
        rows.append(
            {
                "id": f"bench{number:05d}",
                "name": f"{config.variant} {number // 5}",
                "origin": "training",
                "variant": config.variant,
                "seed": config.seed,
                "status": "finished",
                "config": config.model_dump(mode="json"),
                "done": POINTS,
                "total": POINTS,
                "step": POINTS * 10,
                "created_at": now - 60 * number,
                "started_at": now - 60 * number,
                "finished_at": now - 60 * number + 50,
            }
        )
    with session_scope(engine) as session:
        datasets.seed_built_in(session)
        for start in range(0, RUNS, 200):
            session.execute(insert(Run), rows[start : start + 200])
        few = np.arange(1, 11) * 10
        for row in rows[LONG_RUNS:]:
            values = {name: [0.5] * len(few) for name in METRICS[:4]}
            series.append(
                session, row["id"], MetricFrame(few.tolist(), (few + row["started_at"]).tolist(), values)
            )
    return [row["id"] for row in rows]


def add_points(engine: Engine, ids: list[str]) -> None:
    for number, run_id in enumerate(ids):
        draw = np.random.default_rng(number)
        steps = np.arange(1, POINTS + 1) * 10
        course = 1 - np.exp(-np.arange(POINTS) / 2_500)
        values: dict[str, Any] = {}
        for at, name in enumerate(METRICS):
            noise = draw.normal(0, 0.03, POINTS)
            curve = (2.5 - 2 * course if name.startswith("loss") else (0.4 + 0.04 * at) * course) + noise
            curve[int(draw.integers(POINTS))] += 0.5
            values[name] = np.abs(curve).astype(np.float32).astype(float).tolist()
        with session_scope(engine) as session:
            series.append(
                session, run_id, MetricFrame(steps.tolist(), (1.79e9 + steps * 0.1).tolist(), values)
            )
            series.compact(session, run_id)


def add_predictions(engine: Engine, ids: list[str]) -> None:
    """400 outcomes a run, each with one candidate."""
    with session_scope(engine) as session:
        tasks = datasets.tasks(session, LARGE)
        modes = ("wrong size", "nearly right", "collapsed", "structured but wrong")
        for number, run_id in enumerate(ids):
            key = EvaluationKey(LARGE, POINTS * 10, "ema", 8, 4, tuple(task.id for task in tasks))
            evaluation_id = predictions.start_evaluation(session, run_id, key)
            passes = {1: Score(number, len(tasks))}
            predictions.finish_evaluation(session, evaluation_id, EvaluationSummary(key, passes))
            given = {"evaluation_id": evaluation_id, "test_index": 0, "views": 8, "note": ""}
            session.execute(insert(Outcome), [{"task_id": task.id, **given} for task in tasks])
            kept = session.query(Outcome.id, Outcome.task_id).filter_by(evaluation_id=evaluation_id).all()
            grids = {task.id: task.tests[0].input.digits for task in tasks}
            answer = {"rank": 1, "votes": 5, "confidence": 0.4, "correct": False, "cell_accuracy": 0.5}
            answers = [
                {
                    "outcome_id": outcome_id,
                    "grid": grids[task_id],
                    "failure_mode": modes[at % len(modes)],
                    **answer,
                }
                for at, (outcome_id, task_id) in enumerate(kept)
            ]
            session.execute(insert(Prediction), answers)
