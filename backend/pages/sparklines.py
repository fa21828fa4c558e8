"""A curve as a small line beside its number."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from sqlalchemy.orm import Session

from backend.services import series
from backend.services.run_view import RunView

POINTS = 48
HEIGHT = 24.0  # of the drawing; its width is 100
SHARES = ("encoder/gradient_coverage", "encoder/sample_coverage")  # drawn from 0 to 1: their noise is nothing


def sparkline(session: Session, run: RunView, metric: str) -> str:
    """Points of an SVG polyline, "" for fewer than two; kept until the run has a newer point."""
    if metric not in run.metrics:
        return ""
    return _kept(_Reader(session), run.id, metric, run.metrics[metric].step)


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
    curve = series.read(reader.session, run_id, [metric], max_points=POINTS)[metric]
    finite = np.isfinite(curve.values)
    steps, values = curve.steps[finite].astype(float), curve.values[finite]
    if len(values) < 2:
        return ""
    across = (steps - steps[0]) / (steps[-1] - steps[0]) * 100
    low, high = (0.0, 1.0) if metric in SHARES else (float(values.min()), float(values.max()))
    down = HEIGHT - 2 - (values - low) / (high - low or 1.0) * (HEIGHT - 4)
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across, down, strict=True))
