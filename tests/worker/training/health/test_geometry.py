"""Measures of how contexts lie, against what is known of the cases."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from worker.training.health.geometry import effective_rank, geometry, group_variances, pairwise_cosine


def contexts(tasks: int = 8, views: int = 2, width: int = 64, noise: float = 0.1) -> Tensor:
    """Every task has a direction of its own, its views lie near it."""
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(tasks, 1, width, generator=generator)
    return centres + noise * torch.randn(tasks, views, width, generator=generator)


def test_rank_counts_the_directions_that_rows_differ_in() -> None:
    line = torch.linspace(-1, 1, 6)[:, None] * torch.ones(1, 10)
    assert effective_rank(line.double() + 5) == pytest.approx(1)
    corners = torch.eye(6).double()  # centred: five equal singular values
    assert effective_rank(corners) == pytest.approx(5)
    assert effective_rank(100 * corners + 3) == pytest.approx(5)
    assert effective_rank(torch.ones(6, 10).double()) == pytest.approx(1)


def test_rank_is_that_of_the_singular_values() -> None:
    rows = torch.randn(5, 40, generator=torch.Generator().manual_seed(1)).double()
    values = torch.linalg.svdvals(rows - rows.mean(0))
    shares = [float(value / values.sum()) for value in values[:4]]  # the fifth is rounding
    assert effective_rank(rows) == pytest.approx(math.exp(-sum(s * math.log(s) for s in shares)))


def test_cosines_are_of_different_tasks_alone() -> None:
    apart = torch.tensor([[[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [0.0, 2.0]]]).double()
    assert pairwise_cosine(apart) == pytest.approx(0)
    assert pairwise_cosine(torch.ones(3, 2, 4).double()) == pytest.approx(1)


def test_within_and_between_make_up_the_variance() -> None:
    found = contexts().double()
    within, between = group_variances(found)
    rows = found.flatten(0, 1)
    assert within + between == pytest.approx(float((rows - rows.mean(0)).square().mean()))


def test_contexts_that_know_their_task_are_told_from_those_that_do_not() -> None:
    knowing, chance = geometry(contexts()), geometry(contexts(tasks=200, noise=1e3))
    assert knowing["encoder/retrieval"] == 1
    assert knowing["encoder/between_within"] > 50
    assert chance["encoder/retrieval"] < 0.05
    assert chance["encoder/between_within"] == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_equal_contexts_give_finite_numbers(value: float) -> None:
    found = geometry(torch.full((4, 2, 6), value))
    assert all(math.isfinite(each) for each in found.values())
    assert found["encoder/effective_rank"] == 1
    assert found["encoder/between_within"] == 0


def test_scale_changes_the_variance_alone() -> None:
    one, other = geometry(contexts()), geometry(10 * contexts())
    for name, value in one.items():
        factor = 100 if name == "encoder/within_variance" else 1
        assert float(other[name]) == pytest.approx(factor * float(value), rel=1e-5)
