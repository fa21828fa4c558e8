"""Points into rows of segments."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from backend.metrics.points import Points, Steps, encode

FULL = 8192  # points of the largest segment: about 70 KB, read and decoded in less than a millisecond


def chunks_of(n: int) -> list[slice]:
    """n points into equal parts of at most FULL; from FULL / 2 points on none is below FULL / 2."""
    parts = -(-n // FULL)
    bounds = [n * part // parts for part in range(parts + 1)]
    return [slice(first, last) for first, last in pairwise(bounds)]


def segment_row(series_id: int, version: int, points: Points, axis: bytes) -> dict[str, Any]:
    """The columns of a segment of these points (in order, at least one); `axis` is their encoded axis."""
    own = {"series_id": series_id, "version": version, "points": encode(axis, points.values)}
    return own | extent_of(points.steps)


def extent_of(steps: Steps) -> dict[str, int]:
    """The columns of a segment that say where it lies."""
    return {"count": len(steps), "first_step": int(steps[0]), "last_step": int(steps[-1])}
