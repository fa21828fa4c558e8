"""Contrastive losses of contexts: augmentations of one task belong together, other tasks apart.

All take embeddings (M, V, F) of length 1: V views of each of M tasks. They
compute in float32.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from backend.domain.experiment import InfoNce, SupCon


def pooled(context: Tensor) -> Tensor:
    """Contexts (B, T, D) as vectors (B, T x D) of length 1, float32."""
    return F.normalize(context.float().flatten(1), dim=-1)


def contrast_loss(views: Tensor, config: InfoNce | SupCon) -> Tensor:
    """The loss that a config names, of embeddings (M, V, F); a scalar."""
    with torch.autocast(views.device.type, enabled=False):
        if isinstance(config, InfoNce):
            return info_nce(views, config.temperature)
        return sup_con(views, config.temperature)


def info_nce(views: Tensor, temperature: float) -> Tensor:
    """InfoNCE (van den Oord et al. 2018, arXiv 1807.03748) of two views (M, 2, F), symmetric.

    Each view must pick its twin out of the M views of the other kind: cross-entropy over cosines divided
    by the temperature, mean over all 2M views.
    """
    first, second = views.unbind(1)
    logits = first @ second.T / temperature
    twin = torch.arange(len(views), device=views.device)
    return (F.cross_entropy(logits, twin) + F.cross_entropy(logits.T, twin)) / 2


def sup_con(views: Tensor, temperature: float) -> Tensor:
    """Supervised contrast, the form with the sum outside the logarithm (Khosla et al. 2020, eq. 2).

    Every one of the M x V views is compared with all others; the mean over its V - 1 siblings of minus the
    log of their softmax shares, then the mean over all views.
    """
    count = views.shape[1]
    rows = views.flatten(0, 1)
    task = torch.arange(len(rows), device=rows.device) // count
    itself = torch.eye(len(rows), dtype=torch.bool, device=rows.device)
    logits = (rows @ rows.T / temperature).masked_fill(itself, -torch.inf)
    siblings = (task[:, None] == task) & ~itself
    shares = logits.log_softmax(-1).masked_fill(~siblings, 0)
    return -shares.sum() / siblings.sum()


@torch.no_grad()
def retrieval(views: Tensor) -> Tensor:
    """Share of the views (M, V, F) whose nearest other view is of their own task; a scalar."""
    count = views.shape[1]
    rows = views.flatten(0, 1)
    cosines = rows @ rows.T
    cosines.fill_diagonal_(-torch.inf)
    found = cosines.argmax(-1) // count
    return (found == torch.arange(len(rows), device=rows.device) // count).float().mean()
