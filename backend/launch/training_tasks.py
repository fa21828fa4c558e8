"""How many tasks a config would train on, before it is launched: what overlaps and what fits no canvas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple, TypeVar

from sqlalchemy.orm import Session

from backend.data import leaks
from backend.data import service as datasets
from backend.domain.experiment import FETCHED_SETS, ExperimentConfig, augments
from backend.domain.trained_on import Shortage
from backend.run_view.views import TrainedOnView

KEPT = 64  # sets, and pairs of sets, whose comparison is kept
SetKey = tuple[str, float | None]  # name, and when its tasks came


class Sides(NamedTuple):
    """Of the smallest canvas on which a task can be trained, and evaluated."""

    trained: int
    evaluated: int


K = TypeVar("K")
V = TypeVar("V")

_sides: dict[SetKey, Mapping[str, Sides]] = {}
_overlaps: dict[tuple[SetKey, SetKey, bool], frozenset[str]] = {}


def of(session: Session, config: ExperimentConfig) -> TrainedOnView | None:
    """The count in words; None where a set is not in the database: a generated one that nobody used yet.

    A task with too few pairs is found by the training alone, and counts here as trained on.
    """
    known = {each.name: (each.name, each.created_at) for each in datasets.sets(session)}
    config = _without_absent(config, known)
    names = {*config.data.training_sets, *(part.name for part in config.evaluation.sets)}
    if not names <= known.keys():
        return None
    found = _shortage(session, config, known)
    return TrainedOnView.of(found).model_copy(update={"words": f"Trains on {found.count}."})


def _without_absent(config: ExperimentConfig, known: Mapping[str, SetKey]) -> ExperimentConfig:
    """The config as the training takes it: without the sets to be fetched that are not here."""
    here = tuple(name for name in config.data.training_sets if name in known or name not in FETCHED_SETS)
    data = config.data.model_copy(update={"training_sets": here or config.data.training_sets})
    return config.model_copy(update={"data": data})


def _shortage(session: Session, config: ExperimentConfig, known: Mapping[str, SetKey]) -> Shortage:
    data, largest = config.data, config.data.canvas_sizes[-1]
    held_out = [part for part in config.evaluation.sets if part.name not in data.training_sets]
    candidates: dict[str, tuple[str, int]] = {}
    for name in data.training_sets:
        for task_id, sides in _sides_of(session, known[name]).items():
            if not data.task_ids or task_id in data.task_ids:
                candidates.setdefault(task_id, (name, sides.trained))
    overlapping = {
        (name, task_id)
        for name in data.training_sets
        for part in held_out
        for task_id in _overlapping(session, known[name], known[part.name], augments(config))
    }
    left_out = {"overlap": 0, "canvas": 0}
    for task_id, (name, side) in candidates.items():
        if (name, task_id) in overlapping:
            left_out["overlap"] += 1
        elif side > largest:
            left_out["canvas"] += 1
    left = len(candidates) - sum(left_out.values())
    return Shortage(
        tasks=min(left, data.first_tasks or left),
        asked=min(len(candidates), data.first_tasks or len(candidates)),
        demonstrations=len(set(_shown(session, config, known))) if data.evaluation_demonstrations else 0,
        left_out={why: number for why, number in left_out.items() if number},
    )


def _shown(session: Session, config: ExperimentConfig, known: Mapping[str, SetKey]) -> Iterator[str]:
    """The held-out tasks whose demonstrations are learnt."""
    largest = config.data.canvas_sizes[-1]
    for part in config.evaluation.sets:
        if part.name not in config.data.training_sets:
            sides_of = _sides_of(session, known[part.name])
            sides = sorted((task_id, sides.evaluated) for task_id, sides in sides_of.items())
            asked = [each for each in sides if each[1] <= largest or not part.that_fit][: part.first_tasks]
            learnt = sides if config.data.demonstrations_of == "set" else asked
            yield from (task_id for task_id, side in learnt if side <= largest)


def _sides_of(session: Session, key: SetKey) -> Mapping[str, Sides]:
    """Task id -> the canvases it needs."""
    if key not in _sides:
        tasks = datasets.tasks(session, key[0])
        return _kept(_sides, key, {task.id: Sides(task.training_side, task.visible_side) for task in tasks})
    return _sides[key]


def _overlapping(session: Session, training: SetKey, evaluated: SetKey, augmented: bool) -> frozenset[str]:
    """The tasks of a training set that give an evaluated one away: takes up to a second the first time."""
    key = (training, evaluated, augmented)
    if key not in _overlaps:
        found = leaks.check(session, training[0], evaluated[0], augmented=augmented).leaks
        return _kept(_overlaps, key, frozenset(leak.training_task for leak in found))
    return _overlaps[key]


def _kept(kept: dict[K, V], key: K, value: V) -> V:
    if len(kept) >= KEPT:
        kept.clear()
    kept[key] = value
    return value
