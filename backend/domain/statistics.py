"""A mean over seeds with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True)
class Mean:
    """The mean of `n` values and its 95 % interval by Student's t; None with fewer than two values."""

    n: int
    mean: float
    low: float | None
    high: float | None


def mean_of(values: Sequence[float]) -> Mean | None:
    """The mean of independent values, taken to scatter normally; None where there are none."""
    n = len(values)
    if n == 0:
        return None
    mean = math.fsum(values) / n
    if n == 1:
        return Mean(n, mean, None, None)
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))
    half = student_t(n - 1) * deviation / math.sqrt(n)
    return Mean(n, mean, mean - half, mean + half)


@cache
def student_t(freedom: int) -> float:
    """The 97.5 % quantile of Student's t with that many degrees of freedom, to 1e-9, by bisection."""
    low, high = 0.0, 16.0  # 12.7 with one degree of freedom; less with more
    while high - low > 1e-10:
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, freedom) < 0.95 else (low, middle)
    return (low + high) / 2


def _within(t: float, freedom: int) -> float:
    """Probability that |T| <= t, by its finite series (Abramowitz and Stegun 26.7.3 and 26.7.4)."""
    angle = math.atan(t / math.sqrt(freedom))
    cosine2, odd = math.cos(angle) ** 2, freedom % 2
    term = math.cos(angle) if odd else 1.0
    total = term if freedom > 1 else 0.0
    for k in range(2 + odd, freedom, 2):
        term *= (k - 1) / k * cosine2
        total += term
    if odd:
        return 2 / math.pi * (angle + math.sin(angle) * total)
    return math.sin(angle) * total
