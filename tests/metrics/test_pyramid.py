"""Tiles: a long curve is drawn from few bytes, as if from all its points."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import count

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sqlalchemy import Engine, func, select, update

from backend.db.session import reading_scope, session_scope
from backend.domain.records import MetricFrame
from backend.lifecycle import external_runs
from backend.lifecycle import service as runs
from backend.metrics import service as series
from backend.metrics.points import Points
from backend.metrics.pyramid import buckets
from backend.metrics.service import Curve
from backend.metrics.tables import Segment, Series, Tile
from backend.metrics.thinning import thin
from tests.support.records.rows import add_run

RUN = "aaaaaaaaaa"
START = 1_790_000_000.0
NUMBERS = count(1)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes so small that a few hundred points make tiles of every level."""
    monkeypatch.setattr("backend.metrics.segment_rows.FULL", 16)
    monkeypatch.setattr("backend.metrics.compaction.FULL", 16)
    monkeypatch.setattr("backend.metrics.compaction.EVERY", 3)
    monkeypatch.setattr("backend.metrics.compaction.FRESH", 2)
    monkeypatch.setattr("backend.metrics.compaction.TILED_FROM", 24)
    monkeypatch.setattr(buckets, "BASE", 2)
    monkeypatch.setattr(buckets, "LEVELS", 3)
    monkeypatch.setattr(buckets, "TILE", 8)


def append(engine: Engine, run_id: str, points: Mapping[int, float]) -> None:
    steps = list(points)
    with session_scope(engine) as session:
        frame = MetricFrame(steps, [START + step for step in steps], {"loss": list(points.values())})
        series.append(session, run_id, frame)


def read(
    engine: Engine, run_id: str, max_points: int | None, first: int | None = None, last: int | None = None
) -> Curve:
    with reading_scope(engine) as session:
        return series.read(session, run_id, ["loss"], max_points, first, last)["loss"]


def tiled(engine: Engine, run_id: str) -> int:
    with reading_scope(engine) as session:
        return session.scalar(select(Series.tiled).where(Series.run_id == run_id)) or 0


def shown_by_size(points: Points, before: int, max_points: int) -> Iterator[list[int]]:
    """The steps that a thinned read may show: from buckets of any size that the levels allow and that leaves
    at least half as many as there is room for. `before` points of the series lie before these."""
    most = (max_points - 2) // (2 if np.isfinite(points.values).all() else 4)
    if len(points) <= max_points:
        yield points.steps.tolist()
    yield thin(points, max_points).steps.tolist()
    for size in range(buckets.BASE, len(points) + buckets.BASE, buckets.BASE):
        numbers = (before + np.arange(len(points))) // size
        if most // 2 <= len(np.unique(numbers)) <= most:
            yield extremes(points, numbers)


def extremes(points: Points, numbers: NDArray[np.int64]) -> list[int]:
    """Steps of the ends and, point by point, of the extremes of each bucket."""
    finite = np.isfinite(points.values)
    steps = {int(points.steps[0]), int(points.steps[-1])}
    for number in np.unique(numbers):
        inside = numbers == number
        if len(values := points.values[inside & finite]):
            own = points.steps[inside & finite]
            steps |= {int(own[values.argmin()]), int(own[values.argmax()])}
        if len(own := points.steps[inside & ~finite]):
            steps |= {int(own[0]), int(own[-1])}
    return sorted(steps)


VALUES = (0.0, 1.0, -1.0, 1e308, -1e308, math.nan, math.inf, -math.inf)
WRITES = st.lists(
    st.tuples(
        st.sampled_from(["continues", "continues", "continues", "resumes", "out of order", "compacted"]),
        st.integers(0, 1000),
        st.integers(1, 80),
        st.booleans(),  # whether values may be NaN or infinite
    ),
    min_size=1,
    max_size=25,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    writes=WRITES,
    max_points=st.integers(10, 40),
    window=st.tuples(st.none() | st.integers(0, 3000), st.none() | st.integers(0, 3000)),
)
def test_any_sequence_of_writes_is_thinned_as_if_each_point_were_a_row(
    engine: Engine,
    small: None,
    writes: list[tuple[str, int, int, bool]],
    max_points: int,
    window: tuple[int | None, int | None],
) -> None:
    run_id = add_run(engine, f"run{next(NUMBERS):07}")
    generator = np.random.default_rng(len(writes))
    rows: dict[int, float] = {}
    for kind, place, length, any_value in writes:
        if kind == "compacted":
            with session_scope(engine) as session:
                series.compact(session, run_id)
            continue
        newest = max(rows, default=0)
        first = {"continues": newest + 3, "resumes": place * newest // 1000}.get(kind, place)
        steps = first + np.cumsum(generator.integers(1, 4, size=length))
        values = generator.choice(VALUES, length) if any_value else generator.integers(0, 9, length) / 7
        written = dict(zip(steps.tolist(), values.tolist(), strict=True))
        rows |= written
        append(engine, run_id, written)
    if not rows:
        return
    ordered = np.array(sorted(rows))
    every = Points(ordered, ordered, np.array([rows[step] for step in ordered.tolist()]))
    for first, last in ((None, None), window):
        low = 0 if first is None else int(np.searchsorted(every.steps, first, side="left"))
        high = len(every) if last is None else int(np.searchsorted(every.steps, last, side="right"))
        curve, inside = read(engine, run_id, max_points, first, last), every[low:high]
        assert curve.total == len(inside)
        assert len(curve.steps) <= max_points
        if not len(inside):
            assert not len(curve.steps)
            continue
        at = np.searchsorted(every.steps, curve.steps)
        assert np.array_equal(every.values[at], curve.values, equal_nan=True)
        assert np.array_equal(START + curve.steps, curve.wall_times)
        assert curve.steps.tolist() in shown_by_size(inside, low, max_points)
    check_levels(engine, run_id)


def check_levels(engine: Engine, run_id: str) -> None:
    """All levels cover as many points as the series says, and no tile is left over."""
    with reading_scope(engine) as session:
        own = select(Series).where(Series.run_id == run_id)
        line = session.scalars(own).one()
        query = select(Tile.level, func.sum(Tile.points), func.max(Tile.last_step))
        levels = session.execute(query.where(Tile.series_id == line.id).group_by(Tile.level)).all()
    assert len(levels) in (0, buckets.LEVELS)
    assert {(int(points), int(last)) for _, points, last in levels} <= {(line.tiled, line.tiled_to)}
    assert bool(levels) == bool(line.tiled)


def test_a_long_curve_is_drawn_without_its_segments_and_keeps_every_spike(engine: Engine) -> None:
    n, generator = 300_000, np.random.default_rng(0)
    values = generator.normal(size=n)
    spikes = np.arange(20) * 15_000 + generator.integers(0, 5_000, size=20)  # no two in one bucket
    values[spikes] = 100 + np.arange(20)
    values[130_001] = math.nan
    add_run(engine, RUN)
    append(engine, RUN, dict(enumerate(values.tolist())))
    with session_scope(engine) as session:
        series.compact(session, RUN)
    assert tiled(engine, RUN) == n
    with session_scope(engine) as session:  # whoever decodes one fails
        session.execute(update(Segment).values(points=b""))
    curve = read(engine, RUN, 1000)
    assert curve.total == n
    assert 400 < len(curve.steps) <= 1000
    assert set(spikes.tolist()) <= set(curve.steps.tolist())
    assert curve.nan_steps == [130_001]
    assert (curve.steps[0], curve.steps[-1]) == (0, n - 1)
    finite = np.isfinite(curve.values)
    assert np.array_equal(values[curve.steps[finite]], curve.values[finite])


def test_a_running_curve_is_in_tiles_but_for_its_newest_points(engine: Engine, small: None) -> None:
    add_run(engine, RUN)
    for step in range(400):
        append(engine, RUN, {step: float(step % 7)})
    assert 400 - 60 < tiled(engine, RUN) < 400
    curve = read(engine, RUN, 40)
    assert (curve.total, curve.steps[0], curve.steps[-1]) == (400, 0, 399)


def test_what_a_resumed_run_writes_over_leaves_the_tiles_at_once(engine: Engine, small: None) -> None:
    add_run(engine, RUN)
    append(engine, RUN, dict.fromkeys(range(200), 1.0) | {150: 50.0})
    with session_scope(engine) as session:
        series.compact(session, RUN)
    assert 50.0 in read(engine, RUN, 40).values
    append(engine, RUN, {150: 2.0})
    assert tiled(engine, RUN) == 0
    assert read(engine, RUN, 40).values.max() == 2.0
    with session_scope(engine) as session:
        series.compact(session, RUN)
    assert tiled(engine, RUN) > 150
    assert read(engine, RUN, 40).values.max() == 2.0


def test_a_deleted_run_leaves_no_tile(engine: Engine, small: None) -> None:
    with session_scope(engine) as session:
        run_id = external_runs.create(session, "logged by a script", {}).id
    append(engine, run_id, dict.fromkeys(range(200), 1.0))
    with session_scope(engine) as session:
        external_runs.finish(session, run_id)
    with session_scope(engine) as session:
        assert session.scalar(select(func.count()).select_from(Tile))
        runs.delete(session, run_id)
    with reading_scope(engine) as session:
        assert not session.scalar(select(func.count()).select_from(Tile))
