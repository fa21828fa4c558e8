"""Made-up contexts of a training's probes: as far apart as the run's own curve of the variance says."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from backend.domain.experiment import ExperimentConfig
from backend.domain.records import FailureMode, MetricFrame
from backend.domain.snapshots import ProbedTask, Snapshot

EVERY = 10  # recorded points from one probe to the next
TASKS = (
    "00d62c1b", "0520fde7", "08ed6ac7", "0ca9ddb6", "1cf80156", "1e0a9b12", "25d8a9c8", "3c9b0459",
    "3de23699", "5582e5ca", "67a3c6ac", "6f8cd79b", "74dd1130", "a61f2674", "c8f0f002", "d511f180",
)  # fmt: skip
VIEWS, TOKENS, WIDTH, AXES, CLUSTERS = 2, 2, 48, 5, 4
MODES = (
    FailureMode.NEARLY_RIGHT,
    FailureMode.WRONG_ARRANGEMENT,
    FailureMode.STRUCTURED_BUT_WRONG,
    FailureMode.COPIED_INPUT,
    FailureMode.WRONG_SIZE,
)  # of the easier tasks first
Points = NDArray[np.float64]


def contexts(config: ExperimentConfig, frame: MetricFrame) -> Iterator[Snapshot]:
    """One snapshot for each probe up to the last point, or to the first whose loss is not a number."""
    draw = np.random.default_rng([config.seed, zlib.crc32(config.variant.encode())])
    first, last = _latent(draw, 0.0), _latent(draw, 1.0) + 0.35 * _of_variant(config.variant)
    scatter = draw.normal(size=(len(TASKS), VIEWS, AXES))
    turned = np.linalg.qr(draw.normal(size=(TOKENS * WIDTH, AXES + 1)))[0].T
    ease = np.linspace(0.9, 0.1, len(TASKS)) + draw.normal(0, 0.06, len(TASKS))
    order = np.argsort(-ease).tolist()
    for at in range(EVERY - 1, len(frame.steps), EVERY):
        value = {name: curve[at] for name, curve in frame.values.items()}
        spread, exact, token = (
            value[name] for name in ("encoder/scale_free_variance", "accuracy/exact", "accuracy/token")
        )
        if spread is None or exact is None or token is None or not np.isfinite(value["loss"] or 0.0):
            return
        learned = 1 - np.exp(-at / 60)
        centres = (1 - learned) * first + learned * last
        cloud = centres[:, None] + (0.75 - 0.5 * learned) * scatter
        right = set(order[: round(exact * len(TASKS))])
        yield Snapshot(
            step=frame.steps[at],
            wall_time=frame.wall_times[at],
            tasks=tuple(
                _answered(task, order.index(task), task in right, token) for task in range(len(TASKS))
            ),
            views=VIEWS,
            tokens=TOKENS,
            width=WIDTH,
            scale=1.0,
            contexts=_spread_by(cloud, spread, turned).astype("<f2").tobytes(),
        )


def _latent(draw: np.random.Generator, alike: float) -> Points:
    """Where tasks lie (tasks, axes): in groups of similar rules, as far as encoders agree on them."""
    shared = np.random.default_rng(7)
    groups = 1.6 * shared.normal(size=(CLUSTERS, AXES))[np.arange(len(TASKS)) % CLUSTERS]
    tasks = 0.6 * shared.normal(size=(len(TASKS), AXES))
    return np.asarray(alike * (groups + tasks) + (1.2 - alike) * draw.normal(size=(len(TASKS), AXES)))


def _of_variant(variant: str) -> Points:
    """What an encoder makes of them beyond that."""
    return np.random.default_rng(zlib.crc32(variant.encode())).normal(size=(len(TASKS), AXES))


def _spread_by(cloud: Points, spread: float, turned: Points) -> Points:
    """A cloud (tasks, views, axes) as contexts whose scale-free variance is `spread`; `turned` are the
    directions that they use, the last one for what all have in common."""
    centred = cloud - cloud.mean((0, 1))
    centred *= np.sqrt(spread / np.square(centred).sum(-1).mean())
    common = np.full((*cloud.shape[:2], 1), np.sqrt(1 - spread))
    return np.sqrt(turned.shape[1]) * np.concatenate([centred, common], axis=-1) @ turned


def _answered(task: int, rank: int, right: bool, token: float) -> ProbedTask:
    mode = None if right else MODES[min(len(MODES) - 1, rank * len(MODES) // len(TASKS))]
    tokens = 1.0 if right else float(np.clip(token + 0.06 - 0.02 * rank, 0.0, 0.99))
    return ProbedTask("arc-agi-1/training", TASKS[task], mode, tokens)
