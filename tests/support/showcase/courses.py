"""Made-up curves of a training, of the shapes that real ones have."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from backend.domain.experiment import ExperimentConfig
from backend.domain.records import MetricFrame

Curve = np.ndarray
SECONDS_PER_POINT = 12.0


@dataclass(frozen=True)
class Course:
    """Where the curves of a run lead to; shares are 0 to 1."""

    token: float  # train accuracy at the end
    exact: float
    variance: float = 0.3  # scale-free, of the context
    scale: float = 1.0  # mean square of the context
    reliance: float = 0.35  # token accuracy that another task's context costs
    collapses_at: float | None = None  # share of the training
    nan_at: float | None = None
    starving: bool = False
    spike_at: float | None = None
    memory: float = 5.4e9  # bytes
    speed: float = 1_060.0  # samples/s


def frame(config: ExperimentConfig, course: Course, points: int, started: float) -> MetricFrame:
    """The first `points` of a run's recorded points; it began at `started` (seconds since the epoch)."""
    total = config.training.steps // config.training.log_every
    draw = np.random.default_rng(np.random.SeedSequence([config.seed, len(config.variant), total]))
    x = np.arange(1, points + 1) / total  # share of the training
    values = _learning(course, x, draw) | _machine(config, course, x, draw)
    if config.model.kind == "etrm":
        values |= _encoder(config, course, x, draw, values["gradient_norm/all"])
    if course.nan_at is not None:
        for name in values:
            if name.startswith(("loss", "gradient_norm")):
                values[name] = np.where(x > course.nan_at, np.nan, values[name])
    columns: dict[str, list[float | None]] = {name: curve.tolist() for name, curve in values.items()}
    if config.model.kind == "etrm":
        columns |= _probed(config, course, x, draw, columns)
    columns["data/left_out_as_leak"] = [2.0, *[None] * (points - 1)]
    columns["data/token_baseline"] = [0.69, *[None] * (points - 1)]
    columns["data/probe_tasks"] = [16.0, *[None] * (points - 1)]
    every = config.training.log_every
    steps = [(at + 1) * every for at in range(points)]
    return MetricFrame(steps, [started + at * SECONDS_PER_POINT for at in range(points)], columns)


def _noise(draw: np.random.Generator, x: Curve, size: float) -> Curve:
    return draw.normal(0, size, len(x))


def _rise(x: Curve, tau: float) -> Curve:
    """0 at first, 1 at the end, most of it within `tau` of the training."""
    return (1 - np.exp(-x / tau)) / (1 - math.exp(-1 / tau))


def _learning(course: Course, x: Curve, draw: np.random.Generator) -> dict[str, Curve]:
    token = 0.18 + (course.token - 0.18) * (0.72 * _rise(x, 0.05) + 0.28 * _rise(x, 0.45))
    token = token + _noise(draw, x, 0.012)
    exact = course.exact * _rise(x, 0.4) * (1 / (1 + np.exp(-(x - 0.12) / 0.035)))
    if course.collapses_at is not None:
        token = np.where(
            x > course.collapses_at, np.minimum(token, course.token + _noise(draw, x, 0.01)), token
        )
    if course.nan_at is not None:
        token, exact = (np.where(x > course.nan_at, 0.02, each) for each in (token, exact))
    prediction = -1.35 * np.log(np.clip(token, 0.02, 0.995)) + 0.03 + np.abs(_noise(draw, x, 0.02))
    if course.spike_at is not None:
        prediction[int(course.spike_at * len(x))] += 2.4
    halting = 0.08 + 0.5 * np.exp(-x / 0.06) + np.abs(_noise(draw, x, 0.01))
    norms = (0.35 + 1.6 * np.exp(-x / 0.08)) * np.exp(_noise(draw, x, 0.16))
    if course.spike_at is not None:
        norms[int(course.spike_at * len(x))] *= 14
    return {
        "gradient_norm/all": norms,
        "loss": prediction + 0.5 * halting,
        "loss/prediction": prediction,
        "loss/halting": halting,
        "accuracy/token": np.clip(token, 0, 1),
        "accuracy/exact": np.clip(exact + _noise(draw, x, 0.012) * (exact > 0.02), 0, 1),
        "accuracy/halting": np.clip(0.97 - 0.3 * np.exp(-x / 0.05) + _noise(draw, x, 0.01), 0, 1),
        "act_steps": 7.6 - 3.4 * _rise(x, 0.3) + _noise(draw, x, 0.12),
    }


def _encoder(
    config: ExperimentConfig, course: Course, x: Curve, draw: np.random.Generator, norms: Curve
) -> dict[str, Curve]:
    share = (0.38 - 0.14 * x) * np.exp(_noise(draw, x, 0.06))
    alive = course.variance * (0.15 + 0.85 * _rise(x, 0.12)) * np.exp(_noise(draw, x, 0.04))
    if course.collapses_at is not None:  # falls by five orders of magnitude within a tenth of the training
        fall = np.clip((x - course.collapses_at) / 0.1, 0, 1)
        alive = alive * 10 ** (-5 * fall)
        share = share * (1 - 0.97 * fall)
    covered = np.ones_like(x) - 0.03 * draw.random(len(x))
    if course.starving:
        share, covered, alive = share * 0, covered * 0, np.full_like(x, 0.011) * np.exp(_noise(draw, x, 0.02))
    values = {
        "gradient_norm/encoder": norms * share,
        "gradient_norm/core": norms * np.sqrt(np.maximum(0.0, 1 - share**2)),
        "encoder/gradient_share": share,
        "encoder/gradient_coverage": covered,
        "encoder/sample_coverage": covered if course.starving else np.ones_like(x),
        "encoder/scale_free_variance": alive,
        "encoder/cross_sample_variance": alive * course.scale * (1 + 0.4 * x),
    }
    if config.variant in ("variational", "per_demo"):
        values["loss/kl_per_sample"] = np.clip(6.0 * np.exp(-x / 0.05) + 40 * alive, 0, None)
    return values


def _probed(
    config: ExperimentConfig,
    course: Course,
    x: Curve,
    draw: np.random.Generator,
    known: dict[str, list[float | None]],
) -> dict[str, list[float | None]]:
    """What only probes tell: None at the points between them."""
    alive = np.array(known["encoder/scale_free_variance"], dtype=float)
    health = np.clip(alive / max(course.variance, 1e-9), 0, 1) * (0.03 if course.starving else 1)
    right = np.array(known["accuracy/token"], dtype=float)
    cost = np.minimum(course.reliance * health * _rise(x, 0.25), 0.8 * right)
    values: dict[str, Callable[[], Curve]] = {
        "encoder/effective_rank": lambda: 1 + 11 * health * _rise(x, 0.2) + _noise(draw, x, 0.15) * health,
        "encoder/pairwise_cosine": lambda: np.clip(1 - 0.72 * health + _noise(draw, x, 0.01) * health, 0, 1),
        "encoder/within_variance": lambda: 0.3 * alive * course.scale,
        "encoder/between_within": lambda: 1 + 3.4 * health * _rise(x, 0.3) + np.abs(_noise(draw, x, 0.03)),
        "encoder/retrieval": lambda: np.clip(
            0.03 + 0.8 * health * _rise(x, 0.3) + _noise(draw, x, 0.03), 0, 1
        ),
        "reliance/token_right": lambda: right,
        "reliance/token_swapped": lambda: right - cost,
        "reliance/token_mean": lambda: right - 0.8 * cost,
        "reliance/exact_right": lambda: np.array(known["accuracy/exact"], dtype=float) * 0.9,
        "reliance/exact_swapped": lambda: np.array(known["accuracy/exact"], dtype=float) * (1 - health) * 0.9,
        "reliance/exact_mean": lambda: np.array(known["accuracy/exact"], dtype=float) * (1 - health) * 0.8,
        "reliance/cost": lambda: cost,
    }
    apart = max(1, (config.health.probe_every or 1) * 4 // config.training.log_every)
    return {
        name: [value if at % apart == apart - 1 else None for at, value in enumerate(make().tolist())]
        for name, make in values.items()
    }


def _machine(
    config: ExperimentConfig, course: Course, x: Curve, draw: np.random.Generator
) -> dict[str, Curve]:
    rate = config.optimisation.learning_rate
    warm = np.minimum(1.0, x * config.training.steps / max(1, config.optimisation.warmup_steps))
    return {
        "learning_rate": rate * warm * (0.5 + 0.5 * np.cos(np.pi * np.clip(x, 0, 1))),
        "samples_per_second": course.speed * (1 + _noise(draw, x, 0.015)),
        "memory_bytes": course.memory * (1 + 0.02 * np.minimum(1, x / 0.05)),
    }
