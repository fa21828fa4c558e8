"""Metric series of runs: append, read, follow.

Writes are idempotent on (run, name, step): the last one wins. Every write gets the run's next *version*,
and `since(version)` returns everything written after it: the cursor of the event stream. It may return a
point again (after points were moved together), never lose one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from backend.db.points import NONE, Points, joined
from backend.db.repositories import run_cursors, segments
from backend.domain.errors import FieldProblem, InvalidInput
from backend.domain.records import MetricFrame
from backend.services import compaction
from backend.services.frames import columns_of
from backend.services.thinning import FEWEST, thin


@dataclass(frozen=True)
class Curve:
    """Points of one metric by step. Values may be NaN or infinite; `nan_steps` says where."""

    steps: NDArray[np.int64]
    wall_times: NDArray[np.float64]  # seconds since the Unix epoch, exact to 1 ms
    values: NDArray[np.float64]
    total: int  # points before thinning

    @property
    def nan_steps(self) -> list[int]:
        """Steps whose value is NaN or infinite: no chart can draw them, so it marks them."""
        steps: list[int] = self.steps[~np.isfinite(self.values)].tolist()
        return steps

    @property
    def drawable_values(self) -> list[float | None]:
        """The values with None for NaN and infinity, as JSON and charts want them."""
        values: list[float] = self.values.tolist()
        finite: list[bool] = np.isfinite(self.values).tolist()
        return [value if ok else None for value, ok in zip(values, finite, strict=True)]


@dataclass(frozen=True)
class Change:
    """What was written to a run after some version; `version` is the cursor for the next question."""

    version: int
    curves: Mapping[str, Curve]


@dataclass(frozen=True)
class Latest:
    """A metric in one line of a table. min and max are of the finite values, None where there is none."""

    step: int
    value: float  # may be NaN
    min: float | None
    max: float | None


def append(session: Session, run_id: str, frame: MetricFrame) -> int:
    """Write the frame's points and return the version they got. InvalidInput names what is wrong.

    Steps may come unsorted and repeated. The run's other writers wait until this transaction ends.
    """
    columns = columns_of(frame)
    if not columns:
        return run_cursors.current(session, run_id)
    version = run_cursors.advance(session, run_id)
    ids = segments.ids_of(session, run_id, [column.name for column in columns])
    segments.add(session, [row for column in columns for row in column.rows(ids[column.name], version)])
    if version % compaction.EVERY == 0:
        compaction.compact(session, run_id, up_to_version=version - compaction.FRESH)
    return version


def compact(session: Session, run_id: str) -> None:
    """Store the run's points in as few bytes as they take: for a run that is over."""
    compaction.compact(session, run_id, up_to_version=run_cursors.hold(session, run_id), fewest=2)


def names(session: Session, run_id: str) -> Sequence[str]:
    """Names of the run's metrics, sorted."""
    return segments.names_of(session, run_id)


def version(session: Session, run_id: str) -> int:
    """The run's current version. Ask before `read`, and `since` it nothing is missed in between."""
    return run_cursors.current(session, run_id)


def read(
    session: Session,
    run_id: str,
    names: Collection[str] | None = None,
    max_points: int | None = None,
    first: int | None = None,
    last: int | None = None,
) -> dict[str, Curve]:
    """The curves called `names` (None: all) from step `first` to `last`, both inclusive.

    With `max_points`, each curve is thinned so that every extreme survives. Unknown names are left out;
    a known one without a point in the window gives an empty curve.
    """
    if max_points is not None and max_points < FEWEST:
        problem = FieldProblem("max_points", f"must be at least {FEWEST}, not {max_points}.")
        raise InvalidInput("The series cannot be read.", problems=[problem])
    known = segments.names_of(session, run_id)
    found = segments.between(session, run_id, names, first, last)
    asked = [name for name in known if names is None or name in names]
    return {name: _curve(_within(found.get(name), first, last), max_points) for name in asked}


def since(session: Session, run_id: str, version: int) -> Change:
    """Everything written after `version`, and the version this brings a reader to."""
    # The version first: what is committed between the two queries is then delivered twice, not never.
    reached = run_cursors.current(session, run_id)
    found = segments.after(session, run_id, version)
    return Change(reached, {name: _curve(joined(parts), None) for name, parts in sorted(found.items())})


def latest(
    session: Session, run_ids: Collection[str], names: Collection[str]
) -> dict[str, dict[str, Latest]]:
    """Per run and name the last, least and greatest value, for a table of many runs in one query."""
    answer: dict[str, dict[str, Latest]] = {run_id: {} for run_id in run_ids}
    for summary in segments.summaries(session, run_ids, names):
        line = Latest(summary.last_step, summary.last_value, summary.min_value, summary.max_value)
        if summary.overlapping:
            line = _latest_of_points(session, summary.run_id, summary.name)
        answer[summary.run_id][summary.name] = line
    return answer


def _latest_of_points(session: Session, run_id: str, name: str) -> Latest:
    curve = read(session, run_id, [name])[name]
    finite = curve.values[np.isfinite(curve.values)]
    least, greatest = (float(finite.min()), float(finite.max())) if len(finite) else (None, None)
    return Latest(int(curve.steps[-1]), float(curve.values[-1]), least, greatest)


def _within(parts: list[Points] | None, first: int | None, last: int | None) -> Points:
    points = joined(parts) if parts else NONE
    lower = 0 if first is None else int(np.searchsorted(points.steps, first, side="left"))
    upper = len(points) if last is None else int(np.searchsorted(points.steps, last, side="right"))
    return points[lower:upper]


def _curve(points: Points, max_points: int | None) -> Curve:
    shown = points if max_points is None else thin(points, max_points)
    return Curve(shown.steps, shown.times / 1000, shown.values, total=len(points))
