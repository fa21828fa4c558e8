"""The runs of the made-up lab: six encoders with five seeds each, and other activity."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from backend.alerts import service as alarms
from backend.artifacts.manifest import MANIFEST
from backend.db.session import session_scope
from backend.domain.config.presets import PRESETS
from backend.domain.experiment import ExperimentConfig
from backend.domain.records import Checkpoint, LogLine, MetricFrame
from backend.domain.sweeps import Sweep
from backend.groups import service as groups
from backend.kit.format import worker_name
from backend.lifecycle import service as runs
from backend.metrics import service as series
from backend.runs import checkpoint_files, checkpoints, events, logs
from backend.runs import queries as run_rows
from backend.runs.tables import Run
from backend.snapshots import service as snapshots
from tests.support.records.trained import record_trained_on
from tests.support.showcase import contexts, courses
from tests.support.showcase.answers import Solver
from tests.support.showcase.courses import Course
from worker.training.health.alarms import Alarms

STEPS, LOG_EVERY, CHECKPOINT_EVERY = 20_000, 50, 4_000
POINTS = STEPS // LOG_EVERY
RUN_SECONDS = POINTS * courses.SECONDS_PER_POINT
HOUR = 3600.0
SEEDS = 5


@dataclass(frozen=True)
class Variant:
    """One encoder: the preset it comes from, and how it fares."""

    preset: str
    name: str
    course: Course
    solver: Solver
    tags: tuple[str, ...] = ()


VARIANTS = (
    Variant(
        "quick", "det-arc1",
        Course(token=0.93, exact=0.62, variance=0.36, reliance=0.31),
        Solver(skill=-2.6), ("paper",),
    ),
    Variant(
        "quick_etrm_variational", "var-arc1",
        Course(token=0.63, exact=0.07, variance=0.09, scale=9.0, reliance=0.12, collapses_at=0.22),
        Solver(skill=-9.0, collapsed=True), ("paper",),
    ),
    Variant(
        "quick_etrm_iterative_trained", "iter-arc1",
        Course(token=0.95, exact=0.47, variance=0.46, reliance=0.44, memory=7.9e9, speed=640),
        Solver(skill=-0.7), ("paper", "next week?"),
    ),
    Variant(
        "quick_lpn", "lpn-arc1",
        Course(token=0.86, exact=0.24, variance=0.21, scale=2.1, reliance=0.22, speed=820),
        Solver(skill=-2.2, searches=True, act_steps=1),
    ),
    Variant(
        "quick_slots", "slots-arc1",
        Course(token=0.90, exact=0.43, variance=0.27, reliance=0.19, speed=910),
        Solver(skill=-2.4),
    ),
    Variant(
        "quick_graph", "graph-arc1",
        Course(token=0.91, exact=0.38, variance=0.33, reliance=0.37, memory=6.3e9, speed=760),
        Solver(skill=-1.6),
    ),
)  # fmt: skip
NAN_SEED = 3  # of the slots, whose loss is NaN from three quarters on
EXPLODED = 0.74


def config_of(preset: str, name: str, **changes: Any) -> ExperimentConfig:
    """A preset at the size of the made-up lab: 20,000 steps on a canvas of 20."""
    base = PRESETS[preset].make()
    core = base.model.core.model_copy(update={"width": 256, "heads": 8})
    act = (
        base.model.act
        if base.model.act.max_steps == 1
        else base.model.act.model_copy(update={"max_steps": 8})
    )
    sets = tuple(
        each.model_copy(update={"first_tasks": tasks})
        for each, tasks in zip(base.evaluation.sets, (64, 32), strict=True)
    )
    config = base.model_copy(
        update={
            "name": name,
            "model": base.model.model_copy(update={"core": core, "act": act}),
            "data": base.data.model_copy(
                update={"canvas_sizes": (20,), "first_tasks": None, "augmentations": 300}
            ),
            "training": base.training.model_copy(
                update={
                    "steps": STEPS,
                    "batch_size": 64,
                    "log_every": LOG_EVERY,
                    "checkpoint_every": CHECKPOINT_EVERY,
                    "precision": "bf16",
                }
            ),
            "evaluation": base.evaluation.model_copy(
                update={"sets": sets, "views": 16, "trace_steps": True, **changes.pop("evaluation", {})}
            ),
        }
    )
    return ExperimentConfig.model_validate(config.model_dump(mode="json") | changes)


def add_variants(engine: Engine, now: float) -> dict[str, list[str]]:
    """The groups of five seeds, all trained; run ids by the variants' names."""
    ids: dict[str, list[str]] = {}
    for at, variant in enumerate(VARIANTS):
        began = now - (2 + 3.2 * (len(VARIANTS) - at)) * HOUR
        config = config_of(variant.preset, variant.name, **_hypothesis(variant.name))
        with session_scope(engine) as session:
            group = groups.create(session, config, Sweep(seeds=SEEDS))
            found = [row.id for row in session.query(Run).filter_by(group_id=group.id).order_by(Run.seed)]
            for seed, run_id in enumerate(found):
                _train(session, run_id, _own_course(variant, seed), began + 190 * seed)
                run = run_rows.get(session, run_id)
                assert run
                run.tags = list(variant.tags)
        ids[variant.name] = found
    return ids


def add_run(
    engine: Engine,
    config: ExperimentConfig,
    course: Course,
    began: float,
    points: int = POINTS,
    status: str = "finished",
    parent_id: str | None = None,
    **columns: Any,
) -> str:
    """One run besides, that came as far as `points`."""
    with session_scope(engine) as session:
        run_id = runs.create(session, config, parent_id).id
        _train(session, run_id, course, began, points, status, **columns)
    return run_id


def _own_course(variant: Variant, seed: int) -> Course:
    """Seeds differ by little."""
    draw = random.Random(f"{variant.name} {seed}")
    course = replace(
        variant.course,
        token=variant.course.token + draw.gauss(0, 0.008),
        exact=max(0.01, variant.course.exact + draw.gauss(0, 0.03)),
        variance=variant.course.variance * (1 + draw.gauss(0, 0.08)),
        reliance=max(0.0, variant.course.reliance + draw.gauss(0, 0.02)),
    )
    if course.collapses_at is not None:
        course = replace(course, collapses_at=course.collapses_at + 0.03 * seed)
    if variant.name == "slots-arc1" and seed == NAN_SEED:
        return replace(course, nan_at=EXPLODED)
    return replace(course, spike_at=0.41) if (variant.name, seed) == ("iter-arc1", 1) else course


def _hypothesis(name: str) -> dict[str, Any]:
    if name != "iter-arc1":
        return {}
    return {
        "hypothesis": {
            "kind": "bar",
            "claim": "An encoder that looks again after each ACT step solves over a tenth of unseen tasks.",
            "measure": "pass@1",
            "comparison": ">=",
            "value": 0.1,
        }
    }


def _train(
    session: Session,
    run_id: str,
    course: Course,
    began: float,
    points: int = POINTS,
    status: str = "finished",
    **columns: Any,
) -> None:
    """What the training leaves behind: curves, alarms, checkpoints, log, events."""
    row = run_rows.get(session, run_id)
    assert row
    config = ExperimentConfig.model_validate(row.config)
    if points:
        record_trained_on(session, run_id, config)
    total = config.training.steps // config.training.log_every
    ended = began + points * courses.SECONDS_PER_POINT
    step = points * config.training.log_every
    usual = {
        "status": status,
        "attempt": 1,
        "created_at": began - 40,
        "queue_position": began - 40,
        "started_at": began if points else None,
        "finished_at": ended + 95 if status in ("finished", "failed", "cancelled") else None,
        "done": step,
        "total": config.training.steps,
        "step": step,
        "phase": "training" if status == "running" else "",
        "seconds_left": (total - points) * courses.SECONDS_PER_POINT if status == "running" else None,
    }
    for name, value in {**usual, **columns}.items():
        setattr(row, name, value)
    session.flush()
    if not points:
        return
    frame = courses.frame(config, course, points, began)
    series.append(session, run_id, frame)
    if config.model.kind == "etrm":
        snapshots.append(session, run_id, list(contexts.contexts(config, frame)))
    if status != "running":
        series.compact(session, run_id)
    for at in range(config.training.checkpoint_every, step + 1, config.training.checkpoint_every):
        kept = Checkpoint(at, f"{run_id}/checkpoints/step-{at:09d}", "5e" * 32, 61_865_984)
        checkpoints.add(session, run_id, kept)
    for each in checkpoints.list(session, run_id):
        each.created_at = began + each.step / LOG_EVERY * courses.SECONDS_PER_POINT
    _note_alarms(session, run_id, config, frame)
    _note_course(session, run_id, config, began, ended, step, status)


def _note_alarms(session: Session, run_id: str, config: ExperimentConfig, frame: MetricFrame) -> None:
    """Those that the training itself would have raised."""
    rules = Alarms(config.health)
    for at, step in enumerate(frame.steps):
        point = {name: curve[at] for name, curve in frame.values.items()}
        for alarm in rules.check(step, {name: value for name, value in point.items() if value is not None}):
            alarms.raise_once(session, run_id, alarm)


def _note_course(
    session: Session,
    run_id: str,
    config: ExperimentConfig,
    began: float,
    ended: float,
    step: int,
    status: str,
) -> None:
    for event in events.list(session, run_id):
        event.wall_time = began - 40  # queued
    said = f"Attempt 1 by {worker_name(worker_id(1 + config.seed % 2))}: starts at step 0."
    events.add(session, run_id, "claimed", said, wall_time=began)
    if status == "finished":
        events.add(session, run_id, "finished", "Finished.", wall_time=ended + 95)
    every = config.training.checkpoint_every
    lines = [
        LogLine(
            began + 3.1, "info", "376 tasks on 1 canvas of 20×20, 300 augmentations each; device cuda, bf16"
        ),
        LogLine(
            began + 3.4, "warning", "Excluded from training (overlaps evaluation tasks): 0a2355a6, 5751f35e."
        ),
        *(
            LogLine(began + at / LOG_EVERY * courses.SECONDS_PER_POINT, "info", f"Checkpoint of step {at:,}.")
            for at in range(every, step + 1, every)
        ),
    ]
    logs.append(session, run_id, lines)


def worker_id(number: int) -> str:
    """The id of one of the lab's GPU workers: host, namespace, process, start."""
    return f"gpu-{number}.4026531836.{4000 + 7 * number}.{number}"


def add_weights(engine: Engine, artifacts: Path, run_id: str) -> None:
    """Files for the checkpoints of a run, of the right size and without weights, so that pages offer them."""
    with session_scope(engine) as session:
        for each in checkpoints.list(session, run_id):
            folder = artifacts / each.path
            folder.mkdir(parents=True, exist_ok=True)
            digests = {}
            for name in checkpoint_files.NAMES.values():
                content = f"{each.path}{name}".encode().ljust(15_466_496, b"\0")
                (folder / name).write_bytes(content)
                digests[name] = hashlib.sha256(content).hexdigest()
            manifest = json.dumps({"sha256": digests}).encode()
            (folder / MANIFEST).write_bytes(manifest)
            each.sha256 = hashlib.sha256(manifest).hexdigest()
