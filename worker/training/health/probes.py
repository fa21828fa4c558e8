"""Probes of the context while a run trains: what single training batches cannot tell.

Every `probe_every` steps the same questions are asked of the present weights (raw, not their average), in
evaluation mode and without gradient. Nothing is drawn, so a run's other numbers are those without probes.
The contexts themselves are kept, too: for the atlas.
"""

from __future__ import annotations

import math
import time

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.domain.arc.failure_modes import failure_mode
from backend.domain.experiment import ExperimentConfig
from backend.domain.health import FEWEST_PROBED
from backend.domain.health import PROBE_VIEWS as VIEWS
from backend.domain.records import FailureMode
from backend.domain.snapshots import ProbedTask, Snapshot
from worker.data.tokens import crop
from worker.data.training_data import TrainingData
from worker.data.twins import Twins
from worker.evaluation.reliance import answered, compared
from worker.kit.batch import FIRST_COLOUR, Batch
from worker.kit.device import Device
from worker.models.likelihood import accuracies
from worker.models.reasoner import Reasoner
from worker.training.health.geometry import geometry
from worker.training.sums import Sums

MOST_KEPT = 32  # tasks whose contexts are kept


class Probes:
    """Geometry of the contexts of some training tasks, and how much the decoder relies on them.

    The tasks are those of one batch on the canvas that most tasks have, drawn once for the run: a curve
    changes with the weights alone. It has no more samples than a training batch, so that small runs do
    not pay more for it than large ones. Every process of a run computes the same numbers.
    """

    def __init__(
        self, config: ExperimentConfig, data: TrainingData, reasoner: Reasoner, device: Device, sums: Sums
    ) -> None:
        self.every = config.health.probe_every
        self.act_steps = min(config.health.probe_act_steps, config.model.act.max_steps)
        self.reasoner = reasoner
        self.device = device
        self.sums = sums
        side = max(data.by_canvas, key=lambda side: len(data.by_canvas[side]))
        tasks = min(config.health.probe_tasks, max(2, config.training.batch_size // VIEWS))
        self._twins = Twins(data, config, side, tasks, VIEWS, asks=True)
        self._batches: tuple[Batch, Batch] | None = None  # all views; the first view of each task
        self._set_of = {
            task_id: name
            for name, part in data.trained_on.sets.items()
            for task_id in (*part.whole, *part.demonstrations)
        }
        self._snapshot: Snapshot | None = None

    @property
    def tasks(self) -> int:
        """How many are asked; with fewer than two there is no probe."""
        return self._twins.tasks

    def after(self, step: int) -> None:
        """Probe if it is due after `step` finished steps. On a GPU the eigenvalues wait for the device."""
        if self.every is None or step % self.every or self.tasks < FEWEST_PROBED:
            return
        every_view, questions = self._batches = self._batches or self._drawn()
        self.reasoner.eval()
        with torch.no_grad(), self.device.autocast():
            encoded = self.reasoner.encode(self.reasoner.initial_carry(every_view), every_view)
            contexts = encoded.context.float()
            logits = answered(self.reasoner, questions, self.act_steps)
        self.reasoner.train()
        by_task = contexts.flatten(1).view(self._twins.tasks, VIEWS, -1)
        self.sums.add(geometry(by_task) | compared(logits, questions.labels))
        self._snapshot = self._taken(step, contexts, logits[: self._twins.tasks], questions)

    def take(self) -> Snapshot | None:
        """The contexts of a probe after the last step, once; None where there was none, or a context is
        not finite."""
        taken, self._snapshot = self._snapshot, None
        return taken

    def _taken(self, step: int, contexts: Tensor, logits: Tensor, questions: Batch) -> Snapshot | None:
        """Contexts (tasks x views, T, D) and what was answered under them, logits (tasks, S, V)."""
        few = min(self._twins.tasks, MOST_KEPT)
        contexts = contexts[: few * VIEWS]
        scale = float(contexts.double().square().mean().sqrt())  # squares leave float32 before contexts do
        if not math.isfinite(scale):
            return None
        numbers = (contexts / max(scale, 1e-30)).half().cpu().numpy()
        right, _ = accuracies(logits, questions.labels)
        tasks = zip(self._twins.ids(0)[:few], right.tolist(), _modes(logits, questions), strict=False)
        return Snapshot(
            step=step,
            wall_time=time.time(),
            tasks=tuple(ProbedTask(self._set_of[task], task, mode, share) for task, share, mode in tasks),
            views=VIEWS,
            tokens=contexts.shape[1],
            width=contexts.shape[2],
            scale=scale,
            contexts=numbers.astype("<f2").tobytes(),
        )

    def _drawn(self) -> tuple[Batch, Batch]:
        """The samples, on the device; where their demonstrations lie is told beforehand."""
        batch = self._twins.at(0)
        first = batch.map(lambda rows: rows[::VIEWS])
        every_view, questions = (
            each._replace(places=each.demo_mask.flatten().nonzero()[:, 0]).to(self.device.torch)
            for each in (batch, first)
        )
        return every_view, questions


def _modes(logits: Tensor, questions: Batch) -> list[FailureMode | None]:
    """Why each answer (B, S, V) is wrong; None where the grid is right."""
    side = math.isqrt(logits.shape[1])
    canvases = [
        tokens.cpu().numpy().reshape(-1, side, side)
        for tokens in (logits.argmax(-1), questions.labels, questions.inputs)
    ]
    return [_mode(*of_one) for of_one in zip(*canvases, strict=True)]


def _mode(
    answer: NDArray[np.integer], truth: NDArray[np.integer], asked: NDArray[np.integer]
) -> FailureMode | None:
    """The same of one question's canvases (side, side), on which all grids begin at one place."""
    rows, columns = (truth >= FIRST_COLOUR).nonzero()
    top, left = int(rows.min()), int(columns.min())
    grids = [crop(canvas[top:, left:], *canvas[top:, left:].shape) for canvas in (answer, truth, asked)]
    return failure_mode(*grids)
