"""How likely the model finds given grids, and how many of their tokens it gets right.

It lies here and not in training because search and evaluation ask, too, what a context explains.
"""

from __future__ import annotations

import torch
from torch import Tensor

from worker.kit.batch import IGNORE


def log_stablemax(logits: Tensor) -> Tensor:
    """Log of s(x) / sum s(x) over the last axis, s(x) = x + 1 for x >= 0 and 1 / (1 - x) below; float64."""
    logits = logits.double()
    # The clamp keeps the branch not taken finite, so that its gradient is zero and not NaN.
    scores = torch.where(logits < 0, 1 / (1 - logits.clamp(max=0)), logits + 1)
    return scores.log() - scores.sum(-1, keepdim=True).log()


def prediction_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy (B,) float64 over the labelled tokens, of logits (B, S, V) and labels (B, S)."""
    labelled = labels != IGNORE
    targets = labels.masked_fill(~labelled, 0).long()
    cross_entropy = -log_stablemax(logits).gather(-1, targets[..., None])[..., 0]
    return (cross_entropy * labelled).sum(-1) / labelled.sum(-1).clamp(min=1)


def accuracies(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Share of the labelled tokens right (B,) float32, 0 without labels, and whether all are (B,) bool."""
    labelled = labels != IGNORE
    count = labelled.sum(-1)
    right = ((logits.detach().argmax(-1) == labels) & labelled).sum(-1)
    return right / count.clamp(min=1), right == count
