"""How sure a share is, and where intervals end."""

from __future__ import annotations

import math

NORMAL = 1.959963984540054  # 97.5 % quantile of the standard normal distribution

Bounds = tuple[float, float]  # the least and the greatest value that a quantity can have
UNBOUNDED: Bounds = (-math.inf, math.inf)
SHARE: Bounds = (0.0, 1.0)
DIFFERENCE: Bounds = (-1.0, 1.0)  # of two shares


def within(low: float, high: float, bounds: Bounds) -> tuple[float, float]:
    """An interval without what lies outside the bounds of the quantity that it is of.

    A symmetric interval near a bound passes it: limits outside [0, 1] are the aberration that Newcombe
    (1998), Statistics in Medicine 17, 857-872, asks an interval of a share to be without. No quantity is out
    there, so the interval holds the true one exactly as often after the cut, and where zero or a bar within
    the bounds was inside, it still is: p-values and verdicts agree with it as before. Shares themselves have
    an interval that is right at the bounds (`wilson_interval`, `statistics.mean_of_shares`); this is for
    means of differences, which have Student's.
    """
    least, greatest = bounds
    return max(low, least), min(high, greatest)


def wilson_interval(solved: float, n: float, z: float = NORMAL) -> tuple[float, float]:
    """Wilson (1927) score interval of a share; (0, 1) when nothing was tried. n may be an effective one."""
    if n == 0:
        return 0.0, 1.0
    share = solved / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, centre - half), min(1.0, centre + half)
