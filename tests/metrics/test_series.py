"""Metric series: what was written is what is read, whatever the order, the number and the weather."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, func, select

from backend.db.session import make_engine, reading_scope, session_scope
from backend.domain.records import MetricFrame
from backend.kit.errors import InvalidInput
from backend.lifecycle import external_runs
from backend.metrics import service as series
from backend.metrics.tables import Segment
from tests.support.databases import SqliteFiles
from tests.support.records.rows import add_run

RUN = "aaaaaaaaaa"
START = 1_790_000_000.0


@pytest.fixture(autouse=True)
def _run(request: pytest.FixtureRequest) -> None:
    if "engine" in request.fixturenames:
        add_run(request.getfixturevalue("engine"), RUN)


def frame(steps: Sequence[int], **values: Sequence[float | None]) -> MetricFrame:
    return MetricFrame(list(steps), [START + step for step in steps], values)


def append(engine: Engine, steps: Sequence[int], **values: Sequence[float | None]) -> int:
    with session_scope(engine) as session:
        return series.append(session, RUN, frame(steps, **values))


def read_points(engine: Engine, name: str = "loss") -> dict[int, float]:
    with reading_scope(engine) as session:
        curve = series.read(session, RUN, [name])[name]
    return dict(zip(curve.steps.tolist(), curve.values.tolist(), strict=True))


def segments_in(engine: Engine) -> int:
    with reading_scope(engine) as session:
        return session.scalar(select(func.count()).select_from(Segment)) or 0


def test_points_come_back_exactly_with_their_times_to_a_millisecond(engine: Engine) -> None:
    generator = np.random.default_rng(0)
    steps = np.unique(generator.integers(0, 2**53, size=20_000))
    times = START + generator.normal(0, 1e6, len(steps))
    values = generator.normal(size=len(steps)) * 10.0 ** generator.integers(-300, 300, len(steps))
    with session_scope(engine) as session:
        series.append(session, RUN, MetricFrame(steps.tolist(), times.tolist(), {"loss": values.tolist()}))
    with reading_scope(engine) as session:
        curve = series.read(session, RUN)["loss"]
    assert np.array_equal(curve.steps, steps)
    assert np.array_equal(curve.values, values)
    assert np.abs(curve.wall_times - times).max() <= 0.001


def test_nan_and_infinity_are_kept_and_marked(engine: Engine) -> None:
    append(engine, range(5), loss=[1.0, math.nan, math.inf, -math.inf, -0.0])
    with reading_scope(engine) as session:
        curve = series.read(session, RUN, ["loss"])["loss"]
    assert np.array_equal(curve.values, [1.0, math.nan, math.inf, -math.inf, -0.0], equal_nan=True)
    assert curve.nan_steps == [1, 2, 3]


def test_a_metric_without_a_point_at_a_step_has_none_there(engine: Engine) -> None:
    append(engine, [1, 2, 3], loss=[0.1, 0.2, 0.3], accuracy=[None, 0.5, None], missing=[None] * 3)
    assert read_points(engine, "accuracy") == {2: 0.5}
    with reading_scope(engine) as session:
        assert series.names(session, RUN) == ["accuracy", "loss"]


def test_unsorted_and_repeated_steps_in_one_frame_keep_the_last(engine: Engine) -> None:
    append(engine, [5, 1, 5, 3, 1], loss=[1.0, 2.0, 3.0, 4.0, 5.0], late=[1.0, 2.0, None, 4.0, 5.0])
    assert read_points(engine) == {1: 5.0, 3: 4.0, 5: 3.0}
    assert read_points(engine, "late") == {1: 5.0, 3: 4.0, 5: 1.0}


def test_a_frame_written_again_changes_nothing(engine: Engine) -> None:
    for _ in range(3):
        append(engine, range(100), loss=[float(step) for step in range(100)])
    assert read_points(engine) == {step: float(step) for step in range(100)}
    with session_scope(engine) as session:
        series.compact(session, RUN)
    assert read_points(engine) == {step: float(step) for step in range(100)}
    assert segments_in(engine) == 1


def test_a_resumed_run_overwrites_what_it_repeats(engine: Engine) -> None:
    for step in range(60):
        append(engine, [step], loss=[1.0])
    for step in range(40, 80):  # from its checkpoint at 40
        append(engine, [step], loss=[2.0])
    assert read_points(engine) == {step: 1.0 if step < 40 else 2.0 for step in range(80)}


def test_live_points_are_gathered_into_few_segments(engine: Engine) -> None:
    for step in range(200):
        append(engine, [step], loss=[float(step)], accuracy=[step / 200])
    assert segments_in(engine) <= 2 * 33
    with session_scope(engine) as session:
        series.compact(session, RUN)
    assert segments_in(engine) == 2
    assert read_points(engine) == {step: float(step) for step in range(200)}


def test_a_run_that_is_over_is_stored_in_one_segment_per_metric(engine: Engine) -> None:
    with session_scope(engine) as session:
        run_id = external_runs.create(session, "logged by a script", {}).id
        for step in range(20):
            series.append(session, run_id, frame([step], loss=[1.0], accuracy=[0.5]))
        external_runs.finish(session, run_id)
    assert segments_in(engine) == 2


def test_a_follower_gets_every_point_once_in_a_while_twice_but_never_not(engine: Engine) -> None:
    for pause in (1, 7, 40):  # how many writes a follower sleeps through
        run = add_run(engine, f"follow{pause:04}")
        seen: dict[int, float] = {}
        cursor = delivered = 0
        for step in range(150):
            with session_scope(engine) as session:
                series.append(session, run, frame([step, step // 2], loss=[float(step), -float(step)]))
            if step % pause == 0 or step == 149:
                with reading_scope(engine) as session:
                    change = series.since(session, run, cursor)
                cursor = change.version
                delivered += len(change.curves["loss"].steps)
                steps, values = change.curves["loss"].steps.tolist(), change.curves["loss"].values.tolist()
                seen |= dict(zip(steps, values, strict=True))
        with reading_scope(engine) as session:
            curve = series.read(session, run)["loss"]
            assert series.since(session, run, cursor).curves == {}
        assert seen == dict(zip(curve.steps.tolist(), curve.values.tolist(), strict=True))
        if pause == 1:
            assert delivered == 299  # nobody who keeps up is sent a point again


def test_several_writers_at_once_lose_nothing(engine: Engine) -> None:
    def write(writer: int) -> None:
        for step in range(writer, 120, 4):
            append(engine, [step], loss=[float(step)], **{f"own{writer}": [1.0]})

    writers = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join()
    assert read_points(engine) == {step: float(step) for step in range(120)}
    with reading_scope(engine) as session:
        assert series.version(session, RUN) == 120
        assert series.names(session, RUN) == ["loss", "own0", "own1", "own2", "own3"]


def test_a_window_reads_its_steps_only(engine: Engine) -> None:
    append(engine, range(0, 20_000, 2), loss=[float(step) for step in range(0, 20_000, 2)])
    with reading_scope(engine) as session:
        window = series.read(session, RUN, ["loss"], first=9_001, last=9_010)["loss"]
        empty = series.read(session, RUN, ["loss", "unknown"], first=50_000)
    assert window.steps.tolist() == [9_002, 9_004, 9_006, 9_008, 9_010]
    assert len(empty["loss"].steps) == 0
    assert "unknown" not in empty


def test_a_table_of_runs_gets_the_latest_values_in_one_go(engine: Engine) -> None:
    other = add_run(engine, "bbbbbbbbbb")
    for step in range(20):
        append(engine, [step], loss=[float(step - 10)], accuracy=[math.nan])
    append(engine, [0, 19], loss=[0.0, 5.0])  # the least value, -10 at step 0, is overwritten
    with session_scope(engine) as session:
        series.append(session, other, frame([7], loss=[3.0], gone=[1.0]))
        found = series.latest(session, [RUN, other, "none000000"], ["loss", "accuracy"])
    assert found[RUN]["loss"] == series.Latest(step=19, value=5.0, min=-9.0, max=8.0)
    assert math.isnan(found[RUN]["accuracy"].value)
    assert (found[RUN]["accuracy"].min, found[RUN]["accuracy"].max) == (None, None)
    assert found[other] == {"loss": series.Latest(7, 3.0, 3.0, 3.0)}
    assert found["none000000"] == {}


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (MetricFrame([1, 2], [1.0], {"loss": [1.0, 2.0]}), "wall_time"),
        (MetricFrame([1], [1.0], {"loss": [1.0, 2.0]}), "values.loss"),
        (MetricFrame([1], [1.0], {"loss": ["1.0"]}), "values.loss"),  # type: ignore[list-item]
        (MetricFrame([1], [1.0], {"loss": [[1.0]]}), "values.loss"),  # type: ignore[list-item]
        (MetricFrame([-1], [1.0], {"loss": [1.0]}), "step"),
        (MetricFrame([1.5], [1.0], {"loss": [1.0]}), "step"),  # type: ignore[list-item]
        (MetricFrame([2**60], [1.0], {"loss": [1.0]}), "step"),
        (MetricFrame([10**30], [1.0], {"loss": [1.0]}), "step"),
        (MetricFrame([1], [math.nan], {"loss": [1.0]}), "wall_time"),
        (MetricFrame([1], [1.7e12], {"loss": [1.0]}), "wall_time"),
        (MetricFrame([1], [1.0], {" ": [1.0]}), "values. "),
    ],
)
def test_a_bad_frame_is_refused_by_field_and_leaves_nothing(
    sqlite_url: str, bad: MetricFrame, field: str
) -> None:
    engine = make_engine(sqlite_url)
    add_run(engine, RUN)
    with pytest.raises(InvalidInput) as caught, session_scope(engine) as session:
        series.append(session, RUN, bad)
    assert [problem.field for problem in caught.value.problems] == [field]
    with reading_scope(engine) as session:
        assert series.version(session, RUN) == 0
    engine.dispose()


def test_an_empty_frame_is_no_write(engine: Engine) -> None:
    assert append(engine, []) == 0
    assert append(engine, [], loss=[]) == 0


def test_too_few_points_to_draw_is_said_by_field(engine: Engine) -> None:
    with reading_scope(engine) as session, pytest.raises(InvalidInput, match="max_points"):
        series.read(session, RUN, max_points=3)


writes = st.lists(
    st.tuples(
        st.lists(st.integers(0, 300), min_size=1, max_size=40),
        st.booleans(),  # whether everything is compacted afterwards
    ),
    min_size=1,
    max_size=40,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(writes=writes)
def test_any_sequence_of_writes_reads_as_if_each_point_were_a_row(
    sqlite_files: SqliteFiles, monkeypatch: pytest.MonkeyPatch, writes: list[tuple[list[int], bool]]
) -> None:
    monkeypatch.setattr("backend.metrics.segment_rows.FULL", 16)  # so that few points make many segments
    monkeypatch.setattr("backend.metrics.compaction.FULL", 16)
    monkeypatch.setattr("backend.metrics.compaction.EVERY", 3)
    monkeypatch.setattr("backend.metrics.compaction.FRESH", 2)
    engine = make_engine(sqlite_files.new())
    add_run(engine, RUN)
    rows: dict[int, float] = {}
    followed: dict[int, float] = {}
    cursor = 0
    for number, (steps, compacted) in enumerate(writes):
        values = [number + place / 1000 for place in range(len(steps))]
        rows |= dict(zip(steps, values, strict=True))
        append(engine, steps, loss=values)
        with session_scope(engine) as session:
            if compacted:
                series.compact(session, RUN)
            if number % 3 == 0 or number == len(writes) - 1:
                change = series.since(session, RUN, cursor)
                cursor = change.version
                curve = change.curves["loss"]
                followed |= dict(zip(curve.steps.tolist(), curve.values.tolist(), strict=True))
    assert read_points(engine) == rows == followed
    with session_scope(engine) as session:
        latest = series.latest(session, [RUN], ["loss"])[RUN]["loss"]
        assert latest == series.Latest(max(rows), rows[max(rows)], min(rows.values()), max(rows.values()))
        series.compact(session, RUN)
        assert session.scalar(select(func.sum(Segment.count))) == len(rows)  # none stored twice
    engine.dispose()
