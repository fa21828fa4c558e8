"""Contexts that runs keep: written once per step, thinned over steps as a run grows.

Nothing here commits.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from backend.domain.histograms import thinned
from backend.domain.records import FailureMode
from backend.domain.snapshots import ProbedTask, Snapshot
from backend.kit.errors import NotFound
from backend.snapshots import queries
from backend.snapshots.geometry import Points, principal_coordinates, spread
from backend.snapshots.tables import ContextSnapshot

MAX_SNAPSHOTS = 64  # of a run, over all steps
MAX_BYTES = 32 * 2**20  # of a run's contexts
KEPT = 0.75  # share of both, where they have become too many
FEWEST = 4  # that are kept however large they are


@dataclass(frozen=True)
class Shape:
    """How the contexts of one step lie among each other: `coordinates` (tasks x views, axes)."""

    step: int
    wall_time: float
    tasks: tuple[ProbedTask, ...]
    views: int
    coordinates: Points

    @property
    def spread(self) -> float:
        """Scale-free variance of these contexts, 0 to 1."""
        return spread(self.coordinates)


def append(session: Session, run_id: str, taken: Sequence[Snapshot]) -> None:
    """Keep snapshots; one of the same step is replaced."""
    if not taken:
        return
    queries.put(session, [_row(run_id, each) for each in {each.step: each for each in taken}.values()])
    _thin(session, run_id)


def shapes(session: Session, run_ids: Collection[str]) -> dict[str, list[Shape]]:
    """Run id -> how its contexts lie, by step; an empty list for a run without any."""
    found: dict[str, list[Shape]] = {run_id: [] for run_id in run_ids}
    for row in queries.of_runs(session, run_ids):
        tasks = _tasks(row)
        coordinates = np.frombuffer(row.coordinates, "<f4").reshape(len(tasks) * row.views, -1)
        found[row.run_id].append(Shape(row.step, row.wall_time, tasks, row.views, coordinates))
    return found


def contexts(session: Session, run_id: str, step: int) -> tuple[tuple[ProbedTask, ...], NDArray[np.float32]]:
    """The tasks of a snapshot and their contexts (tasks, views, tokens, width). NotFound names the steps that
    have one."""
    row = queries.one(session, run_id, step)
    if row is None:
        known = queries.steps(session, run_id)
        nearest = sorted(sorted(known, key=lambda each: abs(each - step))[:3])
        hint = f"Nearest: {', '.join(map(str, nearest))}." if nearest else "This run has no contexts."
        raise NotFound(f"Run {run_id} has no contexts of step {step}.", hint)
    tasks = _tasks(row)
    numbers = np.frombuffer(row.contexts, "<f2").astype(np.float32) * np.float32(row.scale)
    return tasks, numbers.reshape(len(tasks), row.views, row.tokens, row.width)


def counts(session: Session, run_ids: Collection[str]) -> dict[str, int]:
    """Run id -> its snapshots, for runs that have some."""
    return queries.counts(session, run_ids)


def newest(session: Session, most: int) -> dict[str, int]:
    """Run id -> its snapshots, of the runs whose contexts are the newest, the newest first."""
    return queries.newest(session, most)


def bytes_of_runs(session: Session) -> dict[str, int]:
    """Run id -> bytes of its contexts, for runs that have some."""
    return queries.bytes_of_runs(session)


def _row(run_id: str, snapshot: Snapshot) -> dict[str, object]:
    numbers = np.frombuffer(snapshot.contexts, "<f2").astype(np.float64).reshape(snapshot.points, -1)
    return {
        "run_id": run_id,
        "step": snapshot.step,
        "wall_time": snapshot.wall_time,
        "tasks": [
            [each.set_name, each.task_id, each.failure_mode or "", each.token_accuracy]
            for each in snapshot.tasks
        ],
        "views": snapshot.views,
        "tokens": snapshot.tokens,
        "width": snapshot.width,
        "scale": snapshot.scale,
        "coordinates": principal_coordinates(numbers).astype("<f4").tobytes(),
        "contexts": snapshot.contexts,
    }


def _tasks(row: ContextSnapshot) -> tuple[ProbedTask, ...]:
    return tuple(
        ProbedTask(set_name, task_id, FailureMode(mode) if mode else None, accuracy)
        for set_name, task_id, mode, accuracy in row.tasks
    )


def _thin(session: Session, run_id: str) -> None:
    sizes = queries.sizes(session, run_id)
    total = sum(sizes.values())
    if len(sizes) <= FEWEST or (len(sizes) <= MAX_SNAPSHOTS and total <= MAX_BYTES):
        return
    room = int(min(MAX_SNAPSHOTS, MAX_BYTES / (total / len(sizes))) * KEPT)
    kept = set(thinned(list(sizes), max(room, FEWEST)))
    queries.remove(session, run_id, [step for step in sizes if step not in kept])
