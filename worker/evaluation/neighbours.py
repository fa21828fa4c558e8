"""Where a task's context lies among those of training tasks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from backend.domain.arc.task import Task
from backend.domain.experiment import ExperimentConfig, NoAdaptation, NoSearch
from backend.domain.play import Neighbour, Neighbours
from worker.data.puzzles import PuzzleTable
from worker.evaluation.plan import Plan
from worker.kit.device import Device
from worker.models.reasoner import Reasoner

ROUNDING = 1e-5  # of a context's size: contexts that differ by less are the same
MOST_COMPARED = 256  # training tasks
SHOWN = 5
BATCH = 16  # contexts computed between two looks for a request


class ContextMap:
    """The contexts of some training tasks, computed batch by batch.

    A context is that of the unchanged view at the first ACT step, before any search.
    """

    def __init__(
        self, reasoner: Reasoner, config: ExperimentConfig, tasks: Iterable[tuple[str, Task]]
    ) -> None:
        """`tasks` with the name of their set; of many, so many are taken as `MOST_COMPARED`, evenly."""
        known = list(tasks)
        stride = max(1, -(-len(known) // MOST_COMPARED))
        chosen = {task.id: (set_name, task) for set_name, task in known[::stride]}
        self._reasoner, self._config = reasoner, _plain(config)
        self._device = Device(next(reasoner.parameters()).device, config.training.precision)
        self._set_of = {task_id: set_name for task_id, (set_name, _) in chosen.items()}
        self._plan = self._plan_of([task for _, task in chosen.values()])
        self._next = 0
        self._contexts: dict[str, Tensor] = {}  # by task: (T * D,) float32 on the CPU
        self._usual = 0.0

    @property
    def is_complete(self) -> bool:
        """Whether all are computed."""
        return self._next >= self._plan.batches

    def advance(self) -> None:
        """Compute the next batch."""
        self._contexts |= self._contexts_of(self._plan, self._next)
        self._next += 1
        if self.is_complete:
            self._usual = _mean_distance(list(self._contexts.values()))

    def nearest(self, task: Task) -> Neighbours:
        """The training tasks nearest to `task`, itself left out. `is_complete`."""
        own = self._contexts_of(self._plan_of([task]), 0)[task.id]
        others = {task_id: each for task_id, each in self._contexts.items() if task_id != task.id}
        size = float(own.square().mean().sqrt())
        if not others or len(self._contexts) < 2:
            return Neighbours((), len(others), "The lab has fewer than two training tasks to compare with.")
        if not math.isfinite(size + self._usual):
            return Neighbours((), len(others), "The contexts hold numbers that are not finite.")
        if self._usual <= ROUNDING * size:
            return Neighbours((), len(others), "All training tasks have the same context.")
        distances = torch.stack([_distance(own, each) for each in others.values()]) / self._usual
        order = distances.argsort()[:SHOWN].tolist()
        ids = list(others)
        nearest = [Neighbour(self._set_of[ids[at]], ids[at], float(distances[at])) for at in order]
        return Neighbours(tuple(nearest), len(others))

    def _plan_of(self, tasks: Sequence[Task]) -> Plan:
        return Plan(tasks, self._config, 1, PuzzleTable())

    def _contexts_of(self, plan: Plan, number: int) -> dict[str, Tensor]:
        planned = plan.batch(number)
        batch = planned.batch().to(self._device.torch)
        with torch.inference_mode(), self._device.autocast():
            encoded = self._reasoner.encode(self._reasoner.initial_carry(batch), batch)
        rows = encoded.context.float().flatten(1).cpu()
        return {
            view.question.task.id: row for view, row in zip(planned.views, rows, strict=True)
        }  # of a task with several test inputs the last: they share their demonstrations


def _plain(config: ExperimentConfig) -> ExperimentConfig:
    """The config whose plans put tasks together, with no more demonstrations than the encoder reads."""
    evaluation = config.evaluation.model_copy(
        update={"adaptation": NoAdaptation(), "search": NoSearch(), "trim": None, "batch_size": BATCH}
    )
    return config.model_copy(update={"evaluation": evaluation})


def _distance(one: Tensor, other: Tensor) -> Tensor:
    """Root mean square difference."""
    return (one - other).square().mean().sqrt()


def _mean_distance(contexts: Sequence[Tensor]) -> float:
    """Between two of them, over all pairs."""
    if len(contexts) < 2:
        return 0.0
    rows = torch.stack(list(contexts)).double()
    pairs = torch.pdist(rows) / rows.shape[1] ** 0.5
    return float(pairs.mean())
