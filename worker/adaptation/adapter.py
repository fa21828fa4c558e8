"""Adapts a model to one task after another; nothing of one task is left when the next begins."""

from __future__ import annotations

import time
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from backend.domain.arc.task import Task
from backend.domain.arc.votes import AdaptationPoint, AdaptationTrace
from backend.domain.experiment import ExperimentConfig, LearningAdaptation, NoAdaptation, TrmModel
from backend.domain.experiment.search.cost import WAY_BACK
from worker.adaptation.copies import copy_of
from worker.adaptation.demonstrations import data_of
from worker.adaptation.settings import learning_config
from worker.data.puzzles import OwnTable, PuzzleTable
from worker.evaluation.adapting import Adapted
from worker.kit.device import Device
from worker.kit.stopping import Stop, go_on
from worker.models.context.puzzle_embedding import PuzzleEmbedding
from worker.models.reasoner import Reasoner
from worker.training.learner import Learner

TRACE_POINTS = 20  # recorded moments of an adaptation
LOSS = "loss/prediction"


class TaskAdapter:
    """Copies of one model, each trained on a task's own demonstrations by the training loop."""

    def __init__(
        self,
        reasoner: Reasoner,
        config: ExperimentConfig,
        adaptation: LearningAdaptation,
        trained: PuzzleTable,
    ) -> None:
        """`trained` says which rows of TRM's table the tasks have that it was trained on."""
        self._reasoner = reasoner
        self._adaptation = adaptation
        self._trained = trained
        self._config = learning_config(config, adaptation)
        place = next(chain(reasoner.parameters(), reasoner.buffers())).device
        self._device = Device(place, config.training.precision)
        self._newest: tuple[Task, Adapted] | None = None  # the batches of a task follow one another

    @property
    def puzzles(self) -> PuzzleTable:
        """The table that an adapted model has: with it no task of TRM is without an embedding."""
        if isinstance(self._config.model, TrmModel):
            return OwnTable(self._adaptation.augmentations)
        return self._trained

    def adapted(self, task: Task, stop: Stop | None = None) -> Adapted:
        """The model after it learned the task, and what that took. The original is as it was. Stopped where
        that is asked for between two steps."""
        if self._newest is None or self._newest[0] != task:
            self._newest = None  # before the next copy is made: one at a time in memory
            self._newest = (task, self._learn(task, stop))
        return self._newest[1]

    def _learn(self, task: Task, stop: Stop | None) -> Adapted:
        started = time.perf_counter()
        with torch.inference_mode(False), torch.enable_grad():
            data = data_of(task, self._config)
            copy = copy_of(self._reasoner, self._adaptation, self._rows(task), self._config.seed)
            learner = Learner(self._config, data, self._device, reasoner=copy)
            trace = self._advance(learner, started, stop)
        copy.requires_grad_(False)
        return Adapted(copy.eval(), trace)

    def _advance(self, learner: Learner, started: float, stop: Stop | None) -> AdaptationTrace:
        """Take the steps that are asked for and can be afforded."""
        adaptation, points = self._adaptation, list[AdaptationPoint]()
        dearest = (1 + WAY_BACK) * adaptation.batch_size  # of the steps so far
        affordable = adaptation.steps
        if adaptation.most_decodes is not None:
            affordable = min(affordable, adaptation.most_decodes // dearest)
        recorded = set(np.linspace(0, affordable, TRACE_POINTS + 1).round().astype(int).tolist())
        with _Decodes(learner.reasoner.core) as counted:
            for step in range(1, adaptation.steps + 1):
                if adaptation.most_decodes is not None and counted.total + dearest > adaptation.most_decodes:
                    break
                go_on(stop)
                before = counted.total
                learner.advance()
                dearest = max(dearest, counted.total - before)
                if step in recorded:
                    points.append(AdaptationPoint(step, learner.read()[LOSS]))
        return AdaptationTrace(
            kind=adaptation.kind,
            steps=learner.step,
            decodes=counted.total,
            learned=self._learned(learner.reasoner),
            points=tuple(points),
            seconds=time.perf_counter() - started,
        )

    def _rows(self, task: Task) -> Tensor:
        """What TRM knows of the forms of the task, below the row of the unknown puzzle."""
        context = self._reasoner.context
        if not isinstance(context, PuzzleEmbedding):
            return torch.empty(0)
        forms = range(self._adaptation.augmentations + 1)
        return context.table[[0, *(self._trained.row(task.id, form) for form in forms)]].clone()

    @staticmethod
    def _learned(copy: Reasoner) -> int:
        """How many numbers learn."""
        weights = sum(parameter.numel() for parameter in copy.parameters())
        return weights + (copy.context.table[1:].numel() if isinstance(copy.context, PuzzleEmbedding) else 0)


class _Decodes:
    """Counts the grids that pass through a core; one with a way back counts as three."""

    def __init__(self, core: nn.Module) -> None:
        self.total = 0
        self._hook = core.register_forward_hook(self._count)

    def __enter__(self) -> _Decodes:
        return self

    def __exit__(self, *_: object) -> None:
        self._hook.remove()

    def _count(self, _core: nn.Module, inputs: tuple[Any, ...], _output: Any) -> None:
        passes = 1 + WAY_BACK if torch.is_grad_enabled() else 1
        self.total += passes * len(inputs[2])


def adapter_of(reasoner: Reasoner, config: ExperimentConfig, trained: PuzzleTable) -> TaskAdapter | None:
    """What adapts the model as the config's evaluation asks; None where it does not."""
    adaptation = config.evaluation.adaptation
    if isinstance(adaptation, NoAdaptation):
        return None
    return TaskAdapter(reasoner, config, adaptation, trained)
