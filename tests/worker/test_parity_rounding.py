"""What parity allows: measured rounding, what it hides, and a reference that is float64 throughout."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.support.models import PUZZLES, SMALL_ENCODERS, etrm, random_batch
from worker.experiments.parity.report import Comparison, ParityLine
from worker.experiments.parity.rounding import FLOOR, MULTIPLE, Scale, Size, measure, shaken
from worker.models.build import build_reasoner


def test_the_largest_draw_in_each_measure_is_the_rounding() -> None:
    reference = torch.ones(100, dtype=torch.float64)
    one, other = torch.ones(100), torch.ones(100)
    one[0] = 1.5
    other += 0.25
    scale = measure(reference, [one, other])
    assert scale.rounding == Size(0.25, 0.5)
    assert scale.allowed.largest == pytest.approx(MULTIPLE * 0.5 + FLOOR)


def test_few_numbers_that_are_near_by_accident_borrow_the_rounding_of_what_they_come_from() -> None:
    few, many = torch.full((2,), 4.0).double(), torch.full((200,), 4.0).double()
    assert measure(few, [few.float()], relative=0.01).rounding == Size(0.04, 0.04)
    assert measure(many, [many.float()], relative=0.01).rounding == Size(0.0, 0.0)


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_numbers_that_are_not_finite_are_within_nothing(broken: float) -> None:
    assert not Size(broken, broken).within(Size(1.0, 1.0))
    assert not Size(0.0, 0.0).within(Size(broken, broken))


def line_of(*roundings: float) -> ParityLine:
    line = ParityLine("model")
    for step, rounding in enumerate(roundings):
        scale = Scale(Size(1.0, 3.0), Size(rounding, 5 * rounding))
        line.add(Comparison(f"step {step}", "logits", f"step {step} logits", Size(0.0, 0.0), scale))
    line.finish()
    return line


def test_a_step_that_rounding_hides_is_named_and_the_others_still_tell() -> None:
    line = line_of(1e-6, 1.1)
    assert line.outcome == "pass"
    (hidden,) = [detail for detail in line.details() if "not informative" in detail]
    assert "rounding 1.1e+00 where the numbers are 1.0e+00" in hidden


def test_a_fixture_whose_every_step_is_hidden_does_not_pass() -> None:
    assert "undecided · rounding hides the logits of every step" in str(line_of(0.5, 1.1))


def test_a_shaken_copy_rounds_otherwise_and_leaves_the_model_alone() -> None:
    reasoner, batch = build_reasoner(etrm(SMALL_ENCODERS["deterministic"]), PUZZLES).eval(), random_batch(0)
    with torch.inference_mode():
        before, once, again, other = (
            model.run(batch, 1).logits
            for model in (reasoner, shaken(reasoner, 0), shaken(reasoner, 0), shaken(reasoner, 1))
        )
        assert torch.equal(reasoner.run(batch, 1).logits, before)
    assert torch.equal(once, again)
    assert not torch.equal(once, other)
    assert 0 < float((once - before).abs().max()) < 1e-3


@pytest.mark.parametrize("kind", SMALL_ENCODERS)
def test_a_float64_model_computes_in_float64_throughout(kind: str) -> None:
    reasoner, batch = build_reasoner(etrm(SMALL_ENCODERS[kind]), PUZZLES).double(), random_batch(0)
    seen: dict[str, torch.dtype] = {}

    def note(name: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            tensors = output if isinstance(output, tuple) else (output,)
            for tensor in tensors:
                if isinstance(tensor, Tensor) and tensor.is_floating_point():
                    seen[name] = tensor.dtype

        return hook

    for name, module in reasoner.named_modules():
        module.register_forward_hook(note(name))
    output = reasoner.step(reasoner.initial_carry(batch), batch)
    assert {name for name, dtype in seen.items() if dtype != torch.float64} == set()
    assert {output.logits.dtype, output.halt_logits.dtype, output.context.dtype} == {torch.float64}
    assert output.carry.states.y.dtype == torch.float64
    exact = build_reasoner(etrm(SMALL_ENCODERS[kind]), PUZZLES).double()
    single = build_reasoner(etrm(SMALL_ENCODERS[kind]), PUZZLES)
    difference = (
        exact.step(exact.initial_carry(batch), batch).context.float()
        - single.step(single.initial_carry(batch), batch).context
    )
    assert 0 < float(difference.detach().abs().max()) < 1e-3  # nothing but rounding
