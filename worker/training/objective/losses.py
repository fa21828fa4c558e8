"""What training minimises: stablemax cross-entropy of the tokens and the halting loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor

from worker.kit.batch import IGNORE
from worker.models.context.source import Penalty
from worker.models.likelihood import accuracies, prediction_loss

HALTING_WEIGHT = 0.5


class LossTerms(NamedTuple):
    """The loss of one ACT step and what can be said of it, per sample. Only `total` carries gradient.

    Published metrics average over the samples that halt in this step and have labels:
    `carry.halted & terms.scored`. Nothing here waits for the device.
    """

    total: Tensor  # scalar, float64: sum over samples of prediction + 0.5 x halting
    prediction: Tensor  # (B,) float64, mean cross-entropy over the labelled tokens
    halting: Tensor  # (B,) float32, binary cross-entropy against `exact`
    token_accuracy: Tensor  # (B,) float32, share of labelled tokens right; 0 without labels
    exact: Tensor  # (B,) bool, all labelled tokens right
    halting_right: Tensor  # (B,) bool, the halting logit says what `exact` says
    scored: Tensor  # (B,) bool, has labelled tokens


def act_loss(logits: Tensor, halt_logits: Tensor, labels: Tensor) -> LossTerms:
    """Loss terms of one ACT step from logits (B, S, V), halting logits (B,) and labels (B, S)."""
    prediction = prediction_loss(logits, labels)
    token_accuracy, exact = accuracies(logits, labels)
    halting = F.binary_cross_entropy_with_logits(halt_logits, exact.to(halt_logits.dtype), reduction="none")
    return LossTerms(
        total=prediction.sum() + HALTING_WEIGHT * halting.sum(),
        prediction=prediction.detach(),
        halting=halting.detach(),
        token_accuracy=token_accuracy,
        exact=exact,
        halting_right=(halt_logits.detach() >= 0) == exact,
        scored=(labels != IGNORE).any(-1),
    )


def with_penalties(total: Tensor, penalties: Mapping[str, Penalty], samples: int) -> Tensor:
    """The summed loss of a batch of `samples` with every penalty added at its weight, once or per sample.

    The trainer divides it by `samples`, and with it what was added once: that counts weight / samples there.
    """
    for penalty in penalties.values():
        times = samples if penalty.reduction == "sample" else 1
        total = total + penalty.weight * times * penalty.value
    return total
