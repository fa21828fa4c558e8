from __future__ import annotations

import math

import pytest
import torch

from worker.kit.batch import IGNORE
from worker.models.context.source import Penalty
from worker.models.likelihood import log_stablemax
from worker.training.objective.losses import act_loss, with_penalties


def test_stablemax_is_a_distribution_with_the_published_scores() -> None:
    logits = torch.tensor([3.0, 0.0, -1.0])
    scores = torch.tensor([4.0, 1.0, 0.5], dtype=torch.float64)
    assert torch.allclose(log_stablemax(logits).exp(), scores / scores.sum())


@pytest.mark.parametrize("value", [-1e30, -1.0, 0.0, 1.0, 1e30])
def test_the_gradient_of_stablemax_is_finite_everywhere(value: float) -> None:
    logits = torch.tensor([[[value, 0.5, 1.0]]], requires_grad=True)
    log_stablemax(logits)[..., 0].sum().backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_the_loss_is_the_mean_over_labelled_tokens_summed_over_samples_plus_half_the_halting_loss() -> None:
    logits = torch.zeros(2, 4, 12)
    labels = torch.tensor([[3, 4, IGNORE, IGNORE], [5, IGNORE, IGNORE, IGNORE]])
    terms = act_loss(logits, torch.zeros(2), labels)
    assert torch.allclose(terms.prediction, torch.full((2,), math.log(12), dtype=torch.float64))
    assert torch.allclose(terms.halting, torch.full((2,), math.log(2)))
    assert math.isclose(float(terms.total), 2 * math.log(12) + 0.5 * 2 * math.log(2), rel_tol=1e-6)


def test_ignored_cells_have_no_part_in_the_loss_or_its_gradient() -> None:
    logits = torch.randn(1, 3, 12, requires_grad=True)
    labels = torch.tensor([[7, IGNORE, 2]])
    terms = act_loss(logits, torch.zeros(1), labels)
    torch.autograd.backward(terms.total)
    assert logits.grad is not None
    assert not logits.grad[0, 1].any()
    changed = logits.detach().clone()
    changed[0, 1] = 50.0
    assert torch.equal(act_loss(changed, torch.zeros(1), labels).total, terms.total.detach())


def test_accuracies_are_per_sample_and_a_halting_logit_is_right_when_it_tells_whether_the_grid_is() -> None:
    labels = torch.tensor([[2, 3], [2, 3], [2, IGNORE], [IGNORE, IGNORE]])
    said = torch.tensor([[2, 3], [2, 9], [2, 9], [2, 2]])
    logits = torch.nn.functional.one_hot(said, 12).float()
    terms = act_loss(logits, torch.tensor([4.0, 4.0, -4.0, -4.0]), labels)
    assert terms.token_accuracy.tolist() == [1.0, 0.5, 1.0, 0.0]
    assert terms.exact.tolist() == [True, False, True, True]
    assert terms.halting_right.tolist() == [True, False, False, False]
    assert terms.scored.tolist() == [True, True, True, False]


def test_a_batch_without_labels_gives_a_finite_loss_and_no_gradient_to_the_tokens() -> None:
    logits = torch.randn(1, 2, 12, requires_grad=True)
    terms = act_loss(logits, torch.zeros(1), torch.full((1, 2), IGNORE))
    torch.autograd.backward(terms.total)
    assert torch.isfinite(terms.total)
    assert logits.grad is not None
    assert not logits.grad.any()


def test_only_the_total_carries_gradient() -> None:
    logits, halt = torch.randn(1, 2, 12, requires_grad=True), torch.zeros(1, requires_grad=True)
    total, *rest = act_loss(logits, halt, torch.tensor([[2, 3]]))
    assert total.requires_grad
    assert total.dtype == torch.float64
    assert not any(term.requires_grad for term in rest)


def test_penalties_are_added_at_their_weights() -> None:
    total = torch.tensor(1.0, dtype=torch.float64)
    penalties = {"kl": Penalty(torch.tensor(4.0), 0.25), "other": Penalty(torch.tensor(2.0), 3.0)}
    assert float(with_penalties(total, penalties, 5)) == 8.0
    assert with_penalties(total, {}, 5) is total


def test_a_penalty_of_each_sample_is_added_as_often_as_there_are_samples() -> None:
    total = torch.tensor(1.0, dtype=torch.float64)
    penalties = {"kl": Penalty(torch.tensor(4.0), 0.25, reduction="sample")}
    assert float(with_penalties(total, penalties, 5)) == 1.0 + 5 * 0.25 * 4.0
