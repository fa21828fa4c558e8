"""Contrastive losses against their definitions, written as loops."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from backend.domain.experiment import InfoNce, SupCon
from worker.training.objective.contrast import contrast_loss, info_nce, pooled, retrieval, sup_con


def embeddings(tasks: int, views: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(tasks, views, 6, generator=generator), dim=-1)


def cosine(one: Tensor, other: Tensor) -> float:
    return float(one @ other) / float(one.norm() * other.norm())


def test_infonce_is_the_mean_over_views_of_finding_the_twin_among_the_other_views() -> None:
    views, temperature = embeddings(5, 2), 0.2
    losses = []
    for kind in (0, 1):
        for task in range(5):
            scores = [cosine(views[task, kind], views[other, 1 - kind]) / temperature for other in range(5)]
            losses.append(math.log(sum(map(math.exp, scores))) - scores[task])
    assert info_nce(views, temperature).item() == pytest.approx(sum(losses) / 10, rel=1e-5)


@pytest.mark.parametrize("count", [2, 3])
def test_supcon_is_equation_2_of_its_paper(count: int) -> None:
    views, temperature = embeddings(4, count), 0.3
    rows = [(task, view) for task in range(4) for view in range(count)]
    losses = []
    for anchor in rows:
        others = [row for row in rows if row != anchor]
        total = sum(math.exp(cosine(views[anchor], views[row]) / temperature) for row in others)
        siblings = [row for row in others if row[0] == anchor[0]]
        terms = [
            math.log(math.exp(cosine(views[anchor], views[row]) / temperature) / total) for row in siblings
        ]
        losses.append(-sum(terms) / len(siblings))
    assert sup_con(views, temperature).item() == pytest.approx(sum(losses) / len(rows), rel=1e-5)


@pytest.mark.parametrize("config", [InfoNce(temperature=0.5), SupCon(temperature=0.5, views=2)])
def test_views_of_one_task_alike_and_of_others_opposed_is_the_least_loss(config: InfoNce | SupCon) -> None:
    axis = torch.eye(6)[:2]
    apart = torch.stack((axis, axis), dim=1)
    swapped = torch.stack((axis, axis.flip(0)), dim=1)
    same = axis[:1].expand(2, 2, 6)
    losses = [contrast_loss(views, config).item() for views in (apart, same, swapped)]
    assert losses == sorted(losses)
    assert losses[0] < losses[1] < losses[2]


@pytest.mark.parametrize("config", [InfoNce(temperature=0.01), SupCon(temperature=0.01)])
def test_the_losses_are_float32_under_autocast_and_their_gradient_is_finite(config: InfoNce | SupCon) -> None:
    views = embeddings(4, 2).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = contrast_loss(views, config)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(contrast_loss(views, config).item(), rel=1e-6)
    (gradient,) = torch.autograd.grad(loss, views)
    assert torch.isfinite(gradient).all()
    assert gradient.abs().sum() > 0


def test_retrieval_counts_the_views_whose_nearest_is_of_their_task() -> None:
    axes = torch.eye(4)
    near, between, far = (
        F.normalize(vector, dim=0)
        for vector in (axes[0] + 0.1 * axes[1], axes[0] + axes[1], axes[2] + 0.2 * axes[0])
    )
    views = torch.stack((torch.stack((axes[0], near)), torch.stack((between, far))))
    # The first two find each other, the others find one of them.
    assert retrieval(views).item() == 0.5
    assert retrieval(views[:1]).item() == 1
    assert retrieval(embeddings(3, 1).expand(3, 4, 6)).item() == 1


def test_contexts_are_pooled_to_vectors_of_length_one() -> None:
    context = torch.randn(3, 2, 4, generator=torch.Generator().manual_seed(0)).bfloat16()
    vectors = pooled(context)
    assert (vectors.shape, vectors.dtype) == ((3, 8), torch.float32)
    assert torch.allclose(vectors.norm(dim=1), torch.ones(3))
    assert torch.equal(pooled(2 * context), vectors)
