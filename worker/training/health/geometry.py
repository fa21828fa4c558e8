"""How contexts lie among each other, independent of their scale: what variance alone cannot tell.

All take contexts (M, V, F): V views of each of M tasks, flattened. They compute in float64 and give scalars
on the device. Definitions: etrm.md section 8.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from worker.training.objective.contrast import retrieval

_NOTHING = 1e-12  # share of the energy that is rounding


@torch.no_grad()
def geometry(contexts: Tensor) -> dict[str, Tensor]:
    """Every measure of contexts (M, V, F) by the name it is recorded under."""
    contexts = contexts.double()
    within, between = group_variances(contexts)
    energy = contexts.square().mean()
    return {
        "encoder/effective_rank": effective_rank(contexts.flatten(0, 1)),
        "encoder/pairwise_cosine": pairwise_cosine(contexts),
        "encoder/within_variance": within,
        "encoder/between_within": between / within.clamp(min=1e-30).maximum(_NOTHING * energy),
        "encoder/retrieval": retrieval(F.normalize(contexts, dim=-1)),
    }


def effective_rank(rows: Tensor) -> Tensor:
    """exp of the entropy of the singular values of the centred rows (n, F), divided by their sum.

    1 where all rows lie on one line, n - 1 where they spread evenly (Roy and Vetterli 2007); 1 also where
    all are equal.
    """
    centred = rows - rows.mean(0)
    # The singular values of (n, F) are the roots of the eigenvalues of an (n, n) matrix, which is small.
    squares = torch.linalg.eigvalsh(centred @ centred.T)
    noise = _NOTHING * rows.square().sum()
    values = torch.where(squares > noise, squares, 0).sqrt()
    shares = values / values.sum().clamp(min=1e-30)
    entropy: Tensor = torch.special.entr(shares).sum()
    return entropy.exp()


def pairwise_cosine(contexts: Tensor) -> Tensor:
    """Mean cosine of the contexts (M, V, F) of different tasks; 1 where all point one way."""
    views = contexts.shape[1]
    rows = F.normalize(contexts.flatten(0, 1), dim=-1)
    task = torch.arange(len(rows), device=rows.device) // views
    apart = task[:, None] != task
    return ((rows @ rows.T) * apart).sum() / apart.sum()


def group_variances(contexts: Tensor) -> tuple[Tensor, Tensor]:
    """Mean square distance from the task's mean, and of the tasks' means from the mean of all (M, V, F).

    Together they are the variance. With V views, contexts that know nothing of their task have between /
    within = 1 / (V - 1) in the mean.
    """
    means = contexts.mean(1)
    within = (contexts - means[:, None]).square().mean()
    between = (means - means.mean(0)).square().mean()
    return within, between
