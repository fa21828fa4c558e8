"""Databases that are full: many runs, long curves, predictions; and curves as trainings make them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from sqlalchemy import Engine, Table, func, insert, select, text

from backend.data import service as datasets
from backend.db.base import Base
from backend.db.session import make_engine, session_scope
from backend.domain.config.presets import PRESETS, preset_of_encoder
from backend.domain.experiment import ENCODERS
from backend.domain.records import EvaluationKey, EvaluationSummary, MetricFrame, Score
from backend.evaluation import outcomes as predictions
from backend.lifecycle import service as runs
from backend.metrics import service as series
from backend.runs.tables import Run
from backend.scores.tables import Outcome, Prediction

POINTS = 10_000  # of a long run
LONG_RUNS = 50
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
SHORT_METRICS = METRICS[:4]
SEEDS = 5  # runs of a configuration
VARIANTS = tuple(f"quick_{preset_of_encoder(kind)}" for kind in ENCODERS)
LARGE = "arc-agi-1/evaluation"
START = 1_790_000_000.0  # of the clock of what was logged
AT_ONCE = 50_000  # points of a curve in one append of a long run
TEMPLATES = 500  # runs whose series are written as a training would; those of further runs are copies


def busy_year(url: str, count: int = 2_000, evaluated: int = 50) -> list[str]:
    """2,000 runs, 50 of them with 10 metrics of 10,000 points, 20,000 predictions. Ids, newest first."""
    engine = make_engine(url)
    ids = add_runs(engine, count)
    add_short_series(engine, ids[LONG_RUNS:])
    add_long_series(engine, ids[:LONG_RUNS])
    add_predictions(engine, ids[:evaluated])
    engine.dispose()
    return ids


def many_runs(url: str, count: int) -> list[str]:
    """Runs with four short metrics each. Ids, newest first."""
    engine = make_engine(url)
    ids = add_runs(engine, count)
    add_short_series(engine, ids)
    engine.dispose()
    return ids


def add_runs(engine: Engine, count: int) -> list[str]:
    """Finished runs of all encoders, five seeds a configuration, without points. Ids, newest first."""
    now = time.time()
    rows: list[dict[str, Any]] = []
    for number in range(count):
        configuration = number // SEEDS
        config = PRESETS[VARIANTS[configuration % len(VARIANTS)]].make()
        rate = round(1e-4 * (1 + configuration / 1000), 10)
        optimisation = config.optimisation.model_copy(update={"learning_rate": rate})
        config = config.model_copy(update={"seed": number % SEEDS, "optimisation": optimisation})
        when = now - 60 * number
        run = vars(runs.new_run(config, created_at=when, started_at=when, finished_at=when + 50))
        rows.append(
            {column: value for column, value in run.items() if not column.startswith("_")}
            | {
                "id": f"{number:010d}",
                "name": f"{config.variant} {configuration}",
                "status": "finished",
                "done": POINTS,
                "total": POINTS,
                "step": POINTS * 10,
            }
        )
    with session_scope(engine) as session:
        for start in range(0, count, 500):
            session.execute(insert(Run), rows[start : start + 500])
    return [row["id"] for row in rows]


def add_short_series(engine: Engine, ids: Sequence[str]) -> None:
    """Ten points of four metrics for every run."""
    draw = np.random.default_rng(0)
    steps = (np.arange(1, 11) * 10).tolist()
    written = ids[:TEMPLATES]
    with session_scope(engine) as session:
        for run_id in written:
            values = {name: draw.random(len(steps)).round(6).tolist() for name in SHORT_METRICS}
            series.append(session, run_id, MetricFrame(steps, [START + step for step in steps], values))
    with session_scope(engine) as session:
        for start in range(TEMPLATES, len(ids), TEMPLATES):
            copies = ids[start : start + TEMPLATES]
            copy_series(session.connection(), dict(zip(written, copies, strict=False)))


def copy_series(connection: Any, of: dict[str, str]) -> None:
    """Give each run that is a value the points of the one that is its key, row by row in whatever tables hold
    them: ten times faster than to write them."""
    numbers: dict[Table, dict[Any, Any]] = {Run.__table__: dict(of)}  # type: ignore[dict-item]
    for table in Base.metadata.sorted_tables:
        if not table.name.startswith(("series", "run_cursor", "metric")):
            continue
        link = next((key for key in table.foreign_keys if key.column.table in numbers), None)
        if link is None:
            continue
        old = numbers[link.column.table]
        rows: list[dict[str, Any]] = []
        ids = list(old)
        for start in range(0, len(ids), 500):
            chosen = table.c[link.parent.name].in_(ids[start : start + 500])
            rows += [dict(row._mapping) for row in connection.execute(select(table).where(chosen))]
        numbered = "id" in table.c and table.c.id.type.python_type is int
        first = (connection.execute(select(func.max(table.c.id))).scalar() or 0) + 1 if numbered else 0
        numbers[table] = {}
        for number, row in enumerate(rows, first):
            row[link.parent.name] = old[row[link.parent.name]]
            if numbered:
                numbers[table][row["id"]] = number
                row["id"] = number
        if rows:
            connection.execute(insert(table), rows)
        if numbered and connection.dialect.name == "postgresql":
            sequence = (
                f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), max(id)) FROM {table.name}"
            )
            connection.execute(text(sequence))


def add_long_series(engine: Engine, ids: Sequence[str], points: int = POINTS) -> None:
    """Ten metrics that rise or fall with noise, one of whose points stands out, for every run."""
    for number, run_id in enumerate(ids):
        draw = np.random.default_rng(number)
        steps = np.arange(1, points + 1) * 10
        course = 1 - np.exp(-np.arange(points) / 2_500)
        values: dict[str, Any] = {}
        for at, name in enumerate(METRICS):
            noise = draw.normal(0, 0.03, points)
            curve = (2.5 - 2 * course if name.startswith("loss") else (0.4 + 0.04 * at) * course) + noise
            curve[int(draw.integers(points))] += 0.5
            values[name] = np.abs(curve).astype(np.float32).astype(float).tolist()
        with session_scope(engine) as session:
            frame = MetricFrame(steps.tolist(), (START + steps * 0.1).tolist(), values)
            series.append(session, run_id, frame)
            series.compact(session, run_id)


def add_predictions(engine: Engine, ids: Sequence[str]) -> None:
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


def frame(points: int, metrics: Sequence[str], seed: int = 0, first: int = 0) -> MetricFrame:
    """A training's metrics: falling noisy curves of float32 values every 10 steps, about a second apart."""
    generator = np.random.default_rng(seed)
    steps = (first + np.arange(points)) * 10
    times = START + first + np.cumsum(generator.normal(1.0, 0.03, points))
    values: dict[str, Any] = {}
    for name in metrics:
        curve = np.exp(-(first + np.arange(points)) / 30_000) + generator.normal(0, 0.01, points)
        values[name] = curve.astype(np.float32).astype(np.float64).tolist()
    return MetricFrame(steps.tolist(), times.tolist(), values)


def frames(points: int, metrics: Sequence[str], seed: int = 0) -> Iterator[MetricFrame]:
    """The same in parts of `AT_ONCE` points."""
    for first in range(0, points, AT_ONCE):
        yield frame(min(AT_ONCE, points - first), metrics, seed * 1_000 + first // AT_ONCE, first)
