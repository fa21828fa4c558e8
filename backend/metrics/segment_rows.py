"""Points into rows of segments."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from backend.metrics.points import Points, encode

FULL = 8192  # points of the largest segment: about 70 KB, read and decoded in less than a millisecond


def chunks_of(n: int) -> list[slice]:
    """n points into equal parts of at most FULL; from FULL / 2 points on none is below FULL / 2."""
    parts = -(-n // FULL)
    bounds = [n * part // parts for part in range(parts + 1)]
    return [slice(first, last) for first, last in pairwise(bounds)]


def segment_row(series_id: int, version: int, points: Points, axis: bytes) -> dict[str, Any]:
    """The columns of a segment of these points (in order, at least one); `axis` is their encoded axis."""
    return {"series_id": series_id, "version": version} | packed(points, axis)


def packed(points: Points, axis: bytes) -> dict[str, Any]:
    """What `segment_row` gives, but for whose segment it is and its version."""
    return {
        "count": len(points),
        "first_step": int(points.steps[0]),
        "last_step": int(points.steps[-1]),
        "points": encode(axis, points.values),
    }
