"""The debiased moving average that curves are smoothed by."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
LARGE, LARGE_SCALE = 1e300, 2.0**-8
NOTHING = 1e-20  # a share so small of a mean changes no digit of it
SMALLEST = 1e-290  # a value below it is left as it is: its digits have no scale


@dataclass(frozen=True)
class Average:
    """Smoothed values, and the state from which a browser continues with the next point.

    m_t = a m_(t-1) + (1 - a) x_t and w_t likewise with x = 1; the smoothed value is m_t / w_t.
    """

    values: Values
    mean: float
    weight: float


def debiased_average(values: Values, decay: float, counts: NDArray[np.int64] | None = None) -> Average:
    """Exponential moving average of finite `values` (n,), without the pull towards the zero it starts from.

    A value counts as often as `counts` (n,) says, once where it is not given. Every pass doubles how many
    values each mean reaches back over, so that there are as many passes as the number of values has digits.
    """
    if decay == 0 or not len(values):
        return Average(values, float(values[-1]) if len(values) else 0.0, 1.0 if len(values) else 0.0)
    scale = LARGE_SCALE if np.abs(values).max() > LARGE else 1.0  # sums must not exceed the largest float
    alike = counts is None
    if counts is None:
        kept, shares = np.array([decay]), np.array([1 - decay])
        short = -np.expm1(math.log(decay) * np.arange(1, 1 + min(len(values), _certain_after(decay))))
        weights = np.ones(len(values))  # 1 - decay^n
        weights[: len(short)] = short
    else:
        kept, shares = decay**counts, -np.expm1(math.log(decay) * counts)
        weights = -np.expm1(math.log(decay) * np.cumsum(counts))
    means = values * scale * shares  # `kept` is what is left of the mean before each
    reach = 1
    while reach < len(values):
        left = kept if alike else kept[reach:]
        if left.max() < NOTHING:
            break
        means[reach:] += left * means[:-reach]
        kept = kept * kept if alike else np.concatenate([kept[:reach], left * kept[:-reach]])
        reach *= 2
    # A mean lies among what it averages: rounding must neither draw a constant curve as a jagged one nor
    # leave the floats.
    smoothed = (means / weights).clip(values.min() * scale, values.max() * scale) / scale
    return Average(smoothed, float(smoothed[-1] * weights[-1]), float(weights[-1]))


def _certain_after(decay: float) -> int:
    """How many values leave nothing of the zero that the average starts from."""
    return int(math.log(NOTHING) / math.log(decay)) + 1


def rounded(values: Values, digits: int = 7) -> Values:
    """Finite values to so many significant digits: no chart shows more, and they take half the bytes."""
    scaled = np.abs(values) >= SMALLEST
    places = digits - 1 - np.floor(np.log10(np.abs(values), where=scaled, out=np.zeros(len(values))))
    up, down = 10.0 ** np.clip(places, 0, 300), 10.0 ** np.clip(-places, 0, 300)
    shorter = np.round(values * up / down) / up * down
    return np.asarray(np.where(scaled, shorter, values), dtype=np.float64)
