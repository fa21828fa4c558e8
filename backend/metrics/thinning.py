"""Fewer points for a chart that still show every extreme."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backend.metrics.points import Points, Values

MIN_POINTS = 10  # a smaller max_points leaves no room for the ends and one bucket


def thin(points: Points, max_points: int) -> Points:
    """At most `max_points` (>= 10) of the points, in order.

    The points are cut into buckets of equal number. Kept are the first and the last point, of each bucket
    its least and its greatest finite value, and, where a series holds NaN or infinity, the first and the
    last such point of each bucket: a divergence is seen at any zoom.
    """
    n = len(points)
    if n <= max_points:
        return points
    finite = np.isfinite(points.values)
    kept_per_bucket = 2 if finite.all() else 4
    size = -(-n // ((max_points - 2) // kept_per_bucket))
    keep = np.zeros(n, dtype=bool)
    keep[[0, -1]] = True
    keep[_least_of_each(points.values, finite, size)] = True
    keep[_least_of_each(-points.values, finite, size)] = True
    if kept_per_bucket == 4:
        place = np.arange(n, dtype=np.float64)
        keep[_least_of_each(place, ~finite, size)] = True
        keep[_least_of_each(-place, ~finite, size)] = True
    return points[np.flatnonzero(keep)]


def _least_of_each(values: Values, eligible: NDArray[np.bool_], size: int) -> NDArray[np.int64]:
    """Index of the least eligible value of each bucket of `size`; buckets without one give none."""
    n = len(values)
    padded = np.full(-(-n // size) * size, np.inf)
    np.copyto(padded[:n], values, where=eligible)
    buckets = padded.reshape(-1, size)
    least: NDArray[np.int64] = buckets.argmin(axis=1) + np.arange(len(buckets)) * size
    found: NDArray[np.int64] = least[np.isfinite(padded[least])]
    return found
