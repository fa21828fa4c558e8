"""The recorder's promises on SQLite and PostgreSQL: nothing lost, nothing twice, nobody waits."""

from __future__ import annotations

import sqlite3
import statistics
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.engine import make_url

from backend.alerts import service as alarms
from backend.db.session import make_engine, reading_scope, session_scope
from backend.domain.arc.grid import Grid
from backend.domain.records import (
    Alarm,
    Checkpoint,
    EvaluationKey,
    EvaluationSummary,
    Prediction,
    Progress,
    Ruling,
    Score,
    TestOutcome,
)
from backend.evaluation import outcomes as predictions
from backend.hypothesis import service as hypotheses
from backend.metrics import service as series
from backend.queue import claims as queue
from backend.runs import checkpoints, events, logs
from backend.runs import queries as runs
from backend.runs.tables import Run
from backend.workers import lease
from tests.support.passing_time import elapse
from tests.support.records.rows import add_run
from worker.kit.recorder import LostRun
from worker.recording.database import DbRecorder

RUN = "aaaaaaaaaa"
KEY = EvaluationKey("arc-agi-1/evaluation", 20, "ema", 8, 4, ("task1",))
OUTCOME = TestOutcome("task1", 0, 8, 1, (Prediction(1, Grid.from_digits("12/34"), 7, 0.9, True, 1.0, None),))


@pytest.fixture
def recorder(engine: Engine, tmp_path: Path) -> DbRecorder:
    return claimed(engine, tmp_path)


def claimed(engine: Engine, artifacts: Path) -> DbRecorder:
    """A recorder of a run that was just claimed."""
    add_run(engine, RUN)
    return next_attempt(engine, artifacts)


def next_attempt(engine: Engine, artifacts: Path) -> DbRecorder:
    with session_scope(engine) as session:
        claim = queue.claim(session, RUN, "host.1.1.1")
    assert claim is not None
    return DbRecorder(engine, RUN, claim.attempt, artifacts)


def put_back(engine: Engine) -> None:
    """What the sweep does with a run whose worker fell silent."""
    elapse(engine, lease.SECONDS + 1)
    with session_scope(engine) as session:
        queue.put_back_lost(session)


def points(engine: Engine, name: str) -> dict[int, float]:
    with reading_scope(engine) as session:
        curve = series.read(session, RUN, [name])[name]
    assert len(set(curve.steps.tolist())) == len(curve.steps)
    return dict(zip(curve.steps.tolist(), curve.values.tolist(), strict=True))


def row(engine: Engine) -> Run:
    with reading_scope(engine) as session:
        run = runs.get(session, RUN)
    assert run is not None
    return run


def test_everything_a_training_emits_arrives(engine: Engine, recorder: DbRecorder, tmp_path: Path) -> None:
    (tmp_path / "run" / "20").mkdir(parents=True)
    recorder.progress(Progress("training", 10, 60, 5.0))
    for step in range(1, 21):
        recorder.metrics(step, {"loss": 1.0 / step, "odd": float(step)} if step % 2 else {"loss": 1.0 / step})
    recorder.metrics(21, {"loss": float("nan")})
    recorder.log("hello")
    recorder.log("careful", "warning")
    recorder.alarm(Alarm("collapse", 5, 0.1, 0.2, "collapsed at step 5"))
    recorder.alarm(Alarm("collapse", 6, 0.1, 0.2, "again"))
    ruling = Ruling(20, "refuted", "loss", 2.0, "stopped at step 20 by its stop rule: loss > 1")
    recorder.ruled(ruling)
    recorder.checkpoint(Checkpoint(20, "run/20", "0" * 64, 100))
    recorder.progress(Progress("evaluating", 1, 2))
    recorder.evaluation_started(KEY)
    recorder.outcome(KEY, OUTCOME)
    recorder.evaluation_finished(EvaluationSummary(KEY, {1: Score(1, 1)}))
    recorder.close()

    losses = points(engine, "loss")
    assert [losses[step] for step in range(1, 21)] == [1.0 / step for step in range(1, 21)]
    assert losses[21] != losses[21]
    assert points(engine, "odd") == {step: float(step) for step in range(1, 21, 2)}
    run = row(engine)
    assert (run.phase, run.done, run.total, run.seconds_left, run.step) == ("evaluating", 1, 2, None, 21)
    with reading_scope(engine) as session:
        assert [(line.level, line.text) for line in logs.tail(session, RUN)] == [
            ("info", "hello"),
            ("warning", "careful"),
        ]
        assert [alarm.step for alarm in alarms.list(session, RUN)] == [5]
        assert [event.text for event in events.list(session, RUN) if event.kind == "alarm"] == [
            "collapsed at step 5"
        ]
        assert hypotheses.ruling_of(session, RUN, run.attempt) == ruling
        kept = checkpoints.latest(session, RUN)
        assert kept is not None
        assert kept.step == 20
        [evaluation] = predictions.evaluations(session, RUN)
        assert evaluation.status == "finished"
        assert evaluation.passes[1] == Score(1, 1)
        assert predictions.outcomes(session, evaluation.id) == (OUTCOME,)


def test_a_flush_returns_when_all_is_written(engine: Engine, recorder: DbRecorder) -> None:
    for step in range(1, 501):
        recorder.metrics(step, {"loss": float(step)})
    recorder.flush()
    assert points(engine, "loss") == {step: float(step) for step in range(1, 501)}
    recorder.close()


def test_a_new_attempt_writes_the_same_steps_again_without_doubling_them(
    engine: Engine, recorder: DbRecorder, tmp_path: Path
) -> None:
    for step in range(1, 31):
        recorder.metrics(step, {"loss": float(step)})
    recorder.flush()
    put_back(engine)

    second = next_attempt(engine, tmp_path)
    for step in range(21, 41):  # from the checkpoint of step 20
        second.metrics(step, {"loss": -float(step)})
    second.close()

    written = points(engine, "loss")
    assert list(written) == list(range(1, 41))
    assert written == {step: float(step if step <= 20 else -step) for step in range(1, 41)}


def test_a_child_that_lost_its_run_writes_nothing_more_and_is_told(
    engine: Engine, recorder: DbRecorder, tmp_path: Path
) -> None:
    recorder.metrics(1, {"loss": 1.0})
    recorder.flush()
    put_back(engine)
    second = next_attempt(engine, tmp_path)

    recorder.metrics(2, {"loss": 2.0})
    recorder.log("too late")
    with pytest.raises(LostRun):
        recorder.flush()
    with pytest.raises(LostRun):
        recorder.metrics(3, {"loss": 3.0})
    second.close()

    assert points(engine, "loss") == {1: 1.0}
    with reading_scope(engine) as session:
        assert logs.tail(session, RUN) == []


def test_a_checkpoint_is_never_seen_before_the_points_that_precede_it(
    engine: Engine, recorder: DbRecorder, tmp_path: Path
) -> None:
    seen: list[tuple[int, int]] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            with reading_scope(engine) as session:
                kept = checkpoints.latest(session, RUN)
                curves = series.read(session, RUN, ["loss"])
            if kept is not None:
                seen.append((kept.step, int(curves["loss"].steps[-1])))

    watcher = threading.Thread(target=look)
    watcher.start()
    for step in range(1, 401):
        recorder.metrics(step, {"loss": float(step)})
        if step % 20 == 0:
            (tmp_path / "run" / str(step)).mkdir(parents=True)
            recorder.checkpoint(Checkpoint(step, f"run/{step}", "0" * 64, 1))
            recorder.flush()
    done.set()
    watcher.join()
    recorder.close()

    assert seen
    assert all(last_point >= checkpoint for checkpoint, last_point in seen)


def test_checkpoints_whose_files_were_removed_are_forgotten(
    engine: Engine, recorder: DbRecorder, tmp_path: Path
) -> None:
    for step in (10, 20, 30):
        folder = tmp_path / "run" / str(step)
        folder.mkdir(parents=True)
        recorder.checkpoint(Checkpoint(step, f"run/{step}", "0" * 64, 1))
        if step == 30:
            (tmp_path / "run" / "10").rmdir()
    recorder.close()
    with reading_scope(engine) as session:
        assert [each.step for each in checkpoints.list(session, RUN)] == [30, 20]


def test_what_is_released_again_while_the_database_is_away_is_removed_once(
    sqlite_url: str, tmp_path: Path
) -> None:
    """A training asks at each checkpoint for what still lies there: all of it comes in one batch."""
    engine = make_engine(sqlite_url)
    recorder = claimed(engine, tmp_path)
    removed: list[str] = []
    other = sqlite3.connect(str(make_url(sqlite_url).database), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for paths in (["run/10"], ["run/10", "run/20"], ["run/10", "run/20", "run/30"]):
        recorder.release(paths, removed.append)
    other.execute("COMMIT")
    recorder.flush()
    assert removed == ["run/10", "run/20", "run/30"]
    recorder.release(["run/20"], removed.append)  # it was on its way while the batch was stored
    recorder.close()
    assert removed[3:] == ["run/20"]
    other.close()
    engine.dispose()


def test_a_locked_database_makes_nobody_wait_and_loses_nothing(sqlite_url: str, tmp_path: Path) -> None:
    engine = make_engine(sqlite_url)
    recorder = claimed(engine, tmp_path)
    other = sqlite3.connect(str(make_url(sqlite_url).database), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    calls = []
    for step in range(1, 301):
        started = time.perf_counter()
        recorder.metrics(step, {"loss": float(step)})
        calls.append(time.perf_counter() - started)
    flushed = threading.Thread(target=recorder.flush)
    flushed.start()
    flushed.join(timeout=0.7)
    assert flushed.is_alive()  # nothing can be durable yet

    other.execute("COMMIT")
    flushed.join(timeout=30)

    assert not flushed.is_alive()
    assert statistics.median(calls) < 1e-4
    assert list(points(engine, "loss")) == list(range(1, 301))
    recorder.close()
    other.close()
    engine.dispose()


def test_recording_costs_a_step_less_than_a_tenth_of_a_millisecond(
    engine: Engine, recorder: DbRecorder
) -> None:
    values = {f"metric{number}": 0.5 for number in range(25)}
    calls = []
    ends = time.perf_counter() + 1.5  # several rounds of the writer
    step = 0
    while time.perf_counter() < ends:
        step += 1
        started = time.perf_counter()
        recorder.metrics(step, values)
        calls.append(time.perf_counter() - started)
        time.sleep(0.001)  # the step itself
    recorder.close()
    assert statistics.median(calls) < 1e-4
    assert len(points(engine, "metric0")) == step


def test_a_sample_of_the_machine_is_stored_and_moves_the_run_to_no_step(
    recorder: DbRecorder, engine: Engine
) -> None:
    recorder.metrics(10, {"loss": 1.0})
    recorder.metrics(9, {"system/cpu_utilisation": 0.5})  # it looked at the step just before
    recorder.close()
    with reading_scope(engine) as session:
        row = runs.get(session, RUN)
        assert row is not None
        assert row.step == 10
        assert series.read(session, RUN)["system/cpu_utilisation"].steps.tolist() == [9]
