"""Is the encoder learning? Observers of the contexts and gradients of every step.

Nothing here runs inside a model's forward pass, and nothing waits for the device: sums stay there until the
trainer reads them all at once. Definitions: etrm.md section 8 in words, formulas beside each function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

from backend.domain.health import COVERAGE, CROSS_SAMPLE, ENCODER_NORM, NORM, SCALE_FREE, SHARE

Parameters = list[tuple[str, nn.Parameter]]


class GradientCoverage:
    """Share of the encoder's numbers that received a gradient other than zero since the last reading.

    An encoder that is cut off from the loss shows 0 from the first step on. `unreachable` of the numbers do
    not count: those of places that no canvas of the experiment has.
    """

    def __init__(self, parameters: Parameters, unreachable: int = 0) -> None:
        self._parameters = [parameter for _, parameter in parameters]
        self._total = sum(parameter.numel() for parameter in self._parameters) - unreachable
        self.touched = [torch.zeros_like(p, dtype=torch.bool) for p in self._parameters]

    def observe(self) -> None:
        """Look at the gradients of one backward pass."""
        for touched, parameter in zip(self.touched, self._parameters, strict=True):
            if parameter.grad is not None:
                touched.logical_or_(parameter.grad)

    def read(self) -> dict[str, Tensor]:
        """The share as a scalar on the device; nothing while there is nothing to learn, or it is frozen."""
        if not any(parameter.requires_grad for parameter in self._parameters):
            return {}
        count = torch.stack([touched.count_nonzero() for touched in self.touched]).sum()
        return {COVERAGE: count / self._total}

    def restart(self) -> None:
        """Begin a new interval."""
        for touched in self.touched:
            touched.zero_()


def gradient_norms(encoder: Parameters, core: Parameters) -> dict[str, Tensor]:
    """L2 norms of the gradients before clipping: of all weights, of the encoder's, of the core's.

    An encoder that receives none has norm 0; a model without encoder weights has no such norm. Beside them
    the encoder's share: its norm divided by that of all weights.
    """
    squares = {"encoder": _squared_norm(encoder), "core": _squared_norm(core)}
    present = {name: square for name, square in squares.items() if square is not None}
    total = torch.stack(list(present.values())).sum()
    norms = {f"gradient_norm/{name}": square.sqrt() for name, square in {"all": total, **present}.items()}
    if ENCODER_NORM in norms:
        norms[SHARE] = norms[ENCODER_NORM] / norms[NORM].clamp(min=1e-30)
    return norms


def clip_gradients(parameters: Iterable[nn.Parameter], norm: Tensor, limit: float | None) -> None:
    """Scale all gradients down so that their total norm is at most `limit`; never up."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if limit is not None:
        torch._foreach_mul_(gradients, (limit / (norm + 1e-6)).clamp(max=1.0))


def context_spread(
    parts: Sequence[Tensor], gather: Callable[[Tensor], Tensor] = lambda here: here
) -> dict[str, Tensor]:
    """How much the contexts of samples differ, from those of equal parts of a batch, (B, T, D) each.

    cross-sample variance: mean over (B, T, D) of (c - batch mean)^2; it grows with the context's scale.
    scale-free variance: that divided by the mean of c^2, in 0 to 1; 0 means every sample has one context.
    `gather` puts together what every process has of a tensor (n, ...).
    """
    contexts = [part.detach().float() for part in parts]
    means = gather(torch.stack([context.mean(0) for context in contexts]))  # (parts, T, D)
    within = gather(torch.stack([_variance(context) for context in contexts]))
    energy = gather(torch.stack([context.square().mean() for context in contexts])).mean()
    variance = within.mean() + _variance(means)
    return {
        CROSS_SAMPLE: variance,
        SCALE_FREE: variance / energy.clamp(min=1e-30),
    }


def _variance(rows: Tensor) -> Tensor:
    return (rows - rows.mean(0)).square().mean()


def sample_coverage(context: Tensor, encoded: Tensor) -> Tensor:
    """Share of samples whose context was encoded in this step and received a gradient; a scalar.

    `context` (B, T, D) with its gradient retained; `encoded` (B,) bool. With a cached context most samples
    teach the encoder nothing, though every parameter gets a gradient.
    """
    if context.grad is None:
        return torch.zeros((), device=encoded.device)
    reached = context.grad.flatten(1).any(1)
    return (reached & encoded).float().mean()


def _squared_norm(parameters: Parameters) -> Tensor | None:
    """Zero where no parameter has a gradient; None where there are no parameters."""
    if not parameters:
        return None
    gradients = [parameter.grad for _, parameter in parameters if parameter.grad is not None]
    norms = torch._foreach_norm(gradients) if gradients else [torch.zeros_like(parameters[0][1].flatten()[0])]
    return torch.stack(norms).square().sum()
