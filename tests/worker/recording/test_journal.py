"""The journal: what a killed process leaves, and that it reaches the database once and in order."""

from __future__ import annotations

import math
import resource
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import Engine

from backend.db.session import reading_scope, session_scope
from backend.domain.arc.grid import Grid
from backend.domain.arc.votes import OutcomeTrace, RankedVote
from backend.domain.histograms import Counted, Histogram
from backend.domain.records import (
    Alarm,
    Checkpoint,
    EvaluationKey,
    EvaluationSummary,
    FailureMode,
    LogLine,
    Prediction,
    Progress,
    Ruling,
    Score,
    TestOutcome,
)
from backend.domain.snapshots import ProbedTask, Snapshot
from backend.domain.trained_on import LeftOut, SetPart, TrainedOn
from backend.evaluation import outcomes as predictions
from backend.kit.errors import Unavailable
from backend.metrics import service as series
from backend.queue import claims as queue
from backend.runs import checkpoints, events, logs
from backend.workers import lease
from tests.support.passing_time import elapse
from tests.support.records.rows import add_run
from worker.kit.recorder import LostRun
from worker.recording.database import DbRecorder
from worker.recording.entries import Answered, Entry, Point, Started
from worker.recording.journal import FOLDER, Journal, batches, left_by, path_of
from worker.recording.replay import REFUSED, replay
from worker.recording.store import Store
from worker.recording.write_behind import WriteBehind

RUN = "aaaaaaaaaa"
KEY = EvaluationKey("arc-agi-1/evaluation", 20, "ema", 8, 4, ("task1",))
GRID = Grid.from_digits("12/34")
TRACE = OutcomeTrace((GRID,), (RankedVote(0, 0, "0123456789", 1, 0.5),))
OUTCOME = TestOutcome(
    "task1", 0, 8, None, (Prediction(1, GRID, 7, 0.9, False, 0.5, FailureMode.NEARLY_RIGHT),), "note", TRACE
)
ENTRIES: list[Entry] = [
    TrainedOn(2, {"a/b": SetPart(("t1",), ("t2",), (LeftOut("t3", "overlap", "holds t1"),))}, "run"),
    Point(1, 1.5, {"loss": 0.1, "accuracy": 1 / 3}),
    Point(2, 2.5, {"loss": math.inf, "accuracy": -0.0}),
    Point(3, 3.5, {"loss": 1e-300}),
    LogLine(4.5, "warning", "a line with \u2028 and \ud800"),
    Alarm("collapse", 3, 0.1, 0.2, "collapsed"),
    Ruling(3, "refuted", "loss", 2.0, "stopped at step 3"),
    Checkpoint(3, f"{RUN}/checkpoints/step-3", "0" * 64, 100),
    Started(KEY),
    Answered(KEY, OUTCOME),
    EvaluationSummary(KEY, {1: Score(0.5, 1), 2: Score(1, 1)}, {"nearly right": 1}, 2.5, {"x": [1]}),
    Snapshot(
        7,
        3.5,
        (ProbedTask("a/b", "t1", None, 1.0), ProbedTask("a/b", "t2", FailureMode.EMPTY, 0.25)),
        *(1, 1, 2, 0.5, bytes(range(8))),
    ),
    Counted(7, 3.5, {"weights/encoder": Histogram((-9, 0, 480), (1, 2, 3), nan=1, infinite=2)}),
]


def claimed(engine: Engine) -> int:
    """A run that was just claimed, or is again; its attempt."""
    with session_scope(engine) as session:
        claim = queue.claim(session, RUN, "host.1.1.1")
    assert claim is not None
    return claim.attempt


def next_attempt(engine: Engine) -> int:
    elapse(engine, lease.SECONDS + 1)
    with session_scope(engine) as session:
        queue.put_back_lost(session)
    return claimed(engine)


@pytest.fixture
def attempt(engine: Engine) -> int:
    add_run(engine, RUN)
    return claimed(engine)


def read(path: Path) -> list[Entry]:
    return [entry for _, entries in batches(path) for entry in entries]


def losses(engine: Engine) -> dict[int, float]:
    with reading_scope(engine) as session:
        curve = series.read(session, RUN, ["loss"])["loss"]
    return dict(zip(curve.steps.tolist(), curve.values.tolist(), strict=True))


def lines(engine: Engine) -> list[str]:
    with reading_scope(engine) as session:
        return [line.text for line in logs.tail(session, RUN)]


def left_behind(artifacts: Path, attempt: int, *batches_of_entries: Sequence[Entry]) -> Path:
    """The journal of a killed attempt."""
    journal = Journal(artifacts / RUN, attempt)
    for entries in batches_of_entries:
        journal.keep(entries)
    return path_of(artifacts / RUN, attempt)


def test_everything_is_read_as_it_was_written_but_progress(tmp_path: Path) -> None:
    path = left_behind(tmp_path, 1, ENTRIES[:4], [Progress("training", 1, 2), *ENTRIES[4:]])
    assert read(path) == ENTRIES


def test_a_line_that_a_kill_tore_off_does_not_count(tmp_path: Path) -> None:
    path = left_behind(tmp_path, 1, ENTRIES[1:2], ENTRIES[2:3])
    whole = path.read_bytes()
    for end in range(whole.index(b"\n") + 1, len(whole) - 1):
        path.write_bytes(whole[:end])
        assert read(path) == ENTRIES[1:2]


def test_what_the_database_has_taken_is_removed_and_the_rest_stays(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 1)
    path = path_of(tmp_path, 1)
    first = journal.keep(ENTRIES[1:2])
    second = journal.keep(ENTRIES[2:3])
    journal.stored(first)
    assert read(path)[-1:] == ENTRIES[2:3]
    journal.stored(second)
    assert path.read_bytes() == b""
    journal.keep(ENTRIES[3:4])
    assert read(path) == ENTRIES[3:4]
    journal.close()
    assert read(path) == ENTRIES[3:4]
    assert left_by(tmp_path, 1) == [(1, path)]


def test_a_journal_whose_batches_are_all_stored_is_removed_at_the_end(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 1)
    journal.stored(journal.keep(ENTRIES))
    journal.close()
    assert not (tmp_path / FOLDER).exists()


def test_a_full_journal_keeps_the_oldest_batches_and_goes_on_when_all_are_stored(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal(tmp_path, 1, most=600)
    path = path_of(tmp_path, 1)
    numbers = [journal.keep([Point(step, 0.0, {"loss": 1.0})]) for step in range(1, 20)]
    kept = [entry.step for entry in read(path) if isinstance(entry, Point)]
    assert kept == list(range(1, len(kept) + 1))
    assert 1 < len(kept) < 19
    assert path.stat().st_size <= 600
    assert caplog.text.count("No journal until") == 1
    journal.stored(numbers[-1])
    journal.keep([Point(20, 0.0, {"loss": 1.0})])
    assert read(path) == [Point(20, 0.0, {"loss": 1.0})]


def test_a_disk_without_room_leaves_whole_batches(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    journal = Journal(tmp_path, 1)
    path = path_of(tmp_path, 1)
    journal.keep([Point(1, 0.0, {"loss": 1.0})])
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 20, before[1]))
    try:
        journal.keep([Point(2, 0.0, {"loss": 1.0})])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    journal.keep([Point(3, 0.0, {"loss": 1.0})])
    assert path.read_bytes().count(b"\n") == 1
    assert read(path) == [Point(1, 0.0, {"loss": 1.0})]


def test_the_next_attempt_stores_what_the_killed_one_had_not(
    engine: Engine, attempt: int, tmp_path: Path
) -> None:
    (tmp_path / RUN / "checkpoints" / "step-3").mkdir(parents=True)
    path = left_behind(tmp_path, attempt, ENTRIES[:5], ENTRIES[5:])
    second = next_attempt(engine)

    assert replay(engine, tmp_path, RUN, second) == 2
    assert replay(engine, tmp_path, RUN, second) == 0

    assert not path.exists()
    assert losses(engine) == {1: 0.1, 2: math.inf, 3: 1e-300}
    assert len(lines(engine)) == 1
    with reading_scope(engine) as session:
        assert [each.step for each in checkpoints.list(session, RUN)] == [3]
        assert [event.kind for event in events.list(session, RUN)].count("alarm") == 1
        [evaluation] = predictions.evaluations(session, RUN)
        assert (evaluation.status, evaluation.passes[1]) == ("finished", Score(0.5, 1))
        assert [each.task_id for each in predictions.outcomes(session, evaluation.id)] == ["task1"]


def test_a_batch_whose_commit_was_not_heard_of_is_stored_once(
    engine: Engine, attempt: int, tmp_path: Path
) -> None:
    store = Store(engine, tmp_path, RUN, attempt)
    tries: list[int] = []

    def write(entries: Sequence[Entry], number: int) -> None:
        store.write(entries, number)
        tries.append(number)
        if len(tries) == 1:
            raise Unavailable("The connection was cut while the answer to the commit was on its way.")

    waiting = WriteBehind(write, Journal(tmp_path / RUN, attempt))
    waiting.put(LogLine(1.0, "info", "once"))
    waiting.close()
    assert len(tries) == 2
    assert lines(engine) == ["once"]


def test_a_batch_that_the_killed_process_had_stored_is_not_stored_again(
    engine: Engine, attempt: int, tmp_path: Path
) -> None:
    journal = Journal(tmp_path / RUN, attempt)
    stored = journal.keep([LogLine(1.0, "info", "stored")])
    Store(engine, tmp_path, RUN, attempt).write([LogLine(1.0, "info", "stored")], stored)
    journal.keep([LogLine(2.0, "info", "waiting")])

    replay(engine, tmp_path, RUN, next_attempt(engine))
    assert lines(engine) == ["stored", "waiting"]


def test_an_old_journal_that_comes_back_changes_nothing(engine: Engine, attempt: int, tmp_path: Path) -> None:
    """Of a host that was away: a later attempt has written since."""
    old = left_behind(tmp_path, attempt, [Point(1, 0.0, {"loss": -1.0})])
    second = next_attempt(engine)
    recorder = DbRecorder(engine, RUN, second, tmp_path / "another-host")
    recorder.metrics(1, {"loss": 1.0})
    recorder.close()

    replay(engine, tmp_path, RUN, second)
    assert losses(engine) == {1: 1.0}
    assert not old.exists()


def test_who_does_not_have_the_run_replays_nothing(engine: Engine, attempt: int, tmp_path: Path) -> None:
    path = left_behind(tmp_path, attempt, [LogLine(1.0, "info", "late")])
    next_attempt(engine)
    with pytest.raises(LostRun):
        replay(engine, tmp_path, RUN, attempt)
    assert path.exists()
    assert lines(engine) == []


def test_what_the_database_refuses_for_good_is_put_aside(
    engine: Engine, attempt: int, tmp_path: Path
) -> None:
    path = left_behind(tmp_path, attempt, [Point(-1, 0.0, {"": 1.0})], [LogLine(1.0, "info", "later")])
    replay(engine, tmp_path, RUN, attempt)
    assert not path.exists()
    assert path.with_name(path.name + REFUSED).exists()


def test_what_another_version_wrote_is_put_aside_and_not_lost(
    engine: Engine, attempt: int, tmp_path: Path
) -> None:
    path = left_behind(tmp_path, attempt, [LogLine(1.0, "info", "ours")])
    with path.open("ab") as lines_of:
        lines_of.write(b'[9,[["a kind of tomorrow",{}]]]\n')
    replay(engine, tmp_path, RUN, attempt)
    assert lines(engine) == ["ours"]
    assert b"tomorrow" in path.with_name(path.name + REFUSED).read_bytes()


def test_a_journal_that_cannot_be_read_stays_for_the_next_attempt(
    engine: Engine, attempt: int, tmp_path: Path
) -> None:
    path = left_behind(tmp_path, attempt, [LogLine(1.0, "info", "kept")])
    away = path.rename(path.with_name("away"))
    path.mkdir()  # reading it is an OSError, as of a disk that is broken
    with pytest.raises(IsADirectoryError):
        replay(engine, tmp_path, RUN, attempt)
    path.rmdir()
    away.rename(path)
    replay(engine, tmp_path, RUN, attempt)
    assert lines(engine) == ["kept"]
