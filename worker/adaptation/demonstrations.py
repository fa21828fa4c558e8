"""What is learned of a task before it is answered: its demonstrations, never its tests."""

from __future__ import annotations

from backend.domain.arc.task import Task, choose_canvas
from backend.domain.experiment import ExperimentConfig, TrmModel
from backend.domain.trained_on import TrainedOn
from worker.data.puzzles import OwnTable, PuzzleTable
from worker.data.tokens import as_cells
from worker.data.training_data import TrainingData, TrainingTask


def data_of(task: Task, config: ExperimentConfig) -> TrainingData:
    """Each demonstration of the task asked while the others are shown, on the canvas where it is answered.

    A lone demonstration is asked beside itself: an encoder would see nothing otherwise. ValueError for a
    task that fits no canvas or has no demonstration.
    """
    side = choose_canvas(task, config.data.canvas_sizes)
    pairs = [(as_cells(pair.input), as_cells(pair.output)) for pair in dict.fromkeys(task.demonstrations)]
    if side is None or not pairs:
        raise ValueError(f"{task.id} has nothing to learn from on a canvas of {config.data.canvas_sizes}")
    pairs *= 2 if len(pairs) == 1 else 1
    everything = tuple(range(len(pairs)))
    learned = TrainingTask(task.id, side, tuple(pairs), asked=everything, shown=everything)
    forms = config.data.augmentations
    puzzles = OwnTable(forms) if isinstance(config.model, TrmModel) else PuzzleTable()
    nothing = TrainedOn(asked=1, sets={})  # a copy's learning is no part of what the run was trained on
    return TrainingData((learned,), puzzles, {side: (learned,)}, (), (), nothing)
