"""Histograms of a run: stored once, thinned as it grows, gone with it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from backend.db.session import reading_scope, session_scope
from backend.domain.histograms import Counted, Histogram
from backend.histograms import service as histograms
from backend.histograms.service import KEPT, MAX_COLUMNS, MAX_NAMES, Column
from backend.histograms.tables import HistogramColumn
from backend.kit.errors import InvalidInput
from backend.lifecycle import service as runs
from backend.queue import claims as queue
from tests.support.records.rows import add_run
from worker.recording.journal import Journal
from worker.recording.replay import replay
from worker.recording.store import Store

RUN = "aaaaaaaaaa"
PLAIN = Histogram((-500, -3, 0, 480), (2, 1, 7, 5), nan=1)


@pytest.fixture(autouse=True)
def _run(engine: Engine) -> None:
    add_run(engine, RUN, status="finished")


def append(engine: Engine, *steps: int, name: str = "weights/encoder", histogram: Histogram = PLAIN) -> None:
    with session_scope(engine) as session:
        histograms.append(session, RUN, [Counted(step, 1000.0 + step, {name: histogram}) for step in steps])


def read(engine: Engine, name: str = "weights/encoder") -> list[Column]:
    with reading_scope(engine) as session:
        return histograms.read(session, RUN, name)


def test_what_was_written_is_read_and_the_last_of_one_step_counts(engine: Engine) -> None:
    append(engine, 1, 100)
    other = Histogram((4,), (9,), infinite=2)
    append(engine, 100, histogram=other)
    append(engine, 7, name="mine", histogram=Histogram((), (), nan=4))
    assert read(engine) == [
        Column(1, 1001.0, PLAIN, -500, 480, 1),
        Column(100, 1100.0, other, 4, 4, 2),
    ]
    assert read(engine, "mine") == [Column(7, 1007.0, Histogram((), (), nan=4), None, None, 4)]
    with reading_scope(engine) as session:
        assert histograms.last_steps(session, RUN) == {"weights/encoder": 100, "mine": 7}


def test_a_long_run_keeps_few_columns_and_every_extreme(engine: Engine) -> None:
    low, high = Histogram((-900, 3), (1, 1)), Histogram((3, 950), (1, 1))
    spikes = {137: low, 911: high, 1502: Histogram((), (), nan=8)}
    for start in range(0, 2000, 40):
        steps = [step for step in range(start, start + 40) if step not in spikes]
        append(engine, *steps)
        for step in spikes.keys() & range(start, start + 40):
            append(engine, step, histogram=spikes[step])
    columns = read(engine)
    assert KEPT / 3 < len(columns) <= MAX_COLUMNS
    assert (columns[0].step, columns[-1].step) == (0, 1999)
    assert max(b.step - a.step for a, b in pairwise(columns)) < 2000 / 40
    assert min(each.low for each in columns if each.low is not None) == -900
    assert max(each.high for each in columns if each.high is not None) == 950
    assert max(each.not_finite for each in columns) == 8
    assert all(each.histogram in (PLAIN, *spikes.values()) for each in columns)


def test_a_run_has_few_names_and_each_is_a_name(engine: Engine) -> None:
    with pytest.raises(InvalidInput, match="not written"):
        append(engine, 1, name="a,b")
    with session_scope(engine) as session:
        counted = [Counted(1, 0.0, {f"layer {number}": PLAIN for number in range(MAX_NAMES)})]
        histograms.append(session, RUN, counted)
    append(engine, 2, name="layer 3")
    with pytest.raises(InvalidInput) as refused:
        append(engine, 2, name="one more")
    assert refused.value.problems[0].field == "name"


def test_they_go_with_the_run(engine: Engine) -> None:
    append(engine, 1, 2, 3)
    with session_scope(engine) as session:
        runs.delete(session, RUN)
    with reading_scope(engine) as session:
        assert session.scalar(select(func.count()).select_from(HistogramColumn)) == 0


def test_a_killed_workers_histograms_are_stored_once(engine: Engine, tmp_path: Path) -> None:
    """Of two batches in its journal the first was stored, and nobody heard of it."""
    worked_on = add_run(engine, "bbbbbbbbbb")
    with session_scope(engine) as session:
        claim = queue.claim(session, worked_on, "host.1.1.1")
    assert claim is not None
    journal = Journal(tmp_path / worked_on, claim.attempt)
    first = [Counted(100, 5.0, {"weights/encoder": PLAIN})]
    number = journal.keep(first)
    Store(engine, tmp_path, worked_on, claim.attempt).write(first, number)
    journal.keep([Counted(200, 6.0, {"weights/encoder": PLAIN, "context/values": PLAIN})])
    assert replay(engine, tmp_path, worked_on, claim.attempt) == 2
    with reading_scope(engine) as session:
        columns = histograms.read(session, worked_on, "weights/encoder")
        assert [each.step for each in columns] == [100, 200]
        assert histograms.last_steps(session, worked_on) == {"context/values": 200, "weights/encoder": 200}
