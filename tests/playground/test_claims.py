"""Plays as rows: who may answer which, and what becomes of those that nobody answers."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, update

from backend.db import clock
from backend.db.session import reading_scope, session_scope
from backend.domain.config.presets import quick
from backend.domain.play import Neighbours, PlayResult, parse_play
from backend.domain.records import Checkpoint
from backend.kit.errors import Conflict, InvalidInput, NotFound, TooManyRequests
from backend.lifecycle import service as runs
from backend.playground import claims
from backend.playground import queries as rows
from backend.playground import service as plays
from backend.playground.claims import Claim
from backend.playground.tables import Play
from backend.playground.views import PlayView
from backend.runs import checkpoints
from tests.support.records.played import answer_to
from tests.support.records.rows import add_run

RUN = "aaaaaaaaaa"
PAIR = {"input": [[1, 2]], "output": [[2, 1]]}
TASK: dict[str, Any] = {"train": [PAIR, PAIR], "test": [PAIR]}
RESULT = PlayResult((), "CPU", 1.5, 0.5)


@pytest.fixture
def lab(engine: Engine) -> Engine:
    """A database with one run that has two checkpoints."""
    add_run(engine, RUN, config=quick().model_dump(mode="json"), status="finished")
    with session_scope(engine) as session:
        for step in (10, 20):
            checkpoints.add(session, RUN, Checkpoint(step, f"{RUN}/{step}", f"{step}" * 32, 1))
    return engine


def ask(engine: Engine, **changes: Any) -> PlayView:
    with session_scope(engine) as session:
        return plays.ask(session, parse_play({"task": TASK, "run": RUN, **changes}))


def view(engine: Engine, play_id: str) -> PlayView:
    with reading_scope(engine) as session:
        return plays.get(session, play_id)


def take(engine: Engine, worker: str = "host.1.2.3") -> Claim | None:
    with session_scope(engine) as session:
        return claims.claim(session, worker)


def taken(engine: Engine, worker: str = "host.1.2.3") -> Claim:
    held = take(engine, worker)
    assert held is not None
    return held


def age(engine: Engine, play_id: str, **columns: float) -> None:
    """Move what is stored into the past by so many seconds."""
    with session_scope(engine) as session:
        changes = {name: clock.now() - seconds for name, seconds in columns.items()}
        session.execute(update(Play).where(Play.id == play_id).values(**changes))


def test_plays_are_answered_in_turn_and_say_how_many_are_ahead(lab: Engine) -> None:
    first, second = ask(lab), ask(lab, step=10)
    assert (first.ahead, second.ahead) == (0, 1)
    assert (first.checkpoint.step, second.checkpoint.step) == (20, 10)
    assert "no worker is online" in second.waiting_for
    held = taken(lab)
    assert held == Claim(first.id, 1)
    assert (view(lab, first.id).status, view(lab, second.id).ahead) == ("running", 1)
    with session_scope(lab) as session:
        asked = claims.asked(session, held)
        assert asked is not None
        assert (asked.run_id, asked.step, asked.sha256) == (RUN, 20, "20" * 32)
        assert claims.finish(session, held, RESULT)
    found = view(lab, first.id)
    assert (found.status, found.seconds, found.device, found.is_over) == ("finished", 1.5, "CPU", False)
    assert (found.load_seconds, found.compute_seconds) == (0.5, 1.0)
    assert view(lab, second.id).ahead == 0
    with session_scope(lab) as session:
        claims.add_neighbours(session, first.id, Neighbours((), 0, "No encoder."))
    assert view(lab, first.id).is_over
    assert taken(lab).play_id == second.id
    assert take(lab) is None


def test_waiting_is_told_apart_from_the_work(lab: Engine) -> None:
    play = ask(lab)
    with session_scope(lab) as session:
        held = claims.claim(session, "host.1.2.3")
        assert held is not None
        claims.finish(session, held, RESULT)
    age(lab, play.id, created_at=10, finished_at=3)
    waited = view(lab, play.id).waited_seconds
    assert waited == pytest.approx(7 - RESULT.seconds, abs=0.01)


def test_neighbours_that_never_come_are_not_waited_for(lab: Engine) -> None:
    play = ask(lab)
    with session_scope(lab) as session:
        held = claims.claim(session, "host.1.2.3")
        assert held is not None
        claims.finish(session, held, RESULT)
    age(lab, play.id, finished_at=plays.COMPARED_WITHIN - 60)
    assert view(lab, play.id).neighbours is None
    age(lab, play.id, finished_at=plays.COMPARED_WITHIN + 60)
    found = view(lab, play.id)
    assert found.neighbours is not None
    assert found.neighbours.why_none.startswith("Not compared")
    assert found.is_over


def test_a_cancelled_play_is_nobodys_any_more(lab: Engine) -> None:
    play = ask(lab)
    held = taken(lab)
    with session_scope(lab) as session:
        assert plays.cancel(session, play.id).status == "cancelled"
    with session_scope(lab) as session:
        assert not claims.renew(session, held)
        assert claims.asked(session, held) is None
        assert not claims.finish(session, held, RESULT)
        assert not claims.interrupt(session, held, "its process ended")
    assert view(lab, play.id).status == "cancelled"
    waiting = ask(lab)
    with session_scope(lab) as session:
        plays.cancel(session, waiting.id)
    assert take(lab) is None


def test_a_play_that_ends_two_processes_fails_with_the_cause(lab: Engine) -> None:
    play = ask(lab)
    for attempt in (1, 2):
        held = taken(lab)
        assert held.attempt == attempt
        with session_scope(lab) as session:
            assert claims.interrupt(session, held, "killed by signal 9")
    found = view(lab, play.id)
    assert (found.status, found.status_cause) == ("failed", "killed by signal 9")


def test_a_worker_that_leaves_does_not_count(lab: Engine) -> None:
    ask(lab)
    for _ in range(3):
        held = taken(lab)
        assert held.attempt == 1
        with session_scope(lab) as session:
            assert claims.release(session, held, "the worker was stopped")


def test_an_answer_says_which_demonstrations_the_model_did_not_see(lab: Engine) -> None:
    assert quick().data.max_demonstrations == 3
    notes = {}
    for number in (3, 5):
        play = ask(lab, task={"train": [PAIR] * number, "test": [PAIR, {"input": [[1]]}]})
        with session_scope(lab) as session:
            held = claims.claim(session, "host.1.2.3")
            assert held is not None
            claims.finish(session, held, answer_to(play.request.read_task()))  # type: ignore[union-attr]
        notes[number] = [each.note for each in view(lab, play.id).answers]
    assert notes[3] == ["", ""]
    assert notes[5] == ["the encoder sees the first 3 of 5 demonstrations"] * 2


def test_what_lost_its_worker_waits_again(lab: Engine) -> None:
    play = ask(lab)
    held = taken(lab)
    with session_scope(lab) as session:
        assert claims.put_back_lost(session) == []
    age(lab, play.id, lease_until=1.0)
    with session_scope(lab) as session:
        assert claims.put_back_lost(session, count_lapsed=False) == []
        assert claims.put_back_lost(session) == [play.id]
        assert not claims.finish(session, held, RESULT)
    assert view(lab, play.id).status_cause == "its worker has not answered for 60 s"
    assert taken(lab, "host.9.9.9").attempt == 2
    with session_scope(lab) as session:
        assert claims.put_back_lost(session, lambda worker: worker == "host.9.9.9") == [play.id]
    assert view(lab, play.id).status == "failed"


def test_what_nobody_keeps_is_swept_after_a_day(lab: Engine) -> None:
    old, kept, held, new = (ask(lab).id for _ in range(4))
    for play_id in (old, kept):
        age(lab, play_id, created_at=plays.SWEPT_AFTER + 2)
    with session_scope(lab) as session:
        assert plays.keep(session, kept).kept
    age(lab, held, created_at=plays.SWEPT_AFTER + 3)
    assert taken(lab).play_id == held
    with session_scope(lab) as session:
        plays.sweep(session)
    with reading_scope(lab) as session:
        left = {play_id for play_id in (old, kept, held, new) if rows.get(session, play_id)}
    assert left == {kept, held, new}
    with pytest.raises(NotFound, match="not found"):
        view(lab, old)


def test_one_person_cannot_fill_the_queue(lab: Engine) -> None:
    waiting = [ask(lab).id for _ in range(plays.MAX_WAITING_OF_ONE)]
    with pytest.raises(TooManyRequests, match="4 tasks of yours already wait"):
        ask(lab)
    with session_scope(lab) as session:
        plays.cancel(session, waiting[0])
    ask(lab)


def test_a_run_is_chosen_by_its_name_where_only_one_has_it(lab: Engine) -> None:
    with session_scope(lab) as session:
        runs.edit(session, RUN, name="the only one")
    found = ask(lab, run="the only one")
    assert (found.checkpoint.run, found.request.run) == (RUN, RUN)
    with pytest.raises(NotFound, match=r"run: 'the only on' is neither .* Did you mean 'the only one'"):
        ask(lab, run="the only on")
    add_run(lab, "bbbbbbbbbb", name="the only one")
    with pytest.raises(Conflict, match=rf"run: 'the only one' is the name of 2 runs.*{RUN}"):
        ask(lab, run="the only one")


def test_what_cannot_be_asked_is_refused_before_anything_is_stored(lab: Engine) -> None:
    with pytest.raises(NotFound, match="run: 'nosuchrun1' is neither the id nor the name"):
        ask(lab, run="nosuchrun1")
    with pytest.raises(NotFound, match="no checkpoint of step 30"):
        ask(lab, step=30)
    with pytest.raises(InvalidInput) as refused:
        ask(lab, search={"kind": "gradeint"})
    assert "search" in refused.value.problems[0].field
    wide = {"input": [[0] * 30], "output": [[0]]}
    with pytest.raises(InvalidInput, match="needs a canvas of 30"):
        ask(lab, task={"train": [wide], "test": [PAIR]})
    add_run(lab, "external000", origin="external", status="running")
    with pytest.raises(Conflict, match="external run"):
        ask(lab, run="external000")
    assert take(lab) is None


def test_plays_go_with_their_run(lab: Engine) -> None:
    play = ask(lab)
    with session_scope(lab) as session:
        runs.delete(session, RUN)
    with reading_scope(lab) as session:
        assert rows.get(session, play.id) is None
