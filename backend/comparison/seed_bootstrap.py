"""The difference of two means over tasks and over seeds, with its interval and p-value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.domain.statistics import RESAMPLES, Difference

Table = NDArray[np.float64]


@dataclass(frozen=True)
class Tested(Difference):
    """A difference with the two-sided p-value that there is none."""

    p_value: float


def bootstrap(a: Table, b: Table, seed: int = 0, resamples: int = RESAMPLES) -> Tested:
    """Mean of a (seeds, tasks) minus mean of b (seeds, tasks) with its 95 % percentile interval.

    Tasks are drawn with replacement, the same for both sides, and so are the seeds of each. The variance of
    drawn means of m seeds is (m - 1) / m of what it should be: they are widened by that. One seed alone says
    nothing of other seeds: it stays, and the interval is over tasks only.

    The p-value is twice the share of draws on the other side of zero. Each side counts one draw more than
    there was: no number of draws shows that a chance is nil (Davison and Hinkley 1997, section 4.2).
    """
    draw = np.random.default_rng(seed)
    n = a.shape[1]
    tasks = draw.multinomial(n, np.full(n, 1 / n), size=resamples) / n
    means = _drawn(a, tasks, draw) - _drawn(b, tasks, draw)
    low, high = np.quantile(means, (0.025, 0.975))
    below, above = (int(np.count_nonzero(side)) for side in (means <= 0, means >= 0))
    p_value = min(1.0, 2 * (1 + min(below, above)) / (1 + resamples))
    return Tested(float(a.mean() - b.mean()), float(low), float(high), p_value)


def _drawn(scores: Table, tasks: Table, draw: np.random.Generator) -> Table:
    """Means of one side over drawn tasks (resamples, tasks) and drawn seeds: (resamples,)."""
    m = len(scores)
    by_seed = tasks @ scores.T
    if m == 1:
        return by_seed[:, 0]
    even = 1 / m
    seeds = draw.multinomial(m, np.full(m, even), size=len(tasks)) / m
    seeds = even + np.sqrt(m / (m - 1)) * (seeds - even)
    drawn: Table = (by_seed * seeds).sum(axis=1)
    return drawn
