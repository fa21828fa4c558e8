"""What a search in the latent minimises: how badly the decoder explains the demonstrations with it.

The inputs, outputs and mask of the demonstrations are all that is read of a sample: never the pair that is
asked. Moves of the latent shared by training and search are here too.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from worker.kit.batch import Batch, labels_of
from worker.models.context.deterministic import Pairs
from worker.models.likelihood import prediction_loss
from worker.models.reasoner import Encoded, Reasoner


def demonstration_loss(reasoner: Reasoner, encoded: Encoded, latent: Tensor) -> Tensor:
    """Mean prediction loss (B,) float64 of each sample's demonstrations, decoded with its latent.

    `latent` has the shape of `reasoner.latent_of(encoded)`: (B, latent) or (B, T, D). The demonstrations
    `demo_mask` names are asked, all samples' in one batch: each from fresh states, for one ACT step. A
    sample without any has loss 0. Which demonstrations the latent was computed from is up to the caller.
    """
    pairs = Pairs.of(encoded.samples)
    contexts = reasoner.with_latent(encoded, latent).context[pairs.place // pairs.mask.shape[1]]
    return mean_per_sample(pairs, pair_losses(reasoner, pairs, (contexts,)))


def pair_losses(
    reasoner: Reasoner,
    pairs: Pairs,
    contexts: Sequence[Tensor],
    act_steps: int = 1,
    whole_gradient: bool = False,
) -> Tensor:
    """Prediction loss (N,) float64 of each demonstration after `act_steps`, asked from fresh states.

    `contexts` (N, T, D) are those of the ACT steps, of which the last stays in force. The gradient is that of
    the last cycle of the last step alone, unless the whole one is asked for.
    """
    asked = _asked(pairs)
    carry = reasoner.initial_carry(asked)
    question = Encoded(
        samples=asked,
        context=contexts[0],
        state=carry.context_state,
        penalties={},
        encoded=carry.halted,
        latent=None,
    )
    for step in range(act_steps):
        question = question._replace(context=contexts[min(step, len(contexts) - 1)])
        counts = whole_gradient or step == act_steps - 1
        with torch.set_grad_enabled(counts and torch.is_grad_enabled()):
            output = reasoner.decode(carry, question, whole_gradient=whole_gradient)
        carry = output.carry
    return prediction_loss(output.logits, asked.labels)


def mean_per_sample(pairs: Pairs, losses: Tensor) -> Tensor:
    """The mean (B,) over each sample's demonstrations of losses (N,); 0 for a sample without any."""
    return pairs.spread(losses).sum(1) / pairs.mask.sum(1).clamp(min=1)


def gradient_step(reasoner: Reasoner, encoded: Encoded, latent: Tensor, size: float) -> tuple[Tensor, Tensor]:
    """`latent` moved against the gradient of `demonstration_loss`, and that loss (B,) before the move.

    The move of each sample has root mean square `size` per number of its latent, whatever the scale of the
    gradient: losses are means over cells, so gradients in a context of thousands of numbers are tiny. No
    other tensor receives a gradient, and neither result carries one.
    """
    latent = latent.detach().requires_grad_()
    with torch.enable_grad():
        losses = demonstration_loss(reasoner, encoded, latent)
        (gradient,) = torch.autograd.grad(losses.sum(), latent)
    return latent.detach() - size * unit(gradient), losses.detach()


def _asked(pairs: Pairs) -> Batch:
    """The N demonstrations as samples to be answered; nothing is shown beside them."""
    inputs, outputs, region = pairs.inputs, pairs.outputs, pairs.region
    count, cells = inputs.shape
    none = inputs.new_zeros(count, 0, cells)
    if region is not None:  # it holds every grid that a solver may see
        inputs, outputs = region.cut(inputs), region.cut(outputs)
    return Batch(
        inputs=inputs,
        labels=labels_of(outputs),
        demo_inputs=none,
        demo_outputs=none,
        demo_mask=pairs.mask.new_zeros(count, 0),
        puzzle=pairs.place.new_zeros(count),
        region=region,
    )


def unit(gradient: Tensor) -> Tensor:
    """Each sample's (B, ...) over its root mean square, float32; a gradient of zero stays zero."""
    rows = gradient.double().flatten(1)
    scale = rows.square().mean(1, keepdim=True).sqrt()
    return (rows / scale.clamp(min=1e-30)).float().view_as(gradient)
