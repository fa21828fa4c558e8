"""What our model computes on a fixture, in the order in which the published code did."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from worker.experiments.parity.fixtures import Fixture, Numbers
from worker.models.context.puzzle_embedding import PuzzleEmbedding
from worker.models.published import published_names
from worker.models.reasoner import Encoded, Reasoner
from worker.training.objective.losses import act_loss, with_penalties


class Part(NamedTuple):
    """Numbers that are compared together: of the encoder or of one ACT step."""

    step: int
    encoder: bool  # the encoder's numbers, not the step's
    numbers: Numbers


class Training(NamedTuple):
    """One training step from an empty carry with nothing drawn at random."""

    loss: Tensor
    gradients: dict[str, Tensor | None]  # by published name


def evaluation(fixture: Fixture, reasoner: Reasoner) -> Iterator[Part]:
    """Every recorded ACT step in evaluation, the carry passed on; parts are computed as they are asked for.

    An encoder without a state would give the same context at every step, so it runs once.
    """
    reasoner.eval()
    batch = fixture.batch
    carry = reasoner.initial_carry(batch)
    encoded: Encoded | None = None
    for step in range(fixture.steps):
        if step % reasoner.act.max_steps == 0:  # where the published evaluation starts over
            carry = reasoner.initial_carry(batch)
        if encoded is None or carry.context_state:
            with torch.inference_mode():
                encoded = reasoner.encode(carry, batch)
            yield Part(step, True, _encoder_numbers(encoded))
        with torch.inference_mode():
            output = reasoner.decode(carry, encoded)
            terms = act_loss(output.logits, output.halt_logits, batch.labels)
        yield Part(
            step,
            False,
            {
                "logits": output.logits,
                "halting logits": output.halt_logits,
                "loss": terms.total,
                "token loss": terms.prediction.sum(),
                "halting loss": terms.halting.sum(),
            },
        )
        carry = output.carry
        restarts = fixture.restarts(step)
        if restarts is not None:
            carry = carry._replace(halted=restarts)


def _encoder_numbers(encoded: Encoded) -> Numbers:
    numbers = {"context": encoded.context}
    if "kl" in encoded.penalties:
        numbers["KL"] = encoded.penalties["kl"].value
    return numbers


def training(fixture: Fixture, reasoner: Reasoner) -> Training:
    """The loss and every gradient of one training step; `reasoner` must not hold gradients yet."""
    reasoner.train()
    batch = fixture.batch
    output = reasoner.step(reasoner.initial_carry(batch), batch)
    terms = act_loss(output.logits, output.halt_logits, batch.labels)
    total = with_penalties(terms.total, output.penalties, len(batch.inputs))
    torch.autograd.backward(total)
    return Training(total.detach(), dict(_gradients(reasoner)))


def _gradients(reasoner: Reasoner) -> Iterator[tuple[str, Tensor | None]]:
    """Gradients by published name; TRM's are those of the rows of the batch."""
    names = published_names(reasoner)
    for name, parameter in reasoner.named_parameters():
        yield names[name], parameter.grad
    if isinstance(reasoner.context, PuzzleEmbedding):
        for _, rows in reasoner.context.take_used():
            yield "inner.puzzle_emb.local_weights", rows.grad
