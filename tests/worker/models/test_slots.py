from __future__ import annotations

import pytest
import torch
from torch import Tensor

from backend.domain.config.problems import parse_experiment
from backend.domain.experiment.encoders.slots import SlotsEncoder
from backend.kit.errors import InvalidConfig
from tests.support.models import CORE, etrm, random_batch
from worker.kit.batch import Batch
from worker.models.build import build_reasoner
from worker.models.context.deterministic import Pairs
from worker.models.context.slots import SlotSource
from worker.models.layers import rms_norm
from worker.models.reasoner import Reasoner


def build(**settings: object) -> Reasoner:
    return build_reasoner(etrm(SlotsEncoder.model_validate({"layers": 1, **settings})), 1)


def source_of(reasoner: Reasoner) -> SlotSource:
    assert isinstance(reasoner.context, SlotSource)
    return reasoner.context


def context_of(reasoner: Reasoner, batch: Batch) -> Tensor:
    return reasoner.step(reasoner.initial_carry(batch), batch).context


@pytest.mark.parametrize("iterations", [1, 3])
def test_slots_compete_for_tokens_as_the_paper_says(iterations: int) -> None:
    """Against a plain spelling of its algorithm, one task after the other, all its tokens side by side."""
    reasoner, batch = build(iterations=iterations), random_batch(0)
    source = source_of(reasoner)
    pairs = Pairs.of(batch)
    tokens = source.pairs.read(pairs.inputs, pairs.outputs)
    visible = source.pairs.visible(pairs.inputs, pairs.outputs)
    ours = source.attention(tokens, visible, pairs)
    for task, of_task in enumerate(ours):
        mine = pairs.place // batch.demo_mask.shape[1] == task
        expected = one_task(source, tokens[mine].flatten(0, 1)[visible[mine].flatten()], iterations)
        assert torch.allclose(of_task, expected, atol=1e-4)


def one_task(source: SlotSource, tokens: Tensor, iterations: int) -> Tensor:
    """Slots (T, D) after competing for the tokens (n, D)."""
    attention = source.attention
    slots = attention.slots
    tokens = rms_norm(tokens)
    for _ in range(iterations):
        scores = attention.key(tokens) @ attention.query(rms_norm(slots)).T / CORE.width**0.5
        shares = scores.softmax(1)  # over slots: what one wins another loses
        updates = (shares / shares.sum(0)).T @ attention.value(tokens)
        slots = by_torch_gru(source, slots, updates)
        slots = slots + attention.mlp(rms_norm(slots))
    return rms_norm(slots)


def by_torch_gru(source: SlotSource, slots: Tensor, updates: Tensor) -> Tensor:
    cell = torch.nn.GRUCell(CORE.width, CORE.width)
    update = source.attention.update
    with torch.no_grad():
        cell.weight_ih.copy_(update.news.weight)
        cell.weight_hh.copy_(update.state.weight)
        cell.bias_ih.zero_()
        cell.bias_hh.copy_(update.state.get_parameter("bias"))
    out: Tensor = cell(updates, slots)
    return out


def test_slots_of_one_task_differ_and_have_mean_square_one() -> None:
    context = context_of(build(), random_batch(1))
    assert torch.allclose(context.square().mean(-1), torch.ones(4, CORE.context_tokens), atol=1e-2)
    assert not torch.allclose(context[:, 0], context[:, 1], atol=0.1)


def test_where_a_cell_lies_matters() -> None:
    """One coloured cell on an empty canvas, here or there: only its place tells the two apart."""
    batch = random_batch(2)
    here, there = (torch.zeros_like(batch.demo_inputs) for _ in range(2))
    here[..., 0], there[..., -1] = 5, 5
    nothing = torch.zeros_like(here)
    reasoner = build()
    contexts = [
        context_of(reasoner, batch._replace(demo_inputs=grid, demo_outputs=nothing)) for grid in (here, there)
    ]
    assert not torch.allclose(*contexts, atol=1e-2)


@pytest.mark.parametrize("side", [3, 10, 17, 30])
def test_every_canvas_works_in_both_precisions(side: int) -> None:
    reasoner, batch = build(), random_batch(3, size=2, side=side, demonstrations=2)
    exact = context_of(reasoner, batch)
    with torch.autocast("cpu", torch.bfloat16):
        rough = context_of(reasoner, batch)
    assert torch.isfinite(exact).all()
    assert (rough.float() - exact).square().mean() < 0.05  # of a mean square of 1


def test_one_seed_gives_one_encoder() -> None:
    ours, again = build().state_dict(), build().state_dict()
    assert all(torch.equal(ours[name], again[name]) for name in ours)


def test_a_single_slot_is_refused_since_it_has_no_rival() -> None:
    with pytest.raises(InvalidConfig, match="One slot has no rival"):
        parse_experiment({"model": {"encoder": {"kind": "slots"}, "core": {"context_tokens": 1}}})
