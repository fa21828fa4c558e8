"""Probes of the context while a run trains: what single training batches cannot tell.

Every `probe_every` steps the same questions are asked of the present weights (raw, not their average), in
evaluation mode and without gradient. Nothing is drawn, so a run's other numbers are those without probes.
"""

from __future__ import annotations

import torch

from backend.domain.experiment import ExperimentConfig
from worker.data.training_data import TrainingData
from worker.data.twins import Twins
from worker.evaluation.reliance import reliance
from worker.kit.batch import Batch
from worker.kit.device import Device
from worker.models.reasoner import Reasoner
from worker.training.health.geometry import geometry
from worker.training.sums import Sums

VIEWS = 2  # augmentations of each task


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

    def after(self, step: int) -> None:
        """Probe if it is due after `step` finished steps. On a GPU the eigenvalues wait for the device."""
        if self.every is None or step % self.every or self._twins.tasks < 2:
            return
        every_view, questions = self._batches = self._batches or self._drawn()
        self.reasoner.eval()
        with torch.no_grad(), self.device.autocast():
            encoded = self.reasoner.encode(self.reasoner.initial_carry(every_view), every_view)
            contexts = encoded.context.float().flatten(1).view(self._twins.tasks, VIEWS, -1)
            measured = reliance(self.reasoner, questions, self.act_steps)
        self.reasoner.train()
        self.sums.add(geometry(contexts) | measured)

    def _drawn(self) -> tuple[Batch, Batch]:
        """The samples, on the device; where their demonstrations lie is told beforehand."""
        batch = self._twins.at(0)
        first = batch.map(lambda rows: rows[::VIEWS])
        every_view, questions = (
            each._replace(places=each.demo_mask.flatten().nonzero()[:, 0]).to(self.device.torch)
            for each in (batch, first)
        )
        return every_view, questions
