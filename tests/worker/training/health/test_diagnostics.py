"""Diagnostics tell a starving or collapsed encoder from a healthy one."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from worker.training.health import diagnostics
from worker.training.health.diagnostics import GradientCoverage
from worker.training.sums import Sums


def test_coverage_counts_numbers_that_had_a_gradient_anywhere_in_the_interval() -> None:
    layer = nn.Linear(2, 2, bias=True)
    unused = nn.Parameter(torch.zeros(4))
    coverage = GradientCoverage([*layer.named_parameters(), ("unused", unused)])
    for inputs in ([1.0, 0.0], [0.0, 1.0]):  # each step reaches one column of the weights
        layer.zero_grad()
        layer(torch.tensor([inputs])).sum().backward()
        coverage.observe()
    assert coverage.read()["encoder/gradient_coverage"].item() == pytest.approx(6 / 10)
    coverage.restart()
    assert coverage.read()["encoder/gradient_coverage"].item() == 0


def test_places_that_no_canvas_has_do_not_count_against_coverage() -> None:
    table = nn.Parameter(torch.zeros(6, 2))
    coverage = GradientCoverage([("table", table)], unreachable=4)
    table[:4].sum().backward()
    coverage.observe()
    assert coverage.read()["encoder/gradient_coverage"].item() == 1


def test_a_model_without_encoder_parameters_has_no_gradient_coverage() -> None:
    assert GradientCoverage([]).read() == {}


def test_equal_contexts_have_no_spread_and_scale_does_not_change_the_scale_free_one() -> None:
    torch.manual_seed(0)
    contexts = torch.randn(8, 2, 4)
    assert diagnostics.context_spread([contexts[:1].expand(8, 2, 4)])["encoder/scale_free_variance"] < 1e-12
    one, other = diagnostics.context_spread([contexts]), diagnostics.context_spread([10 * contexts])
    by_hand = ((contexts - contexts.mean(0)) ** 2).mean()
    assert one["encoder/cross_sample_variance"] == pytest.approx(by_hand.item())
    assert other["encoder/cross_sample_variance"] == pytest.approx(100 * by_hand.item(), rel=1e-5)
    assert other["encoder/scale_free_variance"] == pytest.approx(one["encoder/scale_free_variance"].item())


def test_samples_count_as_covered_only_if_encoded_in_this_step_and_reached_by_a_gradient() -> None:
    context = torch.ones(4, 1, 2, requires_grad=True)
    (context[:3].sum()).backward()
    encoded = torch.tensor([True, False, True, True])
    assert diagnostics.sample_coverage(context, encoded).item() == 0.5
    assert diagnostics.sample_coverage(torch.ones(4, 1, 2), encoded).item() == 0


def test_norms_are_those_of_all_parts_and_clipping_reaches_the_limit_and_never_scales_up() -> None:
    encoder, core = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(1))
    encoder.grad, core.grad = torch.tensor([0.0, 3.0]), torch.tensor([4.0])
    norms = diagnostics.gradient_norms([("a", encoder)], [("b", core)])
    assert {name: norm.item() for name, norm in norms.items()} == {
        "gradient_norm/all": 5.0,
        "gradient_norm/encoder": 3.0,
        "gradient_norm/core": 4.0,
        "encoder/gradient_share": pytest.approx(0.6),
    }
    diagnostics.clip_gradients([encoder, core], norms["gradient_norm/all"], 10.0)
    assert core.grad.item() == 4.0
    diagnostics.clip_gradients([encoder, core], norms["gradient_norm/all"], 0.5)
    assert math.hypot(*encoder.grad.tolist(), core.grad.item()) == pytest.approx(0.5, rel=1e-4)


def test_sums_average_over_what_was_chosen_and_leave_out_what_never_was() -> None:
    sums = Sums()
    for loss, right, halted in ((1.0, [1.0, 0.0], [True, False]), (3.0, [0.0, 1.0], [True, True])):
        sums.add({"loss": torch.tensor(loss)})
        sums.add_where(torch.tensor(halted), {"right": torch.tensor(right)})
        sums.add_where(torch.tensor([False, False]), {"never": torch.tensor([1.0, math.nan])})
    assert sums.read({"extra": torch.tensor(0.5)})[0] == {
        "loss": 2.0,
        "right": pytest.approx(2 / 3),
        "extra": 0.5,
    }


def test_sums_notice_a_number_that_is_not_finite() -> None:
    sums = Sums()
    sums.add({"loss": torch.tensor(1.0)})
    assert sums.are_finite()
    sums.add({"loss": torch.tensor(math.inf)})
    assert not sums.are_finite()
