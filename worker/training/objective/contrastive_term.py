"""The contrastive term of a training step: twins of its own, shared out among the processes."""

from __future__ import annotations

import torch
from torch import Tensor

from backend.domain.experiment import ExperimentConfig, NoContrast, SupCon
from worker.data.training_data import TrainingData
from worker.data.twins import Twins
from worker.kit.batch import Batch
from worker.kit.device import Device
from worker.models.reasoner import Reasoner
from worker.training.objective.contrast import contrast_loss, pooled, retrieval
from worker.training.ranks import Ranks
from worker.training.sums import Sums


class ContrastiveTerm:
    """Adds the gradient of `weight x contrast`, once per step, to that of the batch.

    Contexts are of a fresh sample's first ACT step; of a VAE those of the mean. A frozen encoder has none.
    """

    def __init__(
        self,
        config: ExperimentConfig,
        data: TrainingData,
        reasoner: Reasoner,
        device: Device,
        ranks: Ranks,
        sums: Sums,
    ) -> None:
        self.config = config.objective.contrast
        self.reasoner = reasoner
        self.device = device
        self.ranks = ranks
        self.sums = sums
        self._twins: dict[int, Twins] = {}
        if not isinstance(self.config, NoContrast):
            views = self.config.views if isinstance(self.config, SupCon) else 2
            self._twins = {
                side: Twins(data, config, side, self.config.tasks, views) for side in data.by_canvas
            }

    def backward(self, side: int, step: int) -> Tensor | float:
        """Weight x value of the term at a step on a canvas, its gradient added; 0 where there is no term."""
        learns = any(parameter.requires_grad for _, parameter in self.reasoner.encoder_parameters())
        if isinstance(self.config, NoContrast) or not learns:
            return 0.0
        twins = self._twins[side]
        views = self._contexts(twins.at(step)).view(twins.tasks, twins.views, -1)
        value = contrast_loss(views, self.config)
        loss = self.config.weight * value
        if loss.requires_grad:
            loss.backward()  # type: ignore[no-untyped-call]
        self.sums.add({"loss/contrast": value, "contrast/retrieval": retrieval(views.detach())})
        return loss.detach()

    def _contexts(self, batch: Batch) -> Tensor:
        """Pooled contexts (B, T x D) of a batch that every process has; gradient for this one's share of it.

        Summed over the processes, the gradient of a loss of all of them is that of one process alone.
        """
        size, count = len(batch.inputs), self.ranks.count
        share = -(-size // count)
        own = (
            torch.arange(share) + self.ranks.index * share
        )  # the last share may begin again at the first rows
        part = batch.map(lambda rows: rows[own % size])
        part = part._replace(places=part.demo_mask.flatten().nonzero()[:, 0]).to(self.device.torch)
        with self.device.autocast():
            mine = pooled(self.reasoner.encode(self.reasoner.initial_carry(part), part).context)
        if count == 1:
            return mine
        shares = list(self.ranks.gather(mine.detach()).chunk(count))
        shares[self.ranks.index] = mine
        return torch.cat(shares)[:size]
