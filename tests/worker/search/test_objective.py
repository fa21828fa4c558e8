"""What a search in the latent minimises, and one step of it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from backend.domain.experiment import EncoderConfig
from backend.domain.experiment.encoders.per_demo import PerDemoEncoder
from tests.support.models import CORE, PUZZLES, SMALL_ENCODERS, etrm, random_batch
from worker.kit.batch import IGNORE, PAD, Batch
from worker.kit.noise import Noise
from worker.models.build import build_reasoner
from worker.models.likelihood import prediction_loss
from worker.models.reasoner import Encoded, Reasoner
from worker.search.objective import demonstration_loss, gradient_step

every_encoder = pytest.mark.parametrize("encoder", SMALL_ENCODERS.values(), ids=SMALL_ENCODERS)
LATENTS = {"variational": (4, CORE.width), "per_demo": (4, PerDemoEncoder().latent)}


def encoded_by(encoder: EncoderConfig, batch: Batch) -> tuple[Reasoner, Encoded]:
    reasoner = build_reasoner(etrm(encoder), PUZZLES)
    noise = Noise.whole(0, 0, len(batch.inputs))
    return reasoner, reasoner.encode(reasoner.initial_carry(batch), batch, noise)


@every_encoder
def test_the_context_of_the_latent_is_the_context(encoder: EncoderConfig) -> None:
    reasoner, encoded = encoded_by(encoder, random_batch(0))
    latent = reasoner.latent_of(encoded)
    assert latent.shape == LATENTS.get(encoder.kind, encoded.context.shape)
    same = reasoner.with_latent(encoded, latent)
    assert torch.equal(same.context, encoded.context)
    assert torch.equal(reasoner.latent_of(same), latent)
    moved = reasoner.with_latent(encoded, latent + 1)
    assert moved.context.shape == encoded.context.shape
    assert not torch.allclose(moved.context, encoded.context)


def one_by_one(reasoner: Reasoner, encoded: Encoded) -> list[float]:
    """The definition: every demonstration asked alone."""
    samples, means = encoded.samples, []
    for row in range(len(samples.inputs)):
        losses = []
        for place in samples.demo_mask[row].nonzero()[:, 0]:
            output = samples.demo_outputs[row, place][None]
            asked = Batch(
                inputs=samples.demo_inputs[row, place][None],
                labels=output.where(output != PAD, IGNORE),
                demo_inputs=samples.demo_inputs[:1],
                demo_outputs=samples.demo_outputs[:1],
                demo_mask=samples.demo_mask[:1],
                puzzle=samples.puzzle[:1],
            )
            carry = reasoner.initial_carry(asked)
            alone = encoded._replace(samples=asked, context=encoded.context[row][None])
            losses.append(prediction_loss(reasoner.decode(carry, alone).logits, asked.labels).item())
        means.append(sum(losses) / len(losses))
    return means


@every_encoder
def test_the_loss_is_the_mean_over_the_demonstrations_each_asked_alone(encoder: EncoderConfig) -> None:
    reasoner, encoded = encoded_by(encoder, random_batch(1))
    losses = demonstration_loss(reasoner, encoded, reasoner.latent_of(encoded))
    assert losses.dtype == torch.float64
    assert losses.tolist() == pytest.approx(one_by_one(reasoner, encoded), rel=1e-5)


@every_encoder
def test_a_few_steps_explain_the_demonstrations_of_every_sample_better(encoder: EncoderConfig) -> None:
    reasoner, encoded = encoded_by(encoder, random_batch(2))
    latent = reasoner.latent_of(encoded).detach()
    history = []
    for _ in range(8):
        latent, losses = gradient_step(reasoner, encoded, latent, size=0.05)
        history.append(losses)
    assert (history[-1] < history[0]).all()


@every_encoder
def test_the_asked_pair_is_never_read(encoder: EncoderConfig) -> None:
    reasoner, encoded = encoded_by(encoder, random_batch(3))
    samples = encoded.samples
    poisoned = encoded._replace(
        samples=samples._replace(
            inputs=torch.full_like(samples.inputs, 10**6), labels=torch.full_like(samples.labels, 10**6)
        )
    )
    latent = reasoner.latent_of(encoded).detach()
    for one, other in zip(
        gradient_step(reasoner, encoded, latent, 0.1),
        gradient_step(reasoner, poisoned, latent, 0.1),
        strict=True,
    ):
        assert torch.equal(one, other)


def test_a_step_leaves_no_gradient_behind_and_moves_each_sample_by_its_size() -> None:
    reasoner, encoded = encoded_by(SMALL_ENCODERS["per_demo"], random_batch(4))
    latent = reasoner.latent_of(encoded).detach()
    moved, losses = gradient_step(reasoner, encoded, latent, size=0.25)
    assert all(parameter.grad is None for parameter in reasoner.parameters())
    assert not moved.requires_grad
    assert not losses.requires_grad
    assert torch.allclose((moved - latent).square().mean(1).sqrt(), torch.full((4,), 0.25))


def test_samples_do_not_move_each_other() -> None:
    batch = random_batch(5)
    reasoner, encoded = encoded_by(SMALL_ENCODERS["deterministic"], batch)
    latent = reasoner.latent_of(encoded).detach()
    together, _ = gradient_step(reasoner, encoded, latent, 0.1)
    alone = encoded._replace(samples=batch.map(lambda rows: rows[2:3]), context=encoded.context[2:3])
    by_itself, _ = gradient_step(reasoner, alone, latent[2:3], 0.1)
    assert torch.allclose(together[2:3], by_itself, atol=1e-3)


def without_demonstrations(encoded: Encoded, row: int) -> Encoded:
    mask: Tensor = encoded.samples.demo_mask.clone()
    mask[row] = False
    return encoded._replace(samples=encoded.samples._replace(demo_mask=mask))


def test_a_sample_without_demonstrations_has_no_loss_and_stays() -> None:
    reasoner, encoded = encoded_by(SMALL_ENCODERS["per_demo"], random_batch(6))
    encoded = without_demonstrations(encoded, 1)
    latent = reasoner.latent_of(encoded).detach()
    moved, losses = gradient_step(reasoner, encoded, latent, 0.1)
    assert losses[1] == 0
    assert torch.equal(moved[1], latent[1])
    assert not torch.equal(moved[0], latent[0])


@every_encoder
def test_a_step_works_under_autocast_and_without_gradients_around_it(encoder: EncoderConfig) -> None:
    reasoner, encoded = encoded_by(encoder, random_batch(7))
    latent = reasoner.latent_of(encoded).detach()
    exact, _ = gradient_step(reasoner, encoded, latent, 0.1)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        rough, losses = gradient_step(reasoner, encoded, latent, 0.1)
    assert (losses.dtype, rough.dtype) == (torch.float64, torch.float32)
    agreement = torch.cosine_similarity((rough - latent).flatten(1), (exact - latent).flatten(1))
    assert agreement.mean() > 0.8
