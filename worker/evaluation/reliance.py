"""Does the decoder use its context? Accuracy with the right one, another task's, and the mean of all."""

from __future__ import annotations

import torch
from torch import Tensor

from worker.kit.batch import Batch
from worker.models.likelihood import accuracies
from worker.models.reasoner import Reasoner

CONTEXTS = ("right", "swapped", "mean")


def reliance(reasoner: Reasoner, batch: Batch, act_steps: int) -> dict[str, Tensor]:
    """`compared`, of what the model answers under each of `CONTEXTS`."""
    return compared(answered(reasoner, batch, act_steps), batch.labels)


@torch.no_grad()
def answered(reasoner: Reasoner, batch: Batch, act_steps: int) -> Tensor:
    """Logits (3 x B, S, V) of a model in evaluation under each of `CONTEXTS`, one after the other.

    `batch` asks one question of each of B tasks. Swapped is the context of the next one. Every sample starts
    afresh and is thought about for `act_steps`; at each step the contexts are those of that step.
    """
    questions = batch._replace(demo_inputs=batch.demo_inputs[:, :0], demo_outputs=batch.demo_outputs[:, :0])
    thrice = questions.map(lambda rows: torch.cat((rows,) * len(CONTEXTS)))
    asked = reasoner.initial_carry(thrice)
    course = reasoner.course(batch, act_steps)
    for step in range(act_steps):
        encoded = course[min(step, len(course) - 1)]
        output = reasoner.decode(asked, encoded._replace(samples=thrice, context=_under(encoded.context)))
        asked = output.carry
    return output.logits


@torch.no_grad()
def compared(logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Token and exact accuracy of logits (3 x B, S, V) under each of `CONTEXTS`, for labels (B, S); scalars
    on the device. `reliance/cost` is the token accuracy that another task's context costs."""
    token, exact = accuracies(logits, torch.cat((labels,) * len(CONTEXTS)))
    tokens, exacts = token.view(len(CONTEXTS), -1).mean(1), exact.float().view(len(CONTEXTS), -1).mean(1)
    return {
        **{f"reliance/token_{name}": value for name, value in zip(CONTEXTS, tokens, strict=True)},
        **{f"reliance/exact_{name}": value for name, value in zip(CONTEXTS, exacts, strict=True)},
        "reliance/cost": tokens[0] - tokens[1],
    }


def _under(context: Tensor) -> Tensor:
    """Contexts (B, T, D) in the order of `CONTEXTS`, one after the other: (3 x B, T, D)."""
    return torch.cat((context, context.roll(1, 0), context.mean(0, keepdim=True).expand_as(context)))
