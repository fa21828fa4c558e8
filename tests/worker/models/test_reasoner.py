from __future__ import annotations

import pytest
import torch

from backend.domain.config.presets import etrm_deterministic_arc1, trm_arc1
from backend.domain.experiment import CoreConfig, ExperimentConfig
from tests.support.models import CORE, PUZZLES, etrm, random_batch, trm
from worker.kit.batch import Batch
from worker.kit.noise import Noise
from worker.models.build import build_reasoner
from worker.models.core import States
from worker.models.reasoner import Carry, Reasoner
from worker.training.objective.losses import act_loss


def build(config: ExperimentConfig) -> Reasoner:
    return build_reasoner(config, PUZZLES)


def backward(reasoner: Reasoner, carry: Carry, batch: Batch) -> Carry:
    """One training step without an optimiser."""
    reasoner.zero_grad()
    output = reasoner.step(carry, batch)
    torch.autograd.backward(act_loss(output.logits, output.halt_logits, output.carry.batch.labels).total)
    return output.carry


def pick(batch: Batch, slots: list[int]) -> Batch:
    return batch.map(lambda field: field[slots])


@pytest.mark.parametrize("config", [trm(), etrm()], ids=["trm", "etrm"])
def test_two_builds_of_a_config_are_bit_equal_whatever_was_drawn_before(config: ExperimentConfig) -> None:
    torch.manual_seed(1)
    first = build(config).state_dict()
    torch.manual_seed(2)
    second = build(config).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_another_seed_gives_another_model() -> None:
    first, second = build(etrm(seed=0)).state_dict(), build(etrm(seed=1)).state_dict()
    assert not torch.equal(first["core.embedding.weight"], second["core.embedding.weight"])


def test_the_published_sizes_are_reached() -> None:
    def millions(config: ExperimentConfig) -> float:
        return sum(p.numel() for p in build_reasoner(config, 1).parameters()) / 1e6

    assert 6.5 < millions(trm_arc1()) < 7.5
    assert 17 < millions(etrm_deterministic_arc1()) < 18


def test_a_new_model_says_that_it_is_not_done() -> None:
    reasoner, batch = build(etrm()), random_batch(0)
    output = reasoner.step(reasoner.initial_carry(batch), batch)
    assert torch.allclose(output.halt_logits, torch.tensor(-5.0))


def test_a_slot_that_halted_starts_anew_on_the_new_sample_and_the_others_go_on() -> None:
    reasoner = build(etrm())
    old, new = random_batch(1), random_batch(2)
    carry = reasoner.step(reasoner.initial_carry(old), old).carry
    halted = torch.tensor([True, False, False, True])
    mixed = reasoner.step(carry._replace(halted=halted), new)
    went_on = reasoner.step(carry, new)
    began = reasoner.step(reasoner.initial_carry(new), new)
    assert torch.allclose(mixed.logits[[0, 3]], began.logits[[0, 3]], atol=1e-5)
    assert torch.allclose(mixed.logits[[1, 2]], went_on.logits[[1, 2]], atol=1e-5)
    assert mixed.carry.steps.tolist() == [1, 2, 2, 1]
    assert torch.equal(mixed.carry.batch.labels[[0, 3]], new.labels[[0, 3]])
    assert torch.equal(mixed.carry.batch.demo_inputs[[1, 2]], old.demo_inputs[[1, 2]])


def test_samples_do_not_see_each_other() -> None:
    reasoner, batch = build(etrm()), random_batch(3)
    together = reasoner.step(reasoner.initial_carry(batch), batch).logits
    one = pick(batch, [2])
    alone = reasoner.step(reasoner.initial_carry(one), one).logits
    assert torch.allclose(together[2], alone[0], atol=1e-5)


def test_training_halts_every_sample_at_the_last_act_step() -> None:
    reasoner, batch = build(etrm(max_steps=3)), random_batch(4)
    carry = reasoner.initial_carry(batch)
    halted = []
    for _ in range(4):
        carry = reasoner.step(carry, batch).carry
        halted.append(carry.halted.all().item())
    assert halted == [False, False, True, False]
    assert carry.steps.tolist() == [1] * 4


def always_done(exploration: float) -> Reasoner:
    """A model whose halting logit is 1, so that only exploration keeps a sample."""
    reasoner = build(etrm(exploration=exploration, max_steps=6))
    with torch.no_grad():
        reasoner.halt_head.get_parameter("bias").fill_(1.0)
    return reasoner


def test_a_positive_halting_logit_ends_a_sample_in_training() -> None:
    batch = random_batch(5)
    reasoner = always_done(exploration=0.0)
    assert reasoner.step(
        reasoner.initial_carry(batch), batch, Noise.whole(0, 0, len(batch.inputs))
    ).carry.halted.all()


def test_exploration_keeps_samples_and_one_seed_keeps_the_same_ones() -> None:
    batch = random_batch(6, size=64, side=3)

    def halted(exploration: float, seed: int) -> torch.Tensor:
        reasoner = always_done(exploration)
        noise = Noise.whole(seed, 0, len(batch.inputs))
        return reasoner.step(reasoner.initial_carry(batch), batch, noise).carry.halted

    assert not halted(1.0, 0).any()  # the shortest minimum is two steps
    assert 16 < int(halted(0.5, 0).sum()) < 48
    assert torch.equal(halted(0.5, 0), halted(0.5, 0))
    assert not torch.equal(halted(0.5, 0), halted(0.5, 1))


def test_evaluation_runs_as_long_as_it_is_asked_to() -> None:
    reasoner, batch = always_done(exploration=0.5).eval(), random_batch(7)
    carry = reasoner.initial_carry(batch)
    for _ in range(8):
        carry = reasoner.step(carry, batch, Noise.whole(0, 0, len(batch.inputs))).carry
    assert carry.steps.tolist() == [8] * 4
    assert not carry.halted.any()


def test_only_the_last_h_cycle_carries_gradient() -> None:
    batch = random_batch(8)
    two = build(etrm())
    one = build(etrm(core=CoreConfig(**{**CORE.model_dump(), "h_cycles": 1})))
    backward(two, two.initial_carry(batch), batch)
    with torch.no_grad():  # the first cycle of `two`, taken by `one` as a step of its own
        carry = one.step(one.initial_carry(batch), batch).carry
    backward(one, carry, batch)
    for (name, first), (_, second) in zip(two.named_parameters(), one.named_parameters(), strict=True):
        assert first.grad is not None, name
        assert second.grad is not None, name
        assert torch.allclose(first.grad, second.grad, rtol=1e-3, atol=1e-5), name


def test_the_carry_holds_no_gradient() -> None:
    reasoner, batch = build(etrm(reencode=False)), random_batch(9)
    carry = reasoner.step(reasoner.initial_carry(batch), batch).carry
    assert carry.context is not None
    assert not any(t.requires_grad for t in (*carry.states, *carry.context_state, carry.context))


def test_encoding_anew_gives_the_encoder_gradient_in_every_step_and_caching_only_in_the_first() -> None:
    batch = random_batch(10)
    for reencode in (True, False):
        reasoner = build(etrm(reencode=reencode))
        covered = []
        carry = reasoner.initial_carry(batch)
        for _ in range(2):
            carry = backward(reasoner, carry, batch)
            covered.append(all(p.grad is not None for _, p in reasoner.encoder_parameters()))
        assert covered == [True, reencode]


def test_a_cached_context_is_that_of_the_step_its_sample_came_in() -> None:
    reasoner = build(etrm(reencode=False))
    old, new = random_batch(11), random_batch(12)
    first = reasoner.step(reasoner.initial_carry(old), old)
    halted = torch.tensor([False, True, False, False])
    second = reasoner.step(first.carry._replace(halted=halted), new)
    fresh = reasoner.step(reasoner.initial_carry(new), new)
    assert first.encoded.all()
    assert torch.equal(second.encoded, halted)
    assert torch.equal(second.context[[0, 2, 3]], first.context[[0, 2, 3]])
    assert torch.allclose(second.context[1], fresh.context[1], atol=1e-5)


def test_one_model_takes_canvases_of_any_side() -> None:
    reasoner = build(etrm())
    for side in (3, 7):
        batch = random_batch(13, side=side)
        output = reasoner.step(reasoner.initial_carry(batch), batch)
        assert output.logits.shape == (4, side * side, 12)


@pytest.mark.parametrize("config", [trm(), etrm()], ids=["trm", "etrm"])
def test_bf16_arithmetic_keeps_float32_weights_and_stays_close(config: ExperimentConfig) -> None:
    reasoner, batch = build(config), random_batch(14)
    exact = reasoner.step(reasoner.initial_carry(batch), batch)
    carry = reasoner.initial_carry(batch)
    with torch.autocast("cpu", torch.bfloat16):
        output = reasoner.step(carry, batch)
        again = reasoner.step(output.carry, batch)
    assert output.logits.dtype == output.carry.states.y.dtype == torch.bfloat16
    assert output.halt_logits.dtype == torch.float32
    assert (output.logits - exact.logits).abs().mean() < 0.1 * exact.logits.std()
    torch.autograd.backward(again.logits.float().square().sum())
    assert {p.grad.dtype for _, p in reasoner.core_parameters() if p.grad is not None} == {torch.float32}


def test_encoder_and_core_share_out_every_parameter() -> None:
    reasoner = build(etrm())
    encoder, core = dict(reasoner.encoder_parameters()), dict(reasoner.core_parameters())
    assert encoder.keys() | core.keys() == dict(reasoner.named_parameters()).keys()
    assert not encoder.keys() & core.keys()
    assert not list(build(trm()).encoder_parameters())


def test_trm_pads_the_row_of_its_puzzle_to_the_context() -> None:
    reasoner, batch = build(trm(embedding_width=20)), random_batch(15)
    table = reasoner.get_buffer("context.table")
    table.copy_(torch.arange(float(table.numel())).view_as(table))
    context = reasoner.step(reasoner.initial_carry(batch), batch).context
    assert context.shape == (4, CORE.context_tokens, CORE.width)
    assert torch.equal(context.flatten(1)[:, :20], table[batch.puzzle])
    assert not context.flatten(1)[:, 20:].any()


def test_states_are_replaced_slot_by_slot() -> None:
    states = States(torch.zeros(2, 3, 4), torch.zeros(2, 3, 4))
    start = States(torch.ones(1, 1, 4), torch.full((1, 1, 4), 2.0))
    y, z = states.reset(torch.tensor([False, True]), start)
    assert y[:, 0, 0].tolist() == [0, 1]
    assert z[:, 2, 3].tolist() == [0, 2]
