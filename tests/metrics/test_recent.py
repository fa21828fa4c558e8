"""The mean of the last points of a curve: what it is by now, however it was written."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, event

from backend.db.session import make_engine, reading_scope, session_scope
from backend.domain.records import MetricFrame
from backend.metrics import compaction, recent
from backend.metrics import service as series
from backend.metrics.recent import Recent
from tests.support.databases import SqliteFiles
from tests.support.records.rows import add_run

RUN, OTHER = "aaaaaaaaaa", "bbbbbbbbbb"


def write(engine: Engine, points: Mapping[int, float], run_id: str = RUN, name: str = "loss") -> None:
    frame = MetricFrame(list(points), [float(step) for step in points], {name: list(points.values())})
    with session_scope(engine) as session:
        series.append(session, run_id, frame)


def mean_of(engine: Engine, run_id: str = RUN, name: str = "loss") -> Recent | None:
    with reading_scope(engine) as session:
        return recent.means(session, [name], [run_id])[name].get(run_id)


def of_last(points: Mapping[int, float], window: int) -> Recent | None:
    """The same from a plain dictionary."""
    values = [value for _, value in sorted(points.items())][-window:]
    finite = [value for value in values if math.isfinite(value)]
    return Recent(float(np.mean(finite)), len(finite)) if finite else None


def is_one_of(found: Recent | None, expected: list[Recent | None]) -> bool:
    return any(
        each == found
        or (
            each
            and found
            and each.points == found.points
            and math.isclose(each.mean, found.mean, abs_tol=1e-6)
        )
        for each in expected
    )


@pytest.mark.parametrize(("points", "window"), [(1, 1), (2, 1), (3, 2), (19, 10), (40, 10), (600, 120)])
def test_the_last_part_is_a_fifth_or_ten_points_or_half_of_few(points: int, window: int) -> None:
    assert recent.window_of(points) == window


VALUES = st.floats(-1e3, 1e3) | st.just(math.nan)
FRAMES = st.lists(
    st.dictionaries(st.integers(0, 300), VALUES, min_size=1, max_size=40), min_size=1, max_size=8
)


@settings(max_examples=30, deadline=None)
@given(frames=FRAMES, merged=st.sets(st.integers(0, 7)))
def test_it_is_that_of_the_points_however_they_came(
    sqlite_files: SqliteFiles, frames: list[dict[int, float]], merged: set[int]
) -> None:
    """Steps come in any order, are written over, and are merged in between."""
    engine = make_engine(sqlite_files.new())
    add_run(engine, RUN)
    points: dict[int, float] = {}
    written = 0
    for number, frame in enumerate(frames):
        write(engine, frame)
        points |= frame
        written += len(frame)
        if number in merged:
            with session_scope(engine) as session:
                compaction.compact(session, RUN, up_to_version=series.version(session, RUN), is_over=True)
            written = len(points)
        # Until segments are merged, a step that was written twice counts twice in the length of the curve.
        windows = range(recent.window_of(len(points)), recent.window_of(written) + 1)
        assert is_one_of(mean_of(engine), [of_last(points, window) for window in windows])
    engine.dispose()


def test_of_a_long_curve_only_the_last_segments_are_read_and_only_once(engine: Engine) -> None:
    for run_id in (RUN, OTHER):
        add_run(engine, run_id)
        write(engine, {step: float(step) for step in range(100_000)}, run_id)
        with session_scope(engine) as session:
            series.compact(session, run_id)
    read: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *args: read.append(args[2]))

    with reading_scope(engine) as session:
        found = recent.means(session, ["loss", "none"])
    assert found == {
        "loss": dict.fromkeys((RUN, OTHER), Recent(np.arange(80_000, 100_000).mean(), 20_000)),
        "none": {},
    }
    segments = [text for text in read if "series_segment" in text]
    with reading_scope(engine) as session:
        assert recent.means(session, ["loss", "none"]) == found
    assert [text for text in read if "series_segment" in text] == segments  # remembered

    write(engine, {99_999: -1e9})
    changed = mean_of(engine)
    assert changed is not None
    assert changed.mean < 80_000
    assert mean_of(engine, OTHER) == found["loss"][OTHER]


def test_a_curve_without_a_finite_value_at_its_end_has_none(engine: Engine) -> None:
    add_run(engine, RUN)
    write(engine, {1: 0.5, 2: math.nan})
    assert mean_of(engine) is None
    write(engine, {3: 0.7})
    assert mean_of(engine) == Recent(0.7, 1)
