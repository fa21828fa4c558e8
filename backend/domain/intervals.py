"""How sure a share is."""

from __future__ import annotations

import math

NORMAL = 1.959963984540054  # 97.5 % quantile of the standard normal distribution


def wilson_interval(solved: float, n: float, z: float = NORMAL) -> tuple[float, float]:
    """Wilson (1927) score interval of a share; (0, 1) when nothing was tried. n may be an effective one."""
    if n == 0:
        return 0.0, 1.0
    share = solved / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, centre - half), min(1.0, centre + half)
