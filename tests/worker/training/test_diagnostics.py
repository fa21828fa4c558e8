"""Diagnostics tell a starving or collapsed encoder from a healthy one."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pytest
import torch
from torch import nn

from backend.domain.records import Alarm
from worker.training import diagnostics
from worker.training.diagnostics import Alarms, GradientCoverage
from worker.training.sums import Sums

HEALTHY = {
    "encoder/gradient_coverage": 1.0,
    "encoder/sample_coverage": 1.0,
    "encoder/scale_free_variance": 0.3,
    "gradient_norm/all": 1.0,
}


def alarms_of(points: Iterable[dict[str, float]]) -> list[Alarm]:
    alarms = Alarms()
    return [alarm for step, point in enumerate(points) for alarm in alarms.check(step, HEALTHY | point)]


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
    }
    diagnostics.clip_gradients([encoder, core], norms["gradient_norm/all"], 10.0)
    assert core.grad.item() == 4.0
    diagnostics.clip_gradients([encoder, core], norms["gradient_norm/all"], 0.5)
    assert math.hypot(*encoder.grad.tolist(), core.grad.item()) == pytest.approx(0.5, rel=1e-4)


def test_a_healthy_run_raises_no_alarm() -> None:
    assert alarms_of([{}] * 100) == []


def test_an_encoder_without_any_gradient_is_reported_at_once_and_once() -> None:
    (alarm,) = alarms_of([{"encoder/gradient_coverage": 0.0}] * 30)
    assert (alarm.name, alarm.step, alarm.value, alarm.threshold) == ("starvation", 0, 0.0, 0.5)
    assert "only 0% of the encoder" in alarm.text


def test_few_taught_samples_are_starvation_once_it_lasts() -> None:
    (alarm,) = alarms_of([{"encoder/sample_coverage": 0.06}] * 30)
    assert (alarm.name, alarm.step) == ("starvation", Alarms.SUSTAINED - 1)


def test_a_moment_of_sameness_is_no_collapse_but_a_lasting_one_is() -> None:
    same = {"encoder/scale_free_variance": 1e-5}
    assert alarms_of(([same] * (Alarms.SUSTAINED - 1) + [{}]) * 5) == []
    (alarm,) = alarms_of([same] * 30)
    assert (alarm.name, alarm.step) == ("collapse", Alarms.SUSTAINED - 1)


def test_a_jump_of_the_gradient_norm_is_an_explosion_and_slow_growth_is_not() -> None:
    assert alarms_of([{"gradient_norm/all": 1.1**step} for step in range(200)]) == []
    (alarm,) = alarms_of([{}] * 20 + [{"gradient_norm/all": 500.0}])
    assert (alarm.name, alarm.step, alarm.value) == ("gradient explosion", 20, 500.0)


def test_alarms_go_on_where_they_were_saved() -> None:
    same = {"encoder/scale_free_variance": 1e-5}
    before, after = Alarms(), Alarms()
    for step in range(Alarms.SUSTAINED - 1):
        assert list(before.check(step, HEALTHY | same)) == []
    after.load_state_dict(before.state_dict())
    assert [alarm.name for alarm in after.check(9, HEALTHY | same)] == ["collapse"]
    assert list(after.check(10, HEALTHY | same)) == []


def test_sums_average_over_what_was_chosen_and_leave_out_what_never_was() -> None:
    sums = Sums()
    for loss, right, halted in ((1.0, [1.0, 0.0], [True, False]), (3.0, [0.0, 1.0], [True, True])):
        sums.add({"loss": torch.tensor(loss)})
        sums.add_where(torch.tensor(halted), {"right": torch.tensor(right)})
        sums.add_where(torch.tensor([False, False]), {"never": torch.tensor([1.0, math.nan])})
    assert sums.read({"extra": torch.tensor(0.5)}) == {
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
