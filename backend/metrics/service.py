"""Metric series of runs: append, read, follow.

Writes are idempotent on (run, name, step): the last one wins. Every write gets the run's next *version*,
and `since(version)` returns everything written after it: the cursor of the event stream. It may return a
point again (after points were moved together), never lose one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from backend.domain.records import MetricFrame
from backend.kit.problems import invalid_query
from backend.metrics import compaction
from backend.metrics import cursor_queries as run_cursors
from backend.metrics import queries as segments
from backend.metrics.frames import Column, columns_of
from backend.metrics.points import NONE, Points, Steps, Values, joined, within
from backend.metrics.pyramid import buckets as summary
from backend.metrics.pyramid import service as pyramid
from backend.metrics.pyramid.buckets import Buckets
from backend.metrics.pyramid.queries import StepRange
from backend.metrics.queries import Extent, Line
from backend.metrics.thinning import MIN_POINTS, thin

SPAN = 65_536  # points of a range that is read at once, all metrics together
COURSE = 48  # points of a course
MAX_COURSE = 3e38  # what a float32 holds: a course keeps further values at its edge
Course = NDArray[np.float32]  # (2, n): how far along from 0 to 1, and the value there


@dataclass(frozen=True)
class Curve:
    """Points of one metric by step. Values may be NaN or infinite; `nan_steps` says where.

    Where `buckets` are there, they sum up all points of the curve, and its points are those that they keep.
    """

    steps: NDArray[np.int64]
    wall_times: NDArray[np.float64]  # seconds since the Unix epoch, exact to 1 ms
    values: NDArray[np.float64]
    total: int  # points before thinning
    buckets: Buckets | None = None
    undefined: int = 0  # of an expression: quotients by zero and logarithms of zero or less, which are NaN

    @property
    def nan_steps(self) -> list[int]:
        """Steps whose value is NaN or infinite: no chart can draw them, so it marks them."""
        steps: list[int] = self.steps[~np.isfinite(self.values)].tolist()
        return steps


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


@dataclass(frozen=True)
class Part:
    """A part of a run's series to be read at once: metrics, and the steps (both inclusive) of all of them."""

    names: Sequence[str]
    steps: StepRange


def append(session: Session, run_id: str, frame: MetricFrame, compacts: bool = True) -> int:
    """Write the frame's points and return the version they got. InvalidInput names what is wrong.

    Steps may come unsorted and repeated. The run's other writers wait until this transaction ends. Who does
    not let it merge segments now and then calls `compact_older` when it `is_due`.
    """
    columns = columns_of(frame)
    if not columns:
        return run_cursors.current(session, run_id)
    version = run_cursors.advance(session, run_id)
    ids = segments.ids_of(session, run_id, [column.name for column in columns])
    segments.add(session, [row for column in columns for row in column.rows(ids[column.name], version)])
    _summarise(session, run_id, {ids[column.name]: column for column in columns})
    if compacts and is_due(version):
        compaction.compact(session, run_id, up_to_version=version - compaction.FRESH)
    return version


def is_due(version: int) -> bool:
    """Whether a run whose series reached this version is worth a merge of its segments."""
    return version % compaction.EVERY == 0


def compact_older(session: Session, run_id: str) -> None:
    """Merge small segments of a run that is still logged to; nothing where the run is gone."""
    if run_cursors.current(session, run_id):
        version = run_cursors.hold(session, run_id)
        compaction.compact(session, run_id, up_to_version=version - compaction.FRESH)


def compact(session: Session, run_id: str) -> None:
    """Store the run's points in as few bytes as they take: for a run that is over."""
    compaction.compact(session, run_id, up_to_version=run_cursors.hold(session, run_id), is_over=True)
    _keep_sketches(session, run_id)


def names(session: Session, run_id: str) -> Sequence[str]:
    """Names of the run's metrics, sorted."""
    return segments.names_of(session, run_id)


def version(session: Session, run_id: str) -> int:
    """The run's current version. Ask before `read`, and `since` it nothing is missed in between."""
    return run_cursors.current(session, run_id)


def versions(session: Session, run_ids: Collection[str]) -> dict[str, int]:
    """The current versions of many runs; one that has no data yet is left out."""
    return run_cursors.of_runs(session, run_ids)


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
    return of_runs(session, [run_id], names, max_points, first, last)[run_id]


def of_runs(
    session: Session,
    run_ids: Collection[str],
    names: Collection[str] | None = None,
    max_points: int | None = None,
    first: int | None = None,
    last: int | None = None,
) -> dict[str, dict[str, Curve]]:
    """Run id -> name -> curve, as `read`, of many runs in as many queries as of one."""
    if max_points is not None and max_points < MIN_POINTS:
        raise invalid_query("max_points", f"must be at least {MIN_POINTS}, not {max_points}.")
    lines = segments.lines_of(session, run_ids, names)
    windows = {line.id: (line.tiled, (first, last)) for line in lines}
    curves = {}
    if max_points is not None:
        curves = {
            series_id: _thinned(points, total)
            for series_id, (points, total) in pyramid.read(session, windows, max_points).items()
        }
    whole = _points_of(session, [line.id for line in lines if line.id not in curves], first, last)
    curves |= {series_id: _curve(points, max_points) for series_id, points in whole.items()}
    return _by_run(run_ids, lines, curves)


def overview(
    session: Session,
    run_ids: Collection[str],
    names: Collection[str],
    fewest: int,
    in_detail: Callable[[str, Buckets], StepRange | None] = lambda _run_id, _buckets: None,
) -> dict[str, dict[str, Curve]]:
    """Run id -> name -> the whole curve, for charts: a long one in `fewest` or more buckets, others with
    all points. `in_detail` gives, for a run and the buckets of a curve of it, the steps to be read as finely
    as if the curve were no longer; they begin and end where buckets do."""
    lines = segments.lines_of(session, run_ids, names)
    coarse = pyramid.summed(session, {line.id: (line.tiled, pyramid.WHOLE) for line in lines}, fewest)
    windows = {
        line.id: (line.tiled, steps)
        for line in lines
        if line.id in coarse and (steps := in_detail(line.run_id, coarse[line.id]))
    }
    fine = pyramid.detailed(session, windows, fewest)
    coarse |= {series_id: summary.with_detail(coarse[series_id], part) for series_id, part in fine.items()}
    curves = {series_id: summed_up(buckets) for series_id, buckets in coarse.items()}
    whole = _points_of(session, [line.id for line in lines if line.id not in coarse])
    curves |= {series_id: _curve(points, None) for series_id, points in whole.items()}
    return _by_run(run_ids, lines, curves)


def spans(session: Session, run_id: str, names: Collection[str]) -> list[StepRange]:
    """Step ranges, one after the other, that together hold all points of the run's metrics: about `SPAN`
    each. Whoever reads one at a time needs no more memory for a long run than for a short one."""
    wanted = {line.id for line in segments.lines_of(session, [run_id], names)}
    return _ranges([extent for extent in segments.extents_of(session, run_id) if extent.series_id in wanted])


def parts(session: Session, run_id: str, names: Collection[str] | None = None) -> list[Part]:
    """The same for whoever wants the points of the metrics (None: all) metric by metric. Parts come by name,
    then by step; short metrics share one."""
    lines = segments.lines_of(session, [run_id], names)
    extents = segments.extents_of(session, run_id)
    of_series = {id_: list(own) for id_, own in groupby(extents, key=lambda extent: extent.series_id)}
    cut: list[Part] = []
    short: list[str] = []
    points = 0  # of the short ones
    last = max((extent.last_step for extent in extents), default=None)
    for line in lines:
        own = of_series.get(line.id, [])
        size = sum(extent.points for extent in own)
        if short and points + size > SPAN:
            cut.append(Part(short, (None, last)))
            short, points = [], 0
        if size > SPAN:
            cut += [Part([line.name], steps) for steps in _ranges(own)]
        else:
            short, points = [*short, line.name], points + size
    return [*cut, Part(short, (None, last))] if short else cut


def _ranges(extents: Sequence[Extent]) -> list[StepRange]:
    """Step ranges of about `SPAN` points. They end with the last step that there is now: what is logged
    beyond it while they are read belongs to none."""
    starts: list[int] = []
    points = 0
    for extent in sorted(extents, key=lambda extent: extent.first_step):
        if points >= SPAN and extent.first_step > (starts[-1] if starts else 0):
            starts.append(extent.first_step)
            points = 0
        points += extent.points
    last = max((extent.last_step for extent in extents), default=None)
    return list(zip([None, *starts], [*(start - 1 for start in starts), last], strict=True))


def summed_up(buckets: Buckets) -> Curve:
    """A curve by its buckets."""
    points = summary.recorded(buckets)
    return replace(_thinned(points, int(buckets.counts.sum())), buckets=buckets)


def _points_of(
    session: Session, series_ids: Sequence[int], first: int | None = None, last: int | None = None
) -> dict[int, Points]:
    """All points of the series from step `first` to `last`, from their segments."""
    parts = segments.between(session, series_ids, first, last) if series_ids else {}
    return {id_: within(joined(parts[id_]), first, last) if id_ in parts else NONE for id_ in series_ids}


def _by_run(
    run_ids: Collection[str], lines: Sequence[Line], curves: Mapping[int, Curve]
) -> dict[str, dict[str, Curve]]:
    answer: dict[str, dict[str, Curve]] = {run_id: {} for run_id in run_ids}
    for line in lines:
        answer[line.run_id][line.name] = curves[line.id]
    return answer


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
    for found in segments.summaries(session, run_ids, names):
        line = Latest(found.last_step, found.last_value, found.min_value, found.max_value)
        answer[found.run_id][found.name] = line
    return answer


def courses(session: Session, run_ids: Collection[str], name: str) -> dict[str, Course]:
    """The course of a metric of many runs, for those that have one kept: runs that are over."""
    kept = segments.sketches(session, run_ids, name)
    return {run_id: np.frombuffer(sketch, np.float32).reshape(2, -1) for run_id, sketch in kept.items()}


def course(session: Session, run_id: str, name: str) -> Course:
    """The course of one metric, from its points."""
    return _course(read(session, run_id, [name], max_points=COURSE)[name])


def _course(curve: Curve) -> Course:
    finite = np.isfinite(curve.values)
    steps, values = curve.steps[finite].astype(float), curve.values[finite].clip(-MAX_COURSE, MAX_COURSE)
    length = steps[-1] - steps[0] if len(steps) > 1 else 1.0
    return np.stack([(steps - steps[:1]) / length, values]).astype(np.float32)


def _keep_sketches(session: Session, run_id: str) -> None:
    curves = read(session, run_id, max_points=COURSE)
    ids = segments.ids_of(session, run_id, list(curves))
    rows = [{"id": ids[name], "sketch": _course(curve).tobytes()} for name, curve in curves.items()]
    if rows:
        segments.keep_summaries(session, rows)


def _summarise(session: Session, run_id: str, columns: Mapping[int, Column]) -> None:
    """Bring the lines that tables read up to date with points just written."""
    before = segments.summarised(session, columns)
    rewritten = {id_: int(column.axis.steps[0]) for id_, column in columns.items()}
    rewritten = {id_: step for id_, step in rewritten.items() if step <= before[id_].last_step}
    if rewritten:
        pyramid.forget(session, rewritten)
    rows = []
    for id_, column in columns.items():
        old = before[id_]
        if column.axis.steps[0] > old.last_step:
            line = _line(column.axis.steps, column.values, old.min_value, old.max_value)
        else:  # points were written over: their old values must not remain in the minimum and maximum
            curve = read(session, run_id, [column.name])[column.name]
            line = _line(curve.steps, curve.values)
        rows.append({"id": id_, "sketch": None, **line})
    segments.keep_summaries(session, rows)


def _line(steps: Steps, values: Values, *others: float | None) -> dict[str, Any]:
    """The summary of points in order, and of `others` that are part of the same series."""
    finite = values[np.isfinite(values)]
    ends = [float(finite.min()), float(finite.max())] if len(finite) else []
    ends += [each for each in others if each is not None]
    return {
        "last_step": int(steps[-1]),
        "last_value": float(values[-1]),
        "min_value": min(ends, default=None),
        "max_value": max(ends, default=None),
    }


def _curve(points: Points, max_points: int | None) -> Curve:
    return _thinned(points if max_points is None else thin(points, max_points), len(points))


def _thinned(shown: Points, total: int) -> Curve:
    return Curve(shown.steps, shown.times / 1000, shown.values, total)
