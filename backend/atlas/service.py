"""The contexts of some runs over their steps, on one map.

Contexts are divided by the root of their energy. So the radius of a cloud is the root of the scale-free
variance, and the same at every size of an encoder's numbers: what the verdict on health says of a run is what
its cloud looks like.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from backend.atlas.alignment import Agreement, Cloud, Placed, agreement, likeness, on_one_map
from backend.domain import health
from backend.domain.arc.leaks import is_generated, rule_of
from backend.domain.experiment import HealthConfig
from backend.domain.snapshots import ProbedTask
from backend.kit.problems import invalid_query
from backend.lifecycle import service as runs
from backend.metrics import service as series
from backend.metrics.service import Curve
from backend.run_view import health as health_view
from backend.run_view.views import RunView
from backend.snapshots import service as snapshots
from backend.snapshots.service import Shape

MAX_RUNS = 8
CANDIDATES = 30  # runs to choose from, where none is named
NUMBERS = (health.COVERAGE, health.SCALE_FREE, health.RETRIEVAL)  # of which the verdict's sentence tells
NEIGHBOURS = 3
LEAST_FRAME = 0.2  # half of the map's side, at least: a collapsed cloud is a sixth of it or less
_MARGIN = 1.05


@dataclass(frozen=True)
class Task:
    """A task of the map. `rule` is that of a generated one, else empty."""

    set_name: str
    id: str
    rule: str

    @property
    def key(self) -> str:
        """What tells it from others."""
        return f"{self.set_name}/{self.id}"


@dataclass(frozen=True)
class Moment:
    """A run at one step. Lists go by the run's tasks; None where this step has no context of one."""

    step: int
    wall_time: float
    spread: float  # scale-free variance of these contexts
    level: str
    word: str
    numbers: tuple[float | None, ...]  # `NUMBERS`, as recorded next
    common: int  # tasks by which it was turned; 0: too few
    shown: float  # share of the variance that the map shows
    kept: float | None  # how alike it lies to the moment before, 0 to 1
    positions: NDArray[np.float64]  # (tasks, views, 2), NaN where there is none
    answers: Sequence[ProbedTask | None]
    neighbours: Sequence[Sequence[int]]  # the nearest tasks by all axes, by their places

    @property
    def right(self) -> int:
        """Tasks whose question was answered with the whole grid right."""
        return sum(each is not None and each.failure_mode is None for each in self.answers)


@dataclass(frozen=True)
class Course:
    """A run over its steps, with the verdict on its encoder."""

    run: RunView
    level: str
    word: str
    sentence: str
    tasks: Sequence[Task]
    views: int
    moments: Sequence[Moment]
    agreement: Agreement | None  # of the last moments of this run and of the first that has any


@dataclass(frozen=True)
class Atlas:
    """Runs on one map, which reaches from -frame to frame in both directions."""

    courses: Sequence[Course]

    @cached_property
    def frame(self) -> float:
        """The same at every step, so that a cloud that shrinks is seen to."""
        largest = [
            float(np.nanmax(np.abs(moment.positions))) for course in self.courses for moment in course.moments
        ]
        return max([LEAST_FRAME, *(_MARGIN * each for each in largest)])

    @cached_property
    def steps(self) -> list[int]:
        """At which some run has contexts, ascending."""
        return sorted({moment.step for course in self.courses for moment in course.moments})


@dataclass(frozen=True)
class Candidate:
    """A run that can be chosen for the map."""

    run: RunView
    level: str
    word: str
    snapshots: int


def candidates(session: Session, run_ids: Sequence[str] = ()) -> list[Candidate]:
    """The runs to choose from: the named ones, or those with the newest contexts."""
    counts = snapshots.counts(session, run_ids) if run_ids else snapshots.newest(session, CANDIDATES)
    listed = runs.several(session, run_ids or list(counts), health_view.METRICS)
    verdicts = [health_view.of_run(run) for run in listed]
    return [
        Candidate(run, verdict.level, verdict.word, counts.get(run.id, 0))
        for run, verdict in zip(listed, verdicts, strict=True)
    ]


def atlas(session: Session, run_ids: Sequence[str]) -> Atlas:
    """The runs in the given order. NotFound; InvalidInput for none or too many."""
    listed = list(dict.fromkeys(run_ids))
    if not 1 <= len(listed) <= MAX_RUNS:
        hint = f"Name 1 to {MAX_RUNS} runs by their ids, separated by commas."
        raise invalid_query("runs", f"names {len(listed)} runs.", hint)
    found = runs.several(session, listed, health_view.METRICS)
    shapes = snapshots.shapes(session, listed)
    curves = series.of_runs(session, listed, NUMBERS)
    clouds = {run_id: [_cloud(shape) for shape in shapes[run_id]] for run_id in listed}
    placed = iter(on_one_map([cloud for of_run in clouds.values() for cloud in of_run]))
    first = next((run_id for run_id in listed if clouds[run_id]), "")
    courses = []
    for run in found:
        verdict = health_view.of_run(run)
        tasks = _tasks(shapes[run.id])
        moments = [
            _moment(run, tasks, shape, cloud, next(placed), before, curves[run.id])
            for shape, cloud, before in zip(
                shapes[run.id], clouds[run.id], [None, *clouds[run.id]], strict=False
            )
        ]
        beside = clouds[run.id] and run.id != first
        courses.append(
            Course(
                run=run,
                level=verdict.level,
                word=verdict.word,
                sentence=verdict.sentence,
                tasks=tasks,
                views=max((shape.views for shape in shapes[run.id]), default=0),
                moments=moments,
                agreement=agreement(clouds[first][-1], clouds[run.id][-1]) if beside else None,
            )
        )
    return Atlas(courses)


def _cloud(shape: Shape) -> Cloud:
    tasks = tuple(f"{each.set_name}/{each.task_id}" for each in shape.tasks)
    points = shape.coordinates.astype(np.float64).reshape(len(tasks), shape.views, -1)
    return Cloud(tasks, points)


def _tasks(shapes: Sequence[Shape]) -> list[Task]:
    """All that any step has a context of: mostly the same at every step."""
    every = dict.fromkeys((each.set_name, each.task_id) for shape in shapes for each in shape.tasks)
    return [
        Task(set_name, task_id, rule_of(task_id) if is_generated(task_id) else "")
        for set_name, task_id in every
    ]


def _moment(
    run: RunView,
    tasks: Sequence[Task],
    shape: Shape,
    cloud: Cloud,
    placed: Placed,
    before: Cloud | None,
    curves: dict[str, Curve],
) -> Moment:
    level, word = health.of_spread(shape.spread, run.experiment.health if run.experiment else HealthConfig())
    places = {key: at for at, key in enumerate(cloud.tasks)}
    rows = [places.get(task.key) for task in tasks]
    positions = np.full((len(tasks), shape.views, 2), np.nan)
    for at, row in enumerate(rows):
        if row is not None:
            positions[at] = placed.positions[row]
    nearest = _nearest(cloud)
    here = {row: at for at, row in enumerate(rows) if row is not None}
    return Moment(
        step=shape.step,
        wall_time=shape.wall_time,
        spread=shape.spread,
        level=level,
        word=word,
        numbers=tuple(_recorded(curves.get(name), shape.step) for name in NUMBERS),
        common=placed.common,
        shown=placed.shown,
        kept=None if before is None else likeness(cloud, before),
        positions=positions,
        answers=[None if row is None else shape.tasks[row] for row in rows],
        neighbours=[[] if row is None else [here[near] for near in nearest[row]] for row in rows],
    )


def _nearest(cloud: Cloud) -> list[list[int]]:
    """The nearest tasks of each, by the distance of their means on all axes; none where all are one point."""
    means = cloud.points.mean(1)
    squares = np.square(means[:, None] - means[None]).sum(-1)
    if not squares.any():
        return [[] for _ in means]
    np.fill_diagonal(squares, np.inf)
    order: list[list[int]] = squares.argsort(1, kind="stable")[:, : min(NEIGHBOURS, len(means) - 1)].tolist()
    return order


def _recorded(curve: Curve | None, step: int) -> float | None:
    """What was recorded of the interval in which a step lies: at that step or the next that has a value."""
    if curve is None:
        return None
    at = int(np.searchsorted(curve.steps, step))
    if at == len(curve.steps):
        return None
    value = float(curve.values[at])
    return value if math.isfinite(value) else None
