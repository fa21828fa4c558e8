"""A curve as a small line beside its number."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from sqlalchemy.orm import Session

from backend.kit.boundary import or_else, shielded
from backend.metrics import service as series
from backend.metrics.service import Course
from backend.run_view.views import RunView

HEIGHT = 24.0  # of the drawing; its width is 100
SHARES = ("encoder/gradient_coverage", "encoder/sample_coverage")  # drawn from 0 to 1: their noise is nothing


def sparkline(session: Session, run: RunView, metric: str) -> str:
    """Points of an SVG polyline, "" for fewer than two; kept until the run has a newer point."""
    if metric not in run.metrics:
        return ""
    step = run.metrics[metric].step
    return or_else(
        shielded(f"{metric} of run {run.id}", lambda: _kept(_Reader(session), run.id, metric, step)), ""
    )


def sparklines(session: Session, runs: Sequence[RunView], metric: str) -> dict[str, str]:
    """The same for many runs: one query for those that are over, whose courses are kept."""
    if not runs:
        return {}
    courses = or_else(
        shielded("the courses", lambda: series.courses(session, [run.id for run in runs], metric)), {}
    )
    return {
        run.id: _shielded(courses[run.id], metric) if run.id in courses else sparkline(session, run, metric)
        for run in runs
    }


class _Reader:
    """A session that is like any other of the same database: only run, metric and step tell lines apart."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._database = str(session.get_bind().engine.url)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Reader) and other._database == self._database

    def __hash__(self) -> int:
        return hash(self._database)


@lru_cache(maxsize=4096)
def _kept(reader: _Reader, run_id: str, metric: str, _last_step: int) -> str:
    return _drawn(series.course(reader.session, run_id, metric), metric)


def _shielded(course: Course, metric: str) -> str:
    return or_else(shielded(f"a course of {metric}", lambda: _drawn(course, metric)), "")


def _drawn(course: Course, metric: str) -> str:
    across, values = course.astype(np.float64)
    across, values = across[np.isfinite(values)], values[np.isfinite(values)]
    if len(values) < 2:
        return ""
    low, high = (0.0, 1.0) if metric in SHARES else (float(values.min()), float(values.max()))
    down = HEIGHT - 2 - (values - low) / (high - low or 1.0) * (HEIGHT - 4)
    pairs = zip((across * 100).round().astype(int).tolist(), down.round(1).tolist(), strict=True)
    return " ".join(f"{x},{y:g}" for x, y in pairs)
