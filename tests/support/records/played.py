"""A play as a worker leaves it, without one."""

from __future__ import annotations

import time

from sqlalchemy import Engine, update
from sqlalchemy.orm import Session

from backend.data import service as datasets
from backend.db.session import session_scope
from backend.domain.arc.grid import Grid
from backend.domain.arc.judging import Candidate, judged
from backend.domain.arc.task import Task
from backend.domain.arc.votes import ActStep, ViewVote, trace_of
from backend.domain.play import Neighbour, Neighbours, PlayResult, json_of, parse_play
from backend.domain.records import TestOutcome
from backend.playground import claims
from backend.playground import service as plays
from backend.playground.claims import Claim
from backend.playground.tables import Play

VIEWS, ACT_STEPS = 8, 16
NEAR = (("00d62c1b", 0.31), ("0520fde7", 0.44), ("0ca9ddb6", 0.52), ("11852cab", 0.67), ("25d8a9c8", 0.71))
NEIGHBOURS = Neighbours(tuple(Neighbour("arc-agi-1/training", *each) for each in NEAR), 256)


def record_play(engine: Engine, run_id: str, set_name: str, task_id: str, cause: str = "") -> str:
    """The id of a kept play of a task of a set: answered, or with a `cause` failed."""
    with session_scope(engine) as session:
        task = datasets.task(session, set_name, task_id)
        asked = parse_play({"task": json_of(task), "name": task_id, "run": run_id, "views": VIEWS})
        play_id = plays.ask(session, asked).id
        plays.keep(session, play_id)
        own = update(Play).where(Play.id == play_id)
        session.execute(own.values(created_at=0.0))  # the next to be answered, whatever else waits
        held = take_play(session)
        assert held.play_id == play_id
        if cause:
            claims.fail(session, held, cause)
        else:
            claims.finish(session, held, answer_to(task))
        session.execute(own.values(created_at=time.time()))
    return play_id


def take_play(session: Session) -> Claim:
    """The play that has waited longest, in the hands of a worker that lives as long as the test."""
    held = claims.claim(session, "elsewhere.1.22.3")
    assert held is not None
    session.execute(update(Play).where(Play.id == held.play_id).values(lease_until=time.time() + 3600))
    return held


def answer_to(task: Task, neighbours: Neighbours | None = NEIGHBOURS) -> PlayResult:
    """What a worker makes of a task."""
    outcomes = tuple(_outcome(task, index) for index in range(len(task.tests)))
    return PlayResult(outcomes, "CPU, 2 threads", 1.4, 0.0, neighbours)


def _outcome(task: Task, index: int) -> TestOutcome:
    """Five of eight views are right; the others have one row too many of black."""
    test = task.tests[index]
    truth = test.output or test.input
    wrong = Grid((*truth.rows[:-1], (0,) * truth.width))
    grids = [truth if view in (0, 1, 3, 4, 6) else wrong for view in range(VIEWS)]
    votes = [ViewVote(view, view, "0123456789", grid, 0.9 - view / 20) for view, grid in enumerate(grids)]
    steps = [
        ActStep(step, truth if step > ACT_STEPS // 3 else wrong, step / (ACT_STEPS + 2))
        for step in range(1, ACT_STEPS + 1)
    ]
    ranked = [Candidate(truth, 5, 0.77), Candidate(wrong, 3, 0.66)]
    return TestOutcome(
        task.id,
        index,
        VIEWS,
        1,
        tuple(judged(rank, each, test) for rank, each in enumerate(ranked, 1)),
        trace=trace_of(votes, steps, [each.grid for each in ranked]),
    )
