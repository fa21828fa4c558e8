from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from backend.domain.config.problems import parse_experiment
from backend.domain.experiment import EncoderConfig
from backend.domain.experiment.encoders.deterministic import DeterministicEncoder
from backend.domain.experiment.encoders.iterative import IterativeEncoder
from backend.domain.experiment.encoders.variational import VariationalEncoder
from tests.support.models import CORE, PUZZLES, SMALL_ENCODERS, etrm, random_batch
from worker.kit.batch import Batch
from worker.kit.noise import Noise
from worker.models.build import build_reasoner
from worker.models.context.deterministic import DemonstrationSource, PairEncoder
from worker.models.context.variational import kl_divergence as our_kl
from worker.models.layers import rms_norm, rope_table
from worker.models.reasoner import Reasoner

every_encoder = pytest.mark.parametrize("encoder", SMALL_ENCODERS.values(), ids=SMALL_ENCODERS)


def build(encoder: EncoderConfig, *, reencode: bool = True) -> Reasoner:
    return build_reasoner(etrm(encoder, reencode=reencode), PUZZLES)


def context_of(reasoner: Reasoner, batch: Batch, seed: int | None = None) -> Tensor:
    noise = None if seed is None else Noise.whole(seed, 0, len(batch.inputs))
    return reasoner.step(reasoner.initial_carry(batch), batch, noise).context


@every_encoder
def test_a_context_has_t_tokens_and_every_encoder_weight_learns_from_it(encoder: EncoderConfig) -> None:
    reasoner, batch = build(encoder), random_batch(0)
    output = reasoner.step(reasoner.initial_carry(batch), batch, Noise.whole(0, 0, len(batch.inputs)))
    assert output.context.shape == (4, CORE.context_tokens, CORE.width)
    total = output.logits.square().sum() + sum(p.value for p in output.penalties.values())
    torch.autograd.backward(total)
    for name, parameter in reasoner.encoder_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@every_encoder
def test_what_stands_in_an_empty_place_changes_nothing(encoder: EncoderConfig) -> None:
    reasoner, batch = build(encoder), random_batch(1)
    before = context_of(reasoner, batch)
    other = random_batch(2)
    empty = ~batch.demo_mask[..., None]
    changed = batch._replace(demo_inputs=torch.where(empty, other.demo_inputs, batch.demo_inputs))
    assert torch.equal(context_of(reasoner, changed), before)


@pytest.mark.parametrize(
    "encoder", [e for e in SMALL_ENCODERS.values() if isinstance(build(e).context, DemonstrationSource)]
)
def test_packing_only_the_valid_demonstrations_changes_rounding_alone(encoder: EncoderConfig) -> None:
    reasoner, batch = build(encoder), random_batch(3)
    source = reasoner.context
    assert isinstance(source, DemonstrationSource)
    packed = context_of(reasoner, batch)
    source.pack = False
    assert torch.allclose(context_of(reasoner, batch), packed, atol=1e-5)


@every_encoder
def test_the_order_of_the_demonstrations_does_not_matter(encoder: EncoderConfig) -> None:
    reasoner, batch = build(encoder), random_batch(4)
    order = torch.tensor([2, 0, 1])
    turned = batch._replace(
        demo_inputs=batch.demo_inputs[:, order],
        demo_outputs=batch.demo_outputs[:, order],
        demo_mask=batch.demo_mask[:, order],
    )
    assert torch.allclose(context_of(reasoner, turned), context_of(reasoner, batch), atol=1e-5)


@every_encoder
def test_a_batch_without_demonstrations_gives_finite_numbers(encoder: EncoderConfig) -> None:
    reasoner, batch = build(encoder), random_batch(5)
    bare = batch._replace(demo_mask=torch.zeros_like(batch.demo_mask))
    output = reasoner.step(reasoner.initial_carry(bare), bare, Noise.whole(0, 0, len(bare.inputs)))
    assert torch.isfinite(output.logits).all()
    assert all(torch.isfinite(penalty.value) for penalty in output.penalties.values())


@every_encoder
def test_every_encoder_works_cached_and_in_bf16(encoder: EncoderConfig) -> None:
    reasoner, batch = build(encoder, reencode=False), random_batch(6)
    with torch.autocast("cpu", torch.bfloat16):
        carry = reasoner.initial_carry(batch)
        for _ in range(2):
            output = reasoner.step(carry, batch, Noise.whole(0, 0, len(batch.inputs)))
            carry = output.carry
    assert torch.isfinite(output.logits).all()


@pytest.mark.parametrize("kind", SMALL_ENCODERS)
def test_the_form_says_how_many_weights_an_encoder_really_has(kind: str) -> None:
    config = parse_experiment({"model": {"encoder": {"kind": kind}}})
    with torch.device("meta"):
        weights = sum(p.numel() for _, p in build_reasoner(config, 1).encoder_parameters())
    said = " ".join((config.model.encoder.__doc__ or "").split())  # type: ignore[union-attr]
    assert f" {weights / 1e6:.1f} M weights at the published width. " in said
    assert "cost" in said.lower()


OPTIONS = list(itertools.product(("mean", "attention", "weighted"), ("post", "pre"), (None, 0.5)))


@pytest.mark.parametrize(("pooling", "norm", "scale"), OPTIONS)
def test_every_option_of_reading_a_demonstration_does_what_its_formula_says(
    pooling: str, norm: str, scale: float | None
) -> None:
    """Against a plain spelling of the formulas, one token after the other."""
    config = DeterministicEncoder.model_validate(
        {"layers": 2, "pooling": pooling, "norm": norm, "layer_scale": scale}
    )
    pairs = PairEncoder(CORE, config, torch.Generator().manual_seed(3))
    batch = random_batch(7)
    inputs, outputs = batch.demo_inputs[:, 0], batch.demo_outputs[:, 0]
    hidden = CORE.width**0.5 * torch.cat(
        (pairs.embedding.input.weight[inputs], pairs.embedding.output.weight[outputs]), dim=1
    )
    rope = rope_table(hidden.shape[1], CORE.width // CORE.heads, hidden.device)
    for block in pairs.blocks:
        for branch in (lambda x, b=block: b.attention(x, rope), block.mlp):
            if norm == "pre":
                hidden = hidden + (scale or 1.0) * branch(rms_norm(hidden))
            else:
                hidden = rms_norm(hidden + (scale or 1.0) * branch(hidden))
    expected = torch.stack(
        [
            pairs.out(pool_by_hand(pairs, pooling, tokens[seen]))
            for tokens, seen in zip(hidden, torch.cat((inputs, outputs), dim=1) != 0, strict=True)
        ]
    )
    assert torch.allclose(pairs(inputs, outputs), expected, atol=1e-5)


def pool_by_hand(pairs: PairEncoder, pooling: str, tokens: Tensor) -> Tensor:
    """One vector of the visible tokens (n, D)."""
    if pooling == "mean":
        return tokens.mean(0)
    if pooling == "weighted":
        return (F.linear(tokens, pairs.get_parameter("pool.score.weight")).softmax(0) * tokens).sum(0)
    query, key, value, out = (
        pairs.get_parameter(f"pool.attention.{name}.weight") for name in ("query", "key", "value", "out")
    )
    heads = []
    for rows in torch.arange(CORE.width).chunk(CORE.heads):
        asked = query[rows] @ pairs.get_parameter("pool.query")[0]
        weights = (tokens @ key[rows].T @ asked / len(rows) ** 0.5).softmax(0)
        heads.append(weights @ (tokens @ value[rows].T))
    return out @ torch.cat(heads)


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_a_deterministic_context_has_mean_square_one(norm: str) -> None:
    encoder = DeterministicEncoder.model_validate(
        {"layers": 1, "norm": norm, "set_layers": 3, "layer_scale": 0.1}
    )
    context = context_of(build(encoder), random_batch(8))
    assert torch.allclose(context.square().mean(-1), torch.ones(4, CORE.context_tokens), atol=1e-2)


@pytest.mark.parametrize("kind", ["variational", "per_demo"])
def test_latents_are_sampled_in_training_and_are_the_mean_otherwise(kind: str) -> None:
    reasoner, batch = build(SMALL_ENCODERS[kind]), random_batch(9)
    mean = context_of(reasoner, batch)
    assert not torch.allclose(context_of(reasoner, batch, seed=0), mean, atol=1e-2)
    assert torch.equal(context_of(reasoner, batch, seed=0), context_of(reasoner, batch, seed=0))
    assert torch.equal(context_of(reasoner.eval(), batch, seed=0), mean)


def test_the_kl_is_that_of_two_normals_over_what_counts() -> None:
    mean, log_variance = torch.randn(2, 3, 5), torch.randn(2, 3, 5)
    counted = torch.tensor([[True, True, False], [True, False, False]])
    posterior = Normal(mean, (0.5 * log_variance).exp())
    expected = kl_divergence(posterior, Normal(0.0, 1.0)).sum(-1)[counted].mean()
    assert torch.allclose(our_kl(mean, log_variance, counted), expected, rtol=1e-5)


def test_penalties_carry_the_weight_of_the_config() -> None:
    encoder = VariationalEncoder(layers=1, kl_weight=0.25)
    reasoner, batch = build(encoder), random_batch(10)
    output = reasoner.step(reasoner.initial_carry(batch), batch)
    assert output.penalties["kl"].weight == 0.25
    assert not build(SMALL_ENCODERS["deterministic"]).step(reasoner.initial_carry(batch), batch).penalties


def test_a_state_of_the_iterative_encoder_keeps_nine_tenths_and_lives_on_until_its_sample_halts() -> None:
    reasoner, batch = build(SMALL_ENCODERS["iterative"]), random_batch(11)
    start = reasoner.get_buffer("context.y_start")
    first = reasoner.step(reasoner.initial_carry(batch), batch)
    refined = (first.context.detach() - 0.9 * start) / 0.1
    assert torch.allclose(rms_norm(refined), refined, atol=1e-3)  # what a post-norm block gives
    second = reasoner.step(first.carry, batch)
    assert not torch.allclose(second.context, first.context, atol=1e-3)
    over = reasoner.step(second.carry._replace(halted=torch.ones(4, dtype=torch.bool)), batch)
    assert torch.allclose(over.context, first.context, atol=1e-6)


def test_a_detached_context_leaves_the_whole_encoder_without_gradient() -> None:
    encoder = IterativeEncoder(layers=1, refine_layers=1, detach_context=True)
    reasoner, batch = build(encoder), random_batch(12)
    output = reasoner.step(reasoner.initial_carry(batch), batch)
    torch.autograd.backward(output.logits.square().sum())
    assert all(parameter.grad is None for _, parameter in reasoner.encoder_parameters())
    assert all(
        parameter.grad is not None
        for _, parameter in reasoner.core_parameters()
        if parameter is not reasoner.halt_head.weight and parameter is not reasoner.halt_head.bias
    )


@pytest.mark.parametrize("reencode", [True, False])
@every_encoder
def test_running_through_is_stepping_with_the_context_found_once(
    encoder: EncoderConfig, reencode: bool
) -> None:
    reasoner, batch = build(encoder, reencode=reencode).eval(), random_batch(1)
    carry = reasoner.initial_carry(batch)
    for _ in range(5):
        output = reasoner.step(carry, batch)
        carry = output.carry
    through = reasoner.run(batch, 5)
    assert torch.equal(through.logits, output.logits)
    assert torch.equal(through.halt_logits, output.halt_logits)
