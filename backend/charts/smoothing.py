"""The debiased moving average that curves are smoothed by."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
SAFE_EXPONENT = 780  # of two; a block's sum exceeds its values by at most 2^200 * 4096
SMALLEST = 1e-290  # a value below it is left as it is: its digits have no scale


@dataclass(frozen=True)
class Average:
    """Smoothed values, and the state from which a browser continues with the next point.

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
    scale = _safe_scale(values)
    values = values * scale
    block = max(1, min(4096, int(-200 / math.log2(decay)), len(values)))  # decay^-block: far from overflow
    blocks = -(-len(values) // block)
    padded = np.zeros((blocks, block))
    padded.reshape(-1)[: len(values)] = values
    powers = decay ** np.arange(1, block + 1)
    alone = powers * ((1 - decay) * np.cumsum(padded / powers, axis=1))  # each block as if it were the first
    before = np.zeros(blocks)  # the mean that each block continues from
    for number in range(1, blocks):
        before[number] = before[number - 1] * powers[-1] + alone[number - 1, -1]
    means = (alone + before[:, None] * powers).reshape(-1)[: len(values)]
    weights = -np.expm1(math.log(decay) * np.arange(1, len(values) + 1))  # 1 - decay^n
    smoothed = means / weights
    mean, weight = float(means[-1]), float(weights[-1])
    # A mean lies among what it averages; rounding must not draw a constant curve as a jagged one.
    return Average(smoothed.clip(values.min(), values.max()) / scale, mean / scale, weight)


def _safe_scale(values: Values) -> float:
    """The power of two that keeps sums over `values` finite; 1 unless they come near the largest float."""
    exponent = int(np.frexp(np.abs(values).max())[1])
    return 2.0 ** min(0, SAFE_EXPONENT - exponent)


def rounded(values: Values, digits: int = 7) -> Values:
    """Finite values to so many significant digits: no chart shows more, and they take half the bytes."""
    scaled = np.abs(values) >= SMALLEST
    places = digits - 1 - np.floor(np.log10(np.abs(values), where=scaled, out=np.zeros(len(values))))
    up, down = 10.0 ** np.clip(places, 0, 300), 10.0 ** np.clip(-places, 0, 300)
    shorter = np.round(values * up / down) / up * down
    return np.asarray(np.where(scaled, shorter, values), dtype=np.float64)
