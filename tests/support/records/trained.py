"""What a made-up run was trained on: the tasks of its built-in sets that fit its canvas."""

from __future__ import annotations

from sqlalchemy.orm import Session

from backend.domain.arc.files import read_built_in
from backend.domain.experiment import BUILT_IN_SETS, ExperimentConfig
from backend.domain.trained_on import LeftOut, SetPart, TrainedOn
from backend.runs import trained_on


def record_trained_on(session: Session, run_id: str, config: ExperimentConfig) -> None:
    """Note it with the run."""
    side = max(config.data.canvas_sizes)
    sets = {}
    for name in set(config.data.training_sets) & set(BUILT_IN_SETS):
        tasks = sorted(read_built_in(name), key=lambda task: task.id)
        fitting = [task.id for task in tasks if task.visible_side <= side]
        left_out = [LeftOut(task.id, "canvas", "is large") for task in tasks if task.visible_side > side]
        sets[name] = SetPart(tuple(fitting[: config.data.first_tasks]), left_out=tuple(left_out))
    asked = sum(len(part.whole) + len(part.left_out) for part in sets.values())
    trained_on.record(session, run_id, TrainedOn(config.data.first_tasks or asked, sets))
