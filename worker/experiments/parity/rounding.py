"""How far float32 rounding alone moves a number: the tolerance is measured, not chosen.

The recursion amplifies rounding by a factor that depends on the weights, the step and the tensor, so no
constant can tell a fault from rounding. We compute our model in float64 and twice in float32. The distance is
what rounding does to these numbers on this machine, and the published numbers, which another machine computed
in float32, must lie within a small multiple of it from the float64 ones.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from worker.models.reasoner import Reasoner

# The published rounding came to 0.7 to 3.5 times that of other kernels: docs/decisions/parity.md.
MULTIPLE = 16
EPSILON = 2.0**-23  # distance of float32 numbers next to 1
# What float32 happens to hold exactly shows no rounding; another order of summation moves its last bits.
FLOOR = 8 * EPSILON
FEW = 64  # fewer numbers than that may all be near by accident
INFORMATIVE = 0.1  # of the numbers' size: what is allowed to differ by more tells little
SHAKEN = 1  # float32 evaluations of each step beside the plain one


@dataclass(frozen=True)
class Size:
    """How large the numbers of a tensor are; 0 of an empty one."""

    rms: float
    largest: float

    @classmethod
    def of(cls, tensor: Tensor) -> Size:
        values = tensor.detach().double()
        if not values.numel():
            return cls(0.0, 0.0)
        return cls(float(values.square().mean().sqrt()), float(values.abs().max()))

    def __mul__(self, factor: float) -> Size:
        return Size(self.rms * factor, self.largest * factor)

    def __add__(self, other: Size) -> Size:
        return Size(self.rms + other.rms, self.largest + other.largest)

    def at_least(self, other: Size) -> Size:
        """The larger of both, in each measure."""
        return Size(max(self.rms, other.rms), max(self.largest, other.largest))

    def within(self, allowed: Size) -> bool:
        """Whether neither measure exceeds `allowed`; NaN is within nothing."""
        return self.rms <= allowed.rms < torch.inf and self.largest <= allowed.largest < torch.inf


@dataclass(frozen=True)
class Scale:
    """The size of a tensor in float64 and how far float32 rounding moves it."""

    numbers: Size
    rounding: Size

    @property
    def relative(self) -> float:
        """Rounding as a fraction of the numbers, both root mean square; 0 where all are 0."""
        return self.rounding.rms / self.numbers.rms if self.numbers.rms else 0.0

    @property
    def allowed(self) -> Size:
        """How far the published numbers may be from our float64 ones."""
        return self.rounding * MULTIPLE + self.numbers * FLOOR

    @property
    def informative(self) -> bool:
        """Whether what is allowed is small beside the numbers, so that a fault could show."""
        return self.allowed.rms <= INFORMATIVE * self.numbers.rms


def measure(reference: Tensor, draws: Iterable[Tensor], relative: float = 0.0) -> Scale:
    """The scale of `reference` (float64) from `draws`, the same tensor in float32.

    Few numbers may all be near by accident: theirs is at least the `relative` rounding of what they are
    computed from.
    """
    rounding = Size(0.0, 0.0)
    for draw in draws:
        rounding = rounding.at_least(Size.of(draw.detach().double() - reference))
    numbers = Size.of(reference)
    if reference.numel() < FEW:
        rounding = rounding.at_least(numbers * relative)
    return Scale(numbers, rounding)


def shaken(reasoner: Reasoner, seed: int) -> Reasoner:
    """A copy whose every module's output is moved by up to one unit in the last place of float32.

    So a draw of the rounding that other kernels, thread counts and machines would make
    (Monte Carlo arithmetic, Parker 1997).
    """
    generator = torch.Generator().manual_seed(seed)

    def shake(module: nn.Module, inputs: Any, output: Any) -> Any:
        if not (isinstance(output, Tensor) and output.is_floating_point()):
            return output
        noise = torch.rand(output.shape, generator=generator, dtype=output.dtype).mul_(2).sub_(1)
        return output * noise.mul_(EPSILON).add_(1)

    copied = copy.deepcopy(reasoner)
    for module in copied.modules():
        module.register_forward_hook(shake)
    return copied
