"""A hundredth of the bytes with all distances: the points of a snapshot on their own principal axes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_NOTHING = 1e-7  # share of the energy that float16 cannot tell from nothing

Points = NDArray[np.float32]  # (points, axes)


def principal_coordinates(contexts: NDArray[np.float64]) -> Points:
    """Contexts (points, numbers) on the axes in which they differ, the strongest first.

    Distances are those between the contexts divided by the root of (numbers x their mean square). So the mean
    square distance from the centre is the scale-free variance, and the radius of a cloud does not change with
    the scale of its encoder. At most points - 1 axes; none where all contexts are equal.
    """
    energy = float(np.square(contexts).mean())
    centred = contexts - contexts.mean(0)
    # The principal coordinates of (n, numbers) are those of an (n, n) matrix, which is small.
    inner = centred @ centred.T / (contexts.shape[1] * max(energy, 1e-30))
    squares, directions = np.linalg.eigh(inner)
    order = np.argsort(-squares)
    order = order[squares[order] > _NOTHING]
    found: NDArray[np.float64] = directions[:, order] * np.sqrt(squares[order])
    return found.astype(np.float32)


def spread(coordinates: Points) -> float:
    """The scale-free variance of what is on these coordinates, 0 to 1."""
    return float(np.square(coordinates, dtype=np.float64).sum(1).mean()) if coordinates.size else 0.0
