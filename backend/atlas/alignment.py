"""One map for many clouds of points that each have axes of their own: turned onto each other by the tasks
they have in common, then looked at from one side.

Turning is orthogonal Procrustes: a rotation, with a reflection if that fits better, and a shift; never a
change of size, so that a collapsed cloud stays as small as it is. See docs/decisions/atlas.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

AXES = 4  # principal axes in which clouds are turned: with more, any two clouds of few tasks would fit
FEWEST = 3  # common tasks by which a cloud can be turned
ROUNDS = 4  # of turning all clouds onto their mean
SHUFFLINGS = 200
_TINY = 1e-9


@dataclass(frozen=True)
class Cloud:
    """The contexts of one snapshot on axes of its own, (tasks, views, axes), the strongest axis first."""

    tasks: tuple[str, ...]  # what tells a task from others, in all clouds
    points: Array

    @property
    def variance(self) -> float:
        """Mean square distance from the centre."""
        flat = self.points.reshape(len(self.tasks) * self.points.shape[1], -1)
        return float(np.square(flat - flat.mean(0)).sum(1).mean())


@dataclass(frozen=True)
class Placed:
    """A cloud on the map."""

    positions: Array  # (tasks, views, 2)
    common: int  # tasks by which it was turned; 0: too few, it has its own axes
    shown: float  # share of its variance that two axes show; 1 where it has none


@dataclass(frozen=True)
class Agreement:
    """How alike two clouds lie, 0 to 1, once one is turned onto the other; and what shuffled tasks give."""

    common: int
    value: float
    low: float  # 5 % of the shufflings are below it
    high: float  # 5 % are above it


def on_one_map(clouds: Sequence[Cloud]) -> list[Placed]:
    """All clouds, turned onto the mean of those that have tasks in common, on the two axes on which they
    vary most. Clouds with fewer than `FEWEST` tasks in common with these are turned onto one another in the
    same way; one that has too few with any keeps its own axes."""
    first_axes = [_first_axes(cloud) for cloud in clouds]
    left = sorted(range(len(clouds)), key=lambda at: clouds[at].variance, reverse=True)
    placed: dict[int, Placed] = {}
    while left:
        together = _turned([clouds[at] for at in left], [first_axes[at] for at in left])
        view = _two_axes([points for points, _ in together.values()])
        is_alone = bool(placed) and len(together) == 1
        for place, (points, common) in together.items():
            positions = points @ view
            shown = _share(positions, clouds[left[place]].variance)
            placed[left[place]] = Placed(positions, 0 if is_alone else common, shown)
        left = [at for place, at in enumerate(left) if place not in together]
    return [placed[at] for at in range(len(clouds))]


def likeness(one: Cloud, other: Cloud) -> float | None:
    """How alike two clouds lie, 0 to 1, once one is turned onto the other and both are of one size. None
    where they have too few tasks in common, or all contexts of one are equal."""
    pair = _in_common(one, other)
    return None if pair is None else float(_fit(pair[0], pair[1][None])[0])


def agreement(one: Cloud, other: Cloud) -> Agreement | None:
    """The same beside what chance gives."""
    pair = _in_common(one, other)
    if pair is None:
        return None
    a, b = pair
    orders = np.random.default_rng(0).permuted(np.tile(np.arange(len(b)), (SHUFFLINGS, 1)), axis=1)
    low, high = np.quantile(_fit(a, b[orders]), (0.05, 0.95)).tolist()
    return Agreement(len(a), float(_fit(a, b[None])[0]), low, high)


def _in_common(one: Cloud, other: Cloud) -> tuple[Array, Array] | None:
    """The means of the common tasks (tasks, axes) in each cloud, centred and of size 1."""
    common = [task for task in one.tasks if task in other.tasks]
    if len(common) < FEWEST:
        return None
    a, b = (_centred(_means(cloud, _first_axes(cloud), common)) for cloud in (one, other))
    sizes = np.linalg.norm(a), np.linalg.norm(b)
    return None if min(sizes) < _TINY else (a / sizes[0], b / sizes[1])


def _fit(a: Array, others: Array) -> Array:
    """How well each of (n, tasks, axes) can be turned onto a (tasks, axes), all of size 1: (n,)."""
    fits: Array = np.linalg.svd(a.T @ others, compute_uv=False).sum(-1)
    return fits


def _turned(clouds: Sequence[Cloud], first_axes: Sequence[Array]) -> dict[int, tuple[Array, int]]:
    """Of at least one cloud, the widest first: that and those that can be turned onto it, through others too,
    each with the tasks by which it was turned."""
    turned = list(first_axes)
    common = {0: len(clouds[0].tasks)}
    if common[0] < FEWEST:
        return {0: (turned[0], common[0])}
    rounds = 0
    while True:
        rounds += 1
        before = len(common)
        mean = _mean_by_task([(clouds[at], turned[at]) for at in common])
        for at, cloud in enumerate(clouds):
            shared = [task for task in cloud.tasks if task in mean]
            if len(shared) >= FEWEST:
                own = _means(cloud, first_axes[at], shared)
                turned[at] = _onto(first_axes[at], own, np.stack([mean[task] for task in shared]))
                common[at] = len(shared)
        if rounds >= ROUNDS and len(common) == before:
            return {at: (turned[at], tasks) for at, tasks in common.items()}


def _onto(points: Array, own: Array, wanted: Array) -> Array:
    """Points (…, axes) turned and shifted as brings `own` (n, axes) nearest to `wanted` (n, axes)."""
    cross = _centred(own).T @ _centred(wanted)
    # What the common tasks leave open is turned as little as can be: the identity decides it.
    cross += _TINY * np.linalg.norm(cross) * np.eye(len(cross))
    left, _, right = np.linalg.svd(cross)
    turned: Array = (points - own.mean(0)) @ (left @ right) + wanted.mean(0)
    return turned


def _two_axes(clouds: Sequence[Array]) -> Array:
    """The two directions (axes, 2) in which the clouds vary most, each cloud about its own centre."""
    flat = [_centred(points.reshape(-1, points.shape[-1])) for points in clouds]
    _, directions = np.linalg.eigh(sum(rows.T @ rows / len(rows) for rows in flat))
    view: Array = directions[:, :-3:-1]
    signs = np.sign(view[np.abs(view).argmax(0), [0, 1]])  # so that the same clouds give the same map
    return view * np.where(signs == 0, 1, signs)


def _first_axes(cloud: Cloud) -> Array:
    """The first `AXES` axes of a cloud; zeros where it has fewer."""
    axes = cloud.points[..., :AXES]
    return np.pad(axes, ((0, 0), (0, 0), (0, AXES - axes.shape[-1])))


def _means(cloud: Cloud, points: Array, tasks: Sequence[str]) -> Array:
    """The mean over views of these tasks (tasks, axes)."""
    places = [cloud.tasks.index(task) for task in tasks]
    means: Array = points[places].mean(1)
    return means


def _mean_by_task(clouds: Sequence[tuple[Cloud, Array]]) -> dict[str, Array]:
    gathered: dict[str, list[Array]] = {}
    for cloud, points in clouds:
        for task, mean in zip(cloud.tasks, points.mean(1), strict=True):
            gathered.setdefault(task, []).append(mean)
    return {task: np.mean(means, axis=0) for task, means in gathered.items()}


def _share(positions: Array, variance: float) -> float:
    shown = np.square(_centred(positions.reshape(-1, 2))).sum(1).mean()
    return min(1.0, float(shown) / variance) if variance > _TINY**2 else 1.0


def _centred(rows: Array) -> Array:
    centred: Array = rows - rows.mean(0)
    return centred
