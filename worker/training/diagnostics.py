"""Is the encoder learning? Observers of contexts and gradients, and the alarms they raise.

Nothing here runs inside a model's forward pass, and nothing waits for the device: sums stay there until the
trainer reads them all at once. Definitions: etrm.md section 8 in words, formulas beside each function.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from backend.domain.records import Alarm

Parameters = list[tuple[str, nn.Parameter]]


class GradientCoverage:
    """Share of the encoder's numbers that received a gradient other than zero since the last reading.

    An encoder that is cut off from the loss shows 0 from the first step on.
    """

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = [parameter for _, parameter in parameters]
        self._total = sum(parameter.numel() for parameter in self._parameters)
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
        return {"encoder/gradient_coverage": count / self._total}

    def restart(self) -> None:
        """Begin a new interval."""
        for touched in self.touched:
            touched.zero_()


def gradient_norms(encoder: Parameters, core: Parameters) -> dict[str, Tensor]:
    """L2 norms of the gradients before clipping: of all weights, of the encoder's, of the core's.

    An encoder that receives none has norm 0; a model without encoder weights has no such norm.
    """
    squares = {"encoder": _squared_norm(encoder), "core": _squared_norm(core)}
    present = {name: square for name, square in squares.items() if square is not None}
    total = torch.stack(list(present.values())).sum()
    return {f"gradient_norm/{name}": square.sqrt() for name, square in {"all": total, **present}.items()}


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
        "encoder/cross_sample_variance": variance,
        "encoder/scale_free_variance": variance / energy.clamp(min=1e-30),
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


class Alarms:
    """Judges recorded points. Thresholds stand beside each rule; each alarm is raised once a run."""

    STARVATION = 0.5  # share below which the encoder counts as starved
    COLLAPSE = 1e-3  # scale-free variance below which contexts count as one
    EXPLOSION = 100.0  # times the median of the recent gradient norms
    SUSTAINED = 10  # recorded points in a row that make a state, and not a moment

    def __init__(self) -> None:
        self.raised: list[str] = []
        self.starved = 0  # recorded points in a row
        self.collapsed = 0
        self.norms: list[float] = []

    def check(self, step: int, values: Mapping[str, float]) -> Iterator[Alarm]:
        """The alarms that the point of `step` gives reason for, each the first of its name."""
        for alarm in (
            self._starvation(step, values),
            self._collapse(step, values),
            self._explosion(step, values),
        ):
            if alarm is not None and alarm.name not in self.raised:
                self.raised.append(alarm.name)
                yield alarm

    def state_dict(self) -> dict[str, Any]:
        return dict(vars(self))

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        vars(self).update(state)

    def _starvation(self, step: int, values: Mapping[str, float]) -> Alarm | None:
        coverages = [values[name] for name in _COVERAGES if name in values]
        lowest = min(coverages, default=1.0)
        self.starved = self.starved + 1 if lowest < self.STARVATION else 0
        if self.starved < self.SUSTAINED and not (lowest == 0 and self.starved):
            return None
        text = (
            f"Starvation: only {lowest:.0%} of the encoder receives a gradient "
            f"({', '.join(f'{name} {values[name]:.0%}' for name in _COVERAGES if name in values)}). "
            "What it does not receive it cannot learn from: is the context cached or detached?"
        )
        return Alarm("starvation", step, lowest, self.STARVATION, text)

    def _collapse(self, step: int, values: Mapping[str, float]) -> Alarm | None:
        variance = values.get("encoder/scale_free_variance", math.inf)
        self.collapsed = self.collapsed + 1 if variance < self.COLLAPSE else 0
        if self.collapsed < self.SUSTAINED:
            return None
        text = (
            f"Collapse: the contexts of different samples differ by {variance:.2g} of their energy "
            f"for {self.collapsed} points in a row, so the core cannot tell tasks apart."
        )
        return Alarm("collapse", step, variance, self.COLLAPSE, text)

    def _explosion(self, step: int, values: Mapping[str, float]) -> Alarm | None:
        norm = values["gradient_norm/all"]
        usual = median(self.norms) if len(self.norms) >= self.SUSTAINED else math.inf
        self.norms = [*self.norms, norm][-5 * self.SUSTAINED :]
        limit = self.EXPLOSION * usual
        if norm <= limit:
            return None
        text = (
            f"Gradient explosion: the norm {norm:.3g} is over {self.EXPLOSION:.0f} times "
            f"the recent median {usual:.3g}."
        )
        return Alarm("gradient explosion", step, norm, limit, text)


_COVERAGES = ("encoder/gradient_coverage", "encoder/sample_coverage")


def _squared_norm(parameters: Parameters) -> Tensor | None:
    """Zero where no parameter has a gradient; None where there are no parameters."""
    if not parameters:
        return None
    gradients = [parameter.grad for _, parameter in parameters if parameter.grad is not None]
    norms = torch._foreach_norm(gradients) if gradients else [torch.zeros_like(parameters[0][1].flatten()[0])]
    return torch.stack(norms).square().sum()
