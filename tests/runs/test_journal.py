"""Events, log lines, alarms and checkpoints of a run."""

from __future__ import annotations

import math
import threading

import pytest
from sqlalchemy import Engine

from backend.alerts import service as alarms
from backend.db.session import reading_scope, session_scope
from backend.domain.records import Alarm, Checkpoint, LogLine
from backend.runs import checkpoints, events, logs
from tests.support.records.rows import add_run

RUN = "aaaaaaaaaa"


@pytest.fixture(autouse=True)
def _run(engine: Engine) -> None:
    add_run(engine, RUN)


def test_events_come_in_order_and_after_a_cursor(engine: Engine) -> None:
    with session_scope(engine) as session:
        events.add(session, RUN, "queued", "Queued.")
        events.add(session, RUN, "claimed", "Claimed by gpu1.", {"worker": "gpu1"}, wall_time=5.0)
        first, second = events.list(session, RUN)
        assert (first.kind, second.data, second.wall_time) == ("queued", {"worker": "gpu1"}, 5.0)
        assert events.list(session, RUN, after_id=first.id) == [second]


def test_lines_that_are_sent_again_are_added_once_however_old_they_are(engine: Engine) -> None:
    lines = [LogLine(float(n), "info", f"line {n}") for n in range(10)]
    with session_scope(engine) as session:
        assert logs.append_once(session, RUN, lines, among=3) == 10
        assert logs.append_once(session, RUN, lines[:2], among=3) == 0
        assert logs.append_once(session, RUN, [LogLine(1.0, "info", "another")], among=3) == 1
        assert logs.append_once(session, RUN, [LogLine(10.0, "info", "line 9"), lines[9]], among=3) == 1
        assert logs.append_once(session, RUN, [], among=3) == 0
        assert len(logs.tail(session, RUN)) == 12


def test_a_log_is_followed_line_by_line(engine: Engine) -> None:
    with session_scope(engine) as session:
        logs.append(session, RUN, [LogLine(float(n), "info", f"line {n}") for n in range(10)])
        newest = logs.tail(session, RUN, limit=3)
        assert [line.text for line in newest] == ["line 7", "line 8", "line 9"]
        logs.append(session, RUN, [LogLine(10.0, "error", "loss is NaN\x00")])
        new = logs.tail(session, RUN, after_id=newest[-1].id)
        assert [(line.level, line.text) for line in new] == [("error", "loss is NaN\ufffd")]
        page = logs.tail(session, RUN, after_id=0, limit=4)
        assert [line.text for line in page] == ["line 0", "line 1", "line 2", "line 3"]


def test_a_follower_misses_no_line_while_several_write(engine: Engine) -> None:
    def write(writer: int) -> None:
        for number in range(25):
            with session_scope(engine) as session:
                logs.append(session, RUN, [LogLine(0.0, "info", f"{writer}/{number}")] * 2)

    writers = [threading.Thread(target=write, args=(writer,)) for writer in range(3)]
    for thread in writers:
        thread.start()
    seen: list[str] = []
    after, writing = 0, True
    while writing:
        writing = any(thread.is_alive() for thread in writers)
        with reading_scope(engine) as session:
            new = logs.tail(session, RUN, after_id=after)
        seen += [line.text for line in new]
        after = new[-1].id if new else after
    assert sorted(seen) == sorted([f"{writer}/{n}" for writer in range(3) for n in range(25)] * 2)


def test_an_alarm_is_raised_once_and_keeps_its_first_evidence(engine: Engine) -> None:
    first = Alarm("loss not finite", step=10, value=math.nan, threshold=0.0, text="The loss is NaN.")
    later = Alarm("loss not finite", step=20, value=math.inf, threshold=0.0, text="Again.")
    with session_scope(engine) as session:
        assert alarms.raise_once(session, RUN, first)
        assert not alarms.raise_once(session, RUN, later)
    with reading_scope(engine) as session:
        (kept,) = alarms.list(session, RUN)
        assert (kept.step, kept.text, kept.threshold) == (10, "The loss is NaN.", 0.0)
        assert math.isnan(kept.value)


def test_a_checkpoint_written_again_replaces_the_first(engine: Engine) -> None:
    with session_scope(engine) as session:
        assert checkpoints.latest(session, RUN) is None
        for step, sha in ((100, "a"), (200, "b"), (100, "c")):
            checkpoints.add(session, RUN, Checkpoint(step, f"{RUN}/{step}", sha, 7))
        assert [(row.step, row.sha256) for row in checkpoints.list(session, RUN)] == [(200, "b"), (100, "c")]
        checkpoints.forget(session, RUN, [200])
        newest = checkpoints.latest(session, RUN)
        assert newest is not None
        assert newest.step == 100
