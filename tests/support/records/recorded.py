"""Runs as a training leaves them, written through the services: for pages that need something to show."""

from __future__ import annotations

import hashlib
import json
import math
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from backend.alerts import service as alarms
from backend.artifacts.manifest import MANIFEST
from backend.data import service as datasets
from backend.db.session import session_scope
from backend.domain.arc.failure_modes import cell_accuracy, failure_mode
from backend.domain.arc.grid import Grid
from backend.domain.arc.task import Task
from backend.domain.arc.votes import ActStep, OutcomeTrace, RankedVote, SearchPoint, SearchTrace
from backend.domain.config.presets import PRESETS
from backend.domain.evaluation_request import EvaluationRequest
from backend.domain.experiment import ExperimentConfig
from backend.domain.histograms import CONTEXT_DEVIATION, CONTEXT_VALUES, Counted, of_counts
from backend.domain.records import (
    Alarm,
    Checkpoint,
    EvaluationKey,
    EvaluationSummary,
    LogLine,
    MetricFrame,
    Prediction,
    Score,
    TestOutcome,
)
from backend.evaluation import jobs as evaluation_queue
from backend.evaluation import outcomes as predictions
from backend.evaluation import service as evaluations
from backend.histograms import service as histograms
from backend.lifecycle import service as runs
from backend.metrics import service as series
from backend.runs import checkpoint_files, checkpoints, events, logs
from backend.runs import queries as run_rows
from backend.scores import job_queries as evaluation_jobs
from tests.support.passing_time import keep_alive
from tests.support.records.trained import record_trained_on

HELD_OUT = "arc-agi-1/evaluation"


def record_run(
    engine: Engine,
    preset: str = "quick",
    status: str = "finished",
    points: int = 120,
    tasks: int = 0,
    seed: int = 0,
    alarm: Alarm | None = None,
    nan_from: int | None = None,
    age: float = 600.0,
    **columns: Any,
) -> str:
    """A run with `points` logged points and, if `tasks`, an evaluation of that many; returns its id."""
    config = PRESETS[preset].make().model_copy(update={"seed": seed})
    started = time.time() - age
    with session_scope(engine) as session:
        run_id = runs.create(session, config).id
        row = run_rows.get(session, run_id)
        assert row is not None
        progress = {
            "done": points * config.training.log_every,
            "total": config.training.steps,
            "step": points * config.training.log_every,
            "created_at": started - 2,
            "started_at": started if points else None,
            "finished_at": started + points * 0.9 if status in ("finished", "failed", "cancelled") else None,
            "phase": "training" if status == "running" else "",
            "seconds_left": 83.0 if status == "running" else None,
        }
        for name, value in {"status": status, **progress, **columns}.items():
            setattr(row, name, value)
        if points:
            record_trained_on(session, run_id, config)
            series.append(session, run_id, curves_of(config, points, started, seed, nan_from))
            if points > 1:
                histograms.append(session, run_id, histograms_of(config, points, started, seed, nan_from))
            step = points * config.training.log_every
            checkpoints.add(
                session, run_id, Checkpoint(step, f"{run_id}/{step:09d}.pt", "5e" * 32, 7_340_032)
            )
            logs.append(session, run_id, _lines(started, config, points))
            events.add(session, run_id, "claimed", "Worker cpu-1 took it.")
        if alarm:
            alarms.raise_once(session, run_id, alarm)
        if tasks:
            record_evaluation(session, run_id, config, tasks, seed)
    return run_id


def curves_of(
    config: ExperimentConfig, points: int, started: float, seed: int, nan_from: int | None = None
) -> MetricFrame:
    """Curves of the usual shapes, with noise; the loss is NaN from the point `nan_from` on."""
    draw = random.Random(seed)
    shares = [i / max(1, points - 1) for i in range(points)]
    loss = [2.4 * math.exp(-2.6 * x) + 0.7 + draw.gauss(0, 0.06) for x in shares]
    if nan_from is not None:
        loss = [math.nan if i >= nan_from else value for i, value in enumerate(loss)]
    token = [0.78 - 0.62 * math.exp(-3.4 * x) + draw.gauss(0, 0.02) for x in shares]
    norms = [math.exp(draw.gauss(0, 0.2)) * (1.4 - 0.6 * x) for x in shares]
    values: dict[str, Sequence[float | None]] = {
        "loss": loss,
        "loss/prediction": [value * 0.86 for value in loss],
        "loss/halting": [0.09 + 0.2 * math.exp(-4 * x) + draw.gauss(0, 0.006) for x in shares],
        "accuracy/token": token,
        "accuracy/exact": [max(0.0, value - 0.62 + draw.gauss(0, 0.01)) for value in token],
        "accuracy/halting": [min(1.0, 0.9 + draw.gauss(0, 0.02)) for _ in shares],
        "act_steps": [3.4 - 0.8 * x + draw.gauss(0, 0.08) for x in shares],
        "gradient_norm/all": norms,
        "learning_rate": [min(1.0, i * 5 / 50) * 1e-3 for i in range(points)],
        "samples_per_second": [118 + draw.gauss(0, 3) for _ in shares],
        "memory_bytes": [412e6 + 3e6 * x for x in shares],
    }
    if config.model.kind == "etrm":
        values |= {
            "gradient_norm/encoder": [0.3 * norm for norm in norms],
            "gradient_norm/core": [0.95 * norm for norm in norms],
            "encoder/gradient_coverage": [1.0 - 0.02 * draw.random() for _ in shares],
            "encoder/sample_coverage": [1.0 for _ in shares],
            "encoder/cross_sample_variance": [0.36 * (1 - math.exp(-5 * x)) + 0.02 for x in shares],
            "encoder/scale_free_variance": [0.35 * (1 - math.exp(-5 * x)) + 0.02 for x in shares],
        }
        values["encoder/gradient_share"] = [0.3] * points
        probed = {
            "encoder/effective_rank": [1 + 9 * (1 - math.exp(-4 * x)) + draw.gauss(0, 0.2) for x in shares],
            "encoder/pairwise_cosine": [0.4 + 0.5 * math.exp(-4 * x) for x in shares],
            "encoder/within_variance": [0.09 * (1 - math.exp(-5 * x)) + 0.01 for x in shares],
            "encoder/between_within": [1 + 2.4 * x + draw.gauss(0, 0.05) for x in shares],
            "encoder/retrieval": [0.05 + 0.66 * x for x in shares],
            "reliance/token_right": token,
            "reliance/token_swapped": [value - 0.41 * x for value, x in zip(token, shares, strict=True)],
            "reliance/token_mean": [value - 0.33 * x for value, x in zip(token, shares, strict=True)],
            "reliance/exact_right": [max(0.0, value - 0.62) for value in token],
            "reliance/exact_swapped": [0.0] * points,
            "reliance/exact_mean": [0.0] * points,
            "reliance/cost": [0.41 * x for x in shares],
        }
        apart = (config.health.probe_every or points) // config.training.log_every
        values |= {
            name: [value if (i + 1) % apart == 0 else None for i, value in enumerate(curve)]
            for name, curve in probed.items()
        }
    values["data/left_out_as_leak"] = [2.0, *[None] * (points - 1)][:points]
    values["data/token_baseline"] = [0.69, *[None] * (points - 1)][:points]
    every = config.training.log_every
    times = [started + i * 0.9 for i in range(points)]
    return MetricFrame([(i + 1) * every for i in range(points)], times, values)


def histograms_of(
    config: ExperimentConfig, points: int, started: float, seed: int, nan_from: int | None = None
) -> list[Counted]:
    """Bells that move and narrow, a few hundred numbers each; NaN among them from the point `nan_from` on."""
    draw = random.Random(seed)
    groups = ("encoder", "core_1", "heads") if config.model.kind == "etrm" else ("core_1", "heads")
    names = [
        CONTEXT_VALUES,
        CONTEXT_DEVIATION,
        *(f"{k}/{g}" for k in ("gradients", "weights") for g in groups),
    ]
    recorded = []
    for at in range(0, points, max(1, points // 40)):
        found = {}
        for name in names:
            middle = 505 - 30 * (at / points) - 40 * name.startswith("gradients")
            sizes = [round(draw.gauss(middle, 9)) for _ in range(300)]
            signs = (1,) if name == CONTEXT_DEVIATION else (-1, 1)
            bins = [size * draw.choice(signs) for size in sizes]
            nan = 5 if nan_from is not None and at >= nan_from else 0
            found[name] = of_counts({place: bins.count(place) for place in set(bins)}, nan)
        recorded.append(Counted((at + 1) * config.training.log_every, started + at * 0.9, found))
    return recorded


def record_evaluation(session: Any, run_id: str, config: ExperimentConfig, tasks: int, seed: int) -> None:
    """A finished evaluation of the first `tasks` small held-out tasks, its answers wrong in various ways."""
    found = [task for task in datasets.tasks(session, HELD_OUT) if task.visible_side <= 10][:tasks]
    key = EvaluationKey(HELD_OUT, config.training.steps, "ema", 8, 4, tuple(task.id for task in found))
    evaluation_id = predictions.start_evaluation(session, run_id, key)
    outcomes = [_outcome(task, at, random.Random(seed + at)) for at, task in enumerate(found)]
    for outcome in outcomes:
        predictions.add_outcome(session, evaluation_id, outcome)
    modes = [o.candidates[0].failure_mode for o in outcomes if o.candidates[0].failure_mode]
    solved = {k: sum(any(c.correct for c in o.candidates[:k]) for o in outcomes) for k in (1, 2, 5)}
    summary = EvaluationSummary(
        key,
        passes={k: Score(number, len(found)) for k, number in solved.items()},
        failure_modes={mode: modes.count(mode) for mode in dict.fromkeys(modes)},
        seconds=14.2,
    )
    predictions.finish_evaluation(session, evaluation_id, summary)


def record_checkpoint(engine: Engine, artifacts: Path, run_id: str, step: int) -> dict[str, bytes]:
    """A checkpoint with its files, whose content is no weights; the content of each by ema and raw."""
    path = f"{run_id}/checkpoints/step-{step:09d}"
    content, sha256 = _write_files(artifacts / path, step)
    with session_scope(engine) as session:
        checkpoints.add(session, run_id, Checkpoint(step, path, sha256, 7_340_032))
    return content


def add_checkpoint_files(engine: Engine, artifacts: Path, run_id: str) -> None:
    """Files for the checkpoints that a run has."""
    with session_scope(engine) as session:
        for checkpoint in checkpoints.list(session, run_id):
            _, checkpoint.sha256 = _write_files(artifacts / checkpoint.path, checkpoint.step)


def _write_files(folder: Path, step: int) -> tuple[dict[str, bytes], str]:
    """The content of the files by ema and raw, and the SHA-256 of their manifest."""
    folder.mkdir(parents=True)
    content = {weights: f"{weights} of step {step}".encode() for weights in checkpoint_files.NAMES}
    digests = {}
    for weights, name in checkpoint_files.NAMES.items():
        (folder / name).write_bytes(content[weights])
        digests[name] = hashlib.sha256(content[weights]).hexdigest()
    manifest = json.dumps({"sha256": digests}).encode()
    (folder / MANIFEST).write_bytes(manifest)
    return content, hashlib.sha256(manifest).hexdigest()


def record_evaluation_job(engine: Engine, run_id: str, worker_id: str = "", **asked: Any) -> int:
    """An evaluation job, a third of it done if a worker shares it; returns its id.

    Nothing is left to take, so a lab's own worker leaves it as it is.
    """
    with session_scope(engine) as session:
        view = evaluations.request(session, run_id, EvaluationRequest(set=HELD_OUT, first_tasks=32, **asked))
        if worker_id:
            share = evaluation_queue.claim(session, view.id, worker_id)
            assert share
            evaluation_queue.begin(session, share, "NVIDIA H100", 3, views=960, cells=96_000, failed=[])
            evaluation_queue.take(session, share)
            evaluation_queue.deliver(session, share, 0, b"", views=320, cells=32_000, seconds=41.0)
            keep_alive(session, 3600)
        found = evaluation_jobs.lock(session, view.id)
        assert found
        found[1].batches = found[1].next_batch = 3
    return view.id


def _outcome(task: Task, at: int, draw: random.Random) -> TestOutcome:
    truth = task.tests[0].output
    assert truth is not None
    grids = list(dict.fromkeys([_answer(task, truth, at % 6, draw), _answer(task, truth, 2, draw), truth]))
    if at % 6:
        grids = grids[:2] if at % 2 else grids
    candidates = tuple(
        Prediction(
            rank=rank,
            grid=grid,
            votes=max(1, 5 - 2 * rank),
            confidence=0.4 / rank,
            correct=grid == truth,
            cell_accuracy=cell_accuracy(grid, truth),
            failure_mode=failure_mode(grid, truth, task.tests[0].input),
        )
        for rank, grid in enumerate(grids, start=1)
    )
    rank = next((each.rank for each in candidates if each.correct), None)
    return TestOutcome(task.id, 0, 8, rank, candidates, trace=_trace(grids, truth, draw))


def _trace(grids: Sequence[Grid], truth: Grid, draw: random.Random) -> OutcomeTrace:
    """Eight views, one a symmetry, that vote for the candidates; eight ACT steps, right at 5 and 6 only."""
    ranks = [*([1] * 3), *range(1, len(grids) + 1), *([1] * 8)][:8]
    votes = tuple(RankedVote(view, view, "0123456789", rank, 0.4 / rank) for view, rank in enumerate(ranks))
    shown = [truth if step in (5, 6) else Grid.of(_noisy(truth, draw, 9 - step)) for step in range(1, 9)]
    steps = tuple(ActStep(step, grid, step / 10) for step, grid in enumerate(shown, 1))
    found = [SearchPoint(at, 2.0 - 0.3 * at, 0.1 * at, shown[at + 1], 0.5) for at in range(6)]
    return OutcomeTrace(tuple(grids), votes, steps, SearchTrace(tuple(found), 5, 80))


def _noisy(truth: Grid, draw: random.Random, cells: int) -> list[list[int]]:
    """The truth with some cells of the next colour."""
    rows = truth.as_lists()
    for _ in range(max(1, cells)):
        r, c = draw.randrange(truth.height), draw.randrange(truth.width)
        rows[r][c] = (truth.rows[r][c] + 1) % 10
    return rows


def _answer(task: Task, truth: Grid, way: int, draw: random.Random) -> Grid:
    """Right, or wrong in one of the usual ways."""
    rows = truth.as_lists()
    if way == 1:
        return task.tests[0].input
    if way == 2:
        for _ in range(max(1, len(truth.cells) // 12)):
            rows[draw.randrange(truth.height)][draw.randrange(truth.width)] = draw.randrange(10)
    if way == 3:
        rows = [row[: max(1, truth.width - 2)] for row in rows[: max(1, truth.height - 1)]]
    if way == 4:
        rows = [[rows[0][0]] * truth.width for _ in rows]
    if way == 5:
        rows = [[draw.randrange(10) for _ in row] for row in rows]
    return Grid.of(rows)


def _lines(started: float, config: ExperimentConfig, points: int) -> Sequence[LogLine]:
    lines = [
        LogLine(started, "info", "64 tasks, 1 canvas of 10×10, device cpu, fp32"),
        LogLine(
            started + 0.4, "warning", "2 training tasks hold a pair of an evaluated task and were dropped"
        ),
    ]
    every = config.training.checkpoint_every
    steps = range(every, points * config.training.log_every + 1, every)
    return [*lines, *(LogLine(started + s * 0.18, "info", f"checkpoint at step {s}") for s in steps)]
