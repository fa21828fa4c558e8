"""Contexts as a probe leaves them: of an encoder that tells tasks apart, and of one that collapses."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine

from backend.alerts import service as alarms
from backend.db.session import session_scope
from backend.domain.records import Alarm, FailureMode, MetricFrame
from backend.domain.snapshots import ProbedTask, Snapshot
from backend.metrics import service as series
from backend.snapshots import service as snapshots
from tests.support.records.recorded import record_run
from tests.support.records.rows import TRAINED_ON

VIEWS, TOKENS, WIDTH = 2, 2, 24
STEPS = tuple(range(100, 1001, 100))
TASKS = (
    "007bbfb7", "00d62c1b", "017c7c7b", "025d127b", "045e512c", "0520fde7",
    "05269061", "05f2a901", "06df4c85", "08ed6ac7", "09629e4f", "0962bcdd",
)  # fmt: skip


def snapshot(
    step: int,
    contexts: NDArray[np.float64],
    tasks: tuple[str, ...] = TASKS,
    set_name: str = TRAINED_ON,
) -> Snapshot:
    """The snapshot of contexts (tasks, views, numbers); every other question is answered right from step 500
    on."""
    scale = float(np.sqrt(np.square(contexts).mean()))
    modes = [None if step >= 500 and at % 2 else FailureMode.WRONG_SIZE for at in range(len(tasks))]
    return Snapshot(
        step=step,
        wall_time=1000.0 + step,
        tasks=tuple(
            ProbedTask(set_name, task, mode, 0.5 if mode else 1.0)
            for task, mode in zip(tasks, modes, strict=True)
        ),
        views=contexts.shape[1],
        tokens=TOKENS,
        width=contexts.shape[2] // TOKENS,
        scale=scale,
        contexts=(contexts / max(scale, 1e-30)).astype("<f2").tobytes(),
    )


def contexts(seed: int, apart: float, tasks: int = len(TASKS)) -> NDArray[np.float64]:
    """Contexts (tasks, views, numbers) in three directions, `apart` as wide as what they have in common."""
    draw = np.random.default_rng(seed)
    numbers = TOKENS * WIDTH
    latent = draw.normal(size=(tasks, 1, 3)) + 0.1 * draw.normal(size=(tasks, VIEWS, 3))
    directions = np.linalg.qr(draw.normal(size=(numbers, 3)))[0].T
    common = draw.normal(size=numbers)
    return np.asarray(common + apart * np.sqrt(numbers / 3) * latent @ directions)


def record_contexts(engine: Engine, collapses: bool, seed: int = 1, name: str = "") -> str:
    """A finished run whose curves and contexts tell the same: of an encoder that learns to tell tasks apart,
    or that ends with one context for all; its id."""
    run_id = record_run(engine, points=200, seed=seed, name=name or ("collapses" if collapses else "sound"))
    add_contexts(engine, run_id, collapses)
    alarm = Alarm("collapse", 900, 1e-5, 1e-3, "Collapse: one context for all.")
    with session_scope(engine) as session:
        spreads = [shape.spread for shape in snapshots.shapes(session, [run_id])[run_id]]
        curve = {"encoder/scale_free_variance": spreads}
        series.append(session, run_id, MetricFrame(list(STEPS), [2000.0 + at for at in STEPS], curve))
        if collapses:
            alarms.raise_once(session, run_id, alarm)
    return run_id


def add_contexts(engine: Engine, run_id: str, collapses: bool = False, seed: int = 5) -> None:
    """Contexts of a recorded run, at `STEPS`: ever further apart, or ever nearer."""
    widths = np.geomspace(0.5, 1e-3, len(STEPS)) if collapses else np.linspace(0.2, 0.6, len(STEPS))
    taken = [snapshot(step, contexts(seed, float(apart))) for step, apart in zip(STEPS, widths, strict=True)]
    with session_scope(engine) as session:
        snapshots.append(session, run_id, taken)
