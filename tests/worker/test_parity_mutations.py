"""Parity has teeth: one fault at a time in our model, and the published numbers no longer fit.

Faults are patched in here and nowhere else. Comparisons are computed as they are asked for, so a fault costs
no more than the steps up to the first number that shows it.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from worker.experiments.parity.checks import compare_evaluation, compare_training
from worker.experiments.parity.fixtures import Fixture
from worker.experiments.parity.report import Comparison, ParityLine
from worker.experiments.parity.rounding import shaken
from worker.models import core, layers, reasoner
from worker.models.context import deterministic, iterative, per_demo, variational
from worker.models.core import Recursion, States
from worker.models.layers import Residual, SwiGLU, rms_norm
from worker.training.objective import losses

pytestmark = pytest.mark.slow

GOLDEN = Path(__file__).parents[1] / "golden" / "parity"
Patch = pytest.MonkeyPatch
Fault = Callable[[Patch], None]


@cache
def fixture(name: str) -> Fixture:
    spec = json.loads((GOLDEN / f"{name}.json").read_text())
    return Fixture(spec, load_file(GOLDEN / f"{name}.safetensors"))


def comparisons(line: ParityLine, recorded: Fixture, train_first: bool) -> Iterator[Comparison]:
    plain = recorded.model()
    reference = copy.deepcopy(plain).double()
    evaluated = compare_evaluation(line, recorded, reference, [plain, shaken(plain, 0)])
    trained = compare_training(line, recorded, reference, plain)
    return chain(trained, evaluated) if train_first else chain(evaluated, trained)


def first_failure(name: str, train_first: bool = False) -> Comparison | None:
    """The first comparison of a fixture that fails; None where all pass."""
    line = ParityLine(name)
    failure = next((c for c in comparisons(line, fixture(name), train_first) if not c.passed), None)
    assert not line.notes, line.notes  # what is missing or has another shape is no difference of numbers
    return failure


def replace(where: Any, name: str, value: Any) -> Fault:
    return lambda patch: patch.setattr(where, name, value)


def norm_of_the_branch(self: Residual, x: Tensor, branch: Tensor) -> Tensor:
    return x + rms_norm(branch) if self.norm == "post" else rms_norm(x + branch)


def no_residual(self: Residual, x: Tensor, branch: Tensor) -> Tensor:
    return rms_norm(branch) if self.norm == "post" else branch


def pairs_interleaved(x: Tensor, rope: layers.Rope) -> Tensor:
    shape = (-1, *(1,) * (x.dim() - 3), x.shape[-1] // 2)
    cos, sin = rope[0].view(shape), rope[1].view(shape)
    even, odd = x[..., ::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, odd * cos + even * sin), dim=-1).flatten(-2)


def answer_first(self: Recursion, states: States, x: Tensor, rope: layers.Rope) -> States:
    y, z = states
    y = self._f(y + z, rope)
    for _ in range(self.l_cycles):
        z = self._f(z + y + x, rope)
    return States(y, z)


def exchanged(self: Recursion, states: States, x: Tensor, rope: layers.Rope) -> States:
    z, y = states
    for _ in range(self.l_cycles):
        z = self._f(z + y + x, rope)
    return States(self._f(y + z, rope), z)


def input_once(self: Recursion, states: States, x: Tensor, rope: layers.Rope) -> States:
    y, z = states
    for cycle in range(self.l_cycles):
        z = self._f(z + y + x if cycle == 0 else z + y, rope)
    return States(self._f(y + z, rope), z)


def one_more_l_cycle(self: Recursion, states: States, x: Tensor, rope: layers.Rope) -> States:
    y, z = states
    for _ in range(self.l_cycles + 1):
        z = self._f(z + y + x, rope)
    return States(self._f(y + z, rope), z)


def one_h_cycle_less(
    self: Recursion, states: States, x: Tensor, rope: layers.Rope, _whole: bool = False
) -> States:
    for _ in range(self.h_cycles - 1):
        states = self._cycle(states, x, rope)
    return states


def gradient_through_all(
    self: Recursion, states: States, x: Tensor, rope: layers.Rope, _whole: bool = False
) -> States:
    for _ in range(self.h_cycles):
        states = self._cycle(states, x, rope)
    return states


def gate_and_up_exchanged(self: SwiGLU, x: Tensor) -> Tensor:
    up, gate = self.gate_up(x).chunk(2, dim=-1)
    return self.down(F.silu(gate) * up)


def unscaled_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(query, key, value, scale=1.0)


def loss_of_every_cell(logits: Tensor, labels: Tensor) -> Tensor:
    return losses_of(logits, labels.clamp(min=0))


losses_of = losses.prediction_loss


def softmax_loss(logits: Tensor, labels: Tensor) -> Tensor:
    entropy = F.cross_entropy(logits.double().mT, labels, reduction="none")  # ignores -100
    return entropy.sum(-1) / (labels >= 0).sum(-1)


def mean_of_all_tokens(self: deterministic.MeanPool, hidden: Tensor, visible: Tensor) -> Tensor:
    return hidden.mean(1)


def without_mask(self: layers.CrossAttention, queries: Tensor, members: Tensor, mask: Tensor) -> Tensor:
    return with_mask(self, queries, members, torch.ones_like(mask))


with_mask = layers.CrossAttention.forward


def divergence_summed(mean: Tensor, log_variance: Tensor, counted: Tensor) -> Tensor:
    return divergence(mean, log_variance, counted) * counted.sum()


def divergence_over_every_place(mean: Tensor, log_variance: Tensor, counted: Tensor) -> Tensor:
    return divergence(mean, log_variance, torch.ones_like(counted))


divergence = variational.kl_divergence


def table_with_cls(length: int, head_width: int, device: torch.device, unrotated: int, dtype: Any) -> Any:
    return layers.rope_table(length + unrotated, head_width, device, dtype=dtype)


FAULTS: dict[str, tuple[str, Fault]] = {
    "norm of the branch, not of the sum": ("trm", replace(Residual, "after", norm_of_the_branch)),
    "no residual": ("trm", replace(Residual, "after", no_residual)),
    "RoPE base 1 % too large": ("trm", replace(layers, "ROPE_BASE", 10_100.0)),
    "RoPE pairs neighbours, not halves": ("trm", replace(layers, "rotate", pairs_interleaved)),
    "embeddings not scaled by the root of D": ("trm", replace(core, "embedding_scale", lambda width: 1.0)),
    "y before z": ("trm", replace(Recursion, "_cycle", answer_first)),
    "y and z exchanged": ("trm", replace(Recursion, "_cycle", exchanged)),
    "input in the first L cycle alone": ("trm", replace(Recursion, "_cycle", input_once)),
    "one L cycle more": ("trm", replace(Recursion, "_cycle", one_more_l_cycle)),
    "one H cycle less": ("trm", replace(Recursion, "forward", one_h_cycle_less)),
    "gate and up exchanged": ("trm", replace(SwiGLU, "forward", gate_and_up_exchanged)),
    "attention not scaled": ("trm", replace(layers, "attend", unscaled_attention)),
    "loss of every cell": ("trm", replace(losses, "prediction_loss", loss_of_every_cell)),
    "softmax in place of stablemax": ("trm", replace(losses, "prediction_loss", softmax_loss)),
    "halting loss weighs 1": ("trm", replace(losses, "HALTING_WEIGHT", 1.0)),
    "pooling over padding": (
        "etrm_deterministic",
        replace(deterministic.MeanPool, "forward", mean_of_all_tokens),
    ),
    "set without its mask": ("etrm_deterministic", replace(layers.CrossAttention, "forward", without_mask)),
    "pairs not scaled by the root of D": (
        "etrm_deterministic",
        replace(deterministic, "embedding_scale", lambda width: 1.0),
    ),
    "pre-norm made post-norm": (
        "etrm_variational_cross_attention",
        replace(Residual, "before", lambda self, x: x),
    ),
    "CLS token rotated": (
        "etrm_variational_cross_attention",
        replace(variational, "rope_table", table_with_cls),
    ),
    "KL summed over the samples": (
        "etrm_variational_cross_attention",
        replace(variational, "kl_divergence", divergence_summed),
    ),
    "KL over missing demonstrations": (
        "etrm_variational_per_demo",
        replace(per_demo, "kl_divergence", divergence_over_every_place),
    ),
    "norm epsilon 1e-6": (
        "etrm_variational_per_demo",
        replace(per_demo, "NORM_EPSILON", 1e-6),
    ),
    "state keeps 0.89, not 0.9": ("etrm_iterative", replace(iterative, "INERTIA", 0.89)),
}  # fmt: skip


@pytest.fixture(autouse=True)
def fresh_tables() -> Iterator[None]:
    """RoPE tables are cached, and faults change how they are made."""
    caches = layers.rope_table, core._rope_of
    for table in caches:
        table.cache_clear()
    yield
    for table in caches:
        table.cache_clear()


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_in_our_model_fails(fault: str, monkeypatch: Patch) -> None:
    name, make = FAULTS[fault]
    make(monkeypatch)
    assert first_failure(name) is not None


def test_gradient_through_every_h_cycle_fails(monkeypatch: Patch) -> None:
    monkeypatch.setattr(Recursion, "forward", gradient_through_all)
    failure = first_failure("trm", train_first=True)
    assert failure is not None
    assert failure.quantity == "gradients"


def test_without_a_fault_nothing_fails() -> None:
    assert first_failure("trm") is None


def test_a_halting_bias_that_is_left_out_fails(monkeypatch: Patch) -> None:
    model = Fixture.model

    def without_bias(self: Fixture) -> reasoner.Reasoner:
        built = model(self)
        torch.nn.init.zeros_(built.halt_head.get_parameter("bias"))
        return built

    monkeypatch.setattr(Fixture, "model", without_bias)
    failure = first_failure("trm")
    assert failure is not None
    assert failure.quantity == "halting logits"
