"""The debiased moving average that curves are smoothed by."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Average:
    """Smoothed values, and the state from which a browser goes on with the next point.

    m_t = a m_(t-1) + (1 - a) x_t and w_t likewise with x = 1; the smoothed value is m_t / w_t.
    """

    values: Values
    mean: float
    weight: float


def debiased_average(values: Values, decay: float) -> Average:
    """Exponential moving average of finite `values` (n,), without the pull towards the zero it starts from.

    Block by block with powers of the decay, so that a million points take milliseconds.
    """
    if decay == 0 or not len(values):
        return Average(values, float(values[-1]) if len(values) else 0.0, 1.0 if len(values) else 0.0)
    block = max(1, min(4096, int(-200 / math.log2(decay))))  # decay^-block stays far from overflow
    smoothed = np.empty_like(values)
    mean = weight = 0.0
    for start in range(0, len(values), block):
        part = values[start : start + block]
        powers = decay ** np.arange(1, len(part) + 1)
        means = powers * (mean + (1 - decay) * np.cumsum(part / powers))
        weights = 1 - (1 - weight) * powers
        smoothed[start : start + block] = means / weights
        mean, weight = float(means[-1]), float(weights[-1])
    # A mean lies among what it averages; rounding must not draw a constant curve as a jagged one.
    return Average(smoothed.clip(values.min(), values.max()), mean, weight)
