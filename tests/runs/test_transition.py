"""A change of status: legal or refused, one winner, and an event for each."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import pytest
from sqlalchemy import Engine

from backend.db.session import session_scope
from backend.kit.errors import Conflict, IllegalTransition
from backend.runs import events
from backend.runs import queries as runs
from backend.runs.status import EVALUATION, RUN_LIVES, Life, RunStatus, may_follow
from backend.runs.transition import transition_run
from backend.scores.tables import Evaluation
from backend.scores.transition import transition_evaluation
from tests.support.records.rows import add_run

RUN = "aaaaaaaaaa"
PAIRS = list(product(RunStatus, RunStatus))


def legal(life: Life) -> list[tuple[RunStatus, RunStatus]]:
    return [(before, after) for before, after in PAIRS if may_follow(before, after, life)]


def illegal(life: Life) -> list[tuple[RunStatus, RunStatus]]:
    return [pair for pair in PAIRS if pair not in legal(life)]


def told(engine: Engine) -> list[tuple[str, str]]:
    with session_scope(engine) as session:
        return [(event.kind, event.text) for event in events.list(session, RUN)]


def status(engine: Engine) -> str:
    with session_scope(engine) as session:
        run = runs.get(session, RUN)
    assert run is not None
    return run.status


@pytest.mark.parametrize("origin", RUN_LIVES)
def test_every_step_of_a_run_is_taken_and_noted_or_refused_without_a_trace(
    engine: Engine, origin: str
) -> None:
    add_run(engine, RUN, origin=origin)
    life = RUN_LIVES[origin]
    for before, after in PAIRS:
        with session_scope(engine) as session:
            run = runs.get(session, RUN)
            assert run is not None
            run.status = before  # what only a test may do
        known = told(engine)
        text = f"{before} to {after}"
        if may_follow(before, after, life):
            with session_scope(engine) as session:
                assert transition_run(session, RUN, (before,), after, text, origin=origin, phase="new")
            assert told(engine) == [*known, (after, text)]
            assert status(engine) == after
        else:
            with session_scope(engine) as session, pytest.raises(IllegalTransition, match=before):
                transition_run(session, RUN, (before,), after, text, origin=origin)
            assert (status(engine), told(engine)) == (before, known)


def test_what_is_over_stays_over_unless_somebody_resumes_it() -> None:
    for life in (*RUN_LIVES.values(), EVALUATION):
        for before, after in legal(life):
            if before.is_over:
                assert after in (RunStatus.QUEUED, RunStatus.RUNNING)
    assert not any(before is RunStatus.FINISHED for before, _ in legal(RUN_LIVES["training"]))
    # A script that was killed comes back under the id of its run.
    assert {after for before, after in legal(RUN_LIVES["external"]) if before.is_over} == {RunStatus.RUNNING}


def test_a_refusal_is_a_conflict_in_words(engine: Engine) -> None:
    add_run(engine, RUN)
    with session_scope(engine) as session, pytest.raises(Conflict, match="What is finished cannot become"):
        transition_run(session, RUN, (RunStatus.FINISHED,), RunStatus.RUNNING, "no")


def test_an_evaluation_takes_legal_steps_and_tells_its_run(engine: Engine) -> None:
    add_run(engine, RUN)
    with session_scope(engine) as session:
        row = Evaluation(
            run_id=RUN, set_name="s", step=1, weights="ema", views=1, act_steps=1, tasks_digest="",
            task_ids=[], status="queued", created_at=0.0,
        )  # fmt: skip
        session.add(row)
        session.flush()
        for before, after in illegal(EVALUATION):
            with pytest.raises(IllegalTransition):
                transition_evaluation(session, row, (before,), after, "never")
        assert transition_evaluation(session, row, (RunStatus.QUEUED,), RunStatus.RUNNING, "begins")
        assert row.status == "running"  # what is loaded already knows it
        assert not transition_evaluation(session, row, (RunStatus.QUEUED,), RunStatus.RUNNING, "again")
        assert transition_evaluation(session, row, (RunStatus.RUNNING,), RunStatus.FINISHED)
    assert told(engine) == [("evaluation", f"Evaluation {row.id} begins.")]


def test_of_changes_at_once_one_wins_and_leaves_its_event(engine: Engine) -> None:
    add_run(engine, RUN)
    start = threading.Barrier(8)
    ends = (RunStatus.RUNNING, RunStatus.CANCELLED)

    def change(number: int) -> bool:
        start.wait()
        with session_scope(engine) as session:
            to = ends[number % 2]
            return transition_run(session, RUN, (RunStatus.QUEUED,), to, f"by {number}")

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(change, range(8)))

    assert won.count(True) == 1
    winner = won.index(True)
    assert told(engine) == [(ends[winner % 2], f"by {winner}")]
    assert status(engine) == ends[winner % 2]


def test_an_attempt_that_is_not_the_newest_changes_nothing(engine: Engine) -> None:
    add_run(engine, RUN, status=RunStatus.RUNNING, attempt=3)
    with session_scope(engine) as session:
        assert not transition_run(session, RUN, (RunStatus.RUNNING,), RunStatus.FAILED, "late", on_attempt=2)
    assert (status(engine), told(engine)) == ("running", [])
