"""What a training step minimises beside the loss of the predicted grid, and how that changes over steps.

Models know nothing of steps: penalties are weighed here by name, and latents are moved here.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from backend.domain.experiment import EtrmModel, ExperimentConfig
from worker.models.context.source import Penalty
from worker.models.reasoner import Encoded, Reasoner
from worker.search.objective import demonstration_loss, gradient_step
from worker.training.sums import Sums


class Objectives:
    """The terms of `config.objective` for one learner; what they measure goes to its sums."""

    def __init__(self, config: ExperimentConfig, reasoner: Reasoner, sums: Sums) -> None:
        self.config = config
        self.reasoner = reasoner
        self.sums = sums

    def weighed(self, penalties: Mapping[str, Penalty], step: int) -> dict[str, Penalty]:
        """Penalties at the weights of the step after `step` finished ones."""
        share = self._kl_share(step)
        return {
            name: each._replace(weight=each.weight * share) if name == "kl" else each
            for name, each in penalties.items()
        }

    def weights(self, step: int) -> dict[str, float]:
        """Weights to record of the last of `step` finished steps: those that change."""
        model, annealing = self.config.model, self.config.objective.kl_annealing_steps
        if not annealing or not isinstance(model, EtrmModel) or not hasattr(model.encoder, "kl_weight"):
            return {}
        return {"kl_weight": model.encoder.kl_weight * self._kl_share(step - 1)}

    def _kl_share(self, step: int) -> float:
        """Linear from 0 at the first step to 1 after `kl_annealing_steps`."""
        annealing = self.config.objective.kl_annealing_steps
        return min(1.0, step / annealing) if annealing else 1.0

    def refined(self, encoded: Encoded, step: int) -> Encoded:
        """The samples with latents moved towards explaining their shown demonstrations (LPN).

        To the weights the move is a constant: the gradient of what is decoded with the new latent reaches
        the encoder as if the latent had not moved. At the last step of a recording interval the
        demonstrations' mean loss is recorded, before and after.
        """
        objective = self.config.objective
        if not objective.latent_steps:
            return encoded
        start = self.reasoner.latent_of(encoded)
        latent, losses = start.detach().float(), []
        for _ in range(objective.latent_steps):
            latent, before = gradient_step(self.reasoner, encoded, latent, objective.latent_learning_rate)
            losses.append(before)
        if (step + 1) % self.config.training.log_every == 0:
            self.sums.add(
                {"latent/loss_before": losses[0].mean(), "latent/loss_after": self._loss(encoded, latent)}
            )
        return self.reasoner.with_latent(encoded, start + (latent - start).detach())

    def _loss(self, encoded: Encoded, latent: Tensor) -> Tensor:
        """Mean over the samples of the loss of their demonstrations, without gradient."""
        with torch.no_grad():
            return demonstration_loss(self.reasoner, encoded, latent).mean()
