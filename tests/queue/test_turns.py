"""People take turns: runs of equal priority start in fair order, within everybody's limits."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest
from sqlalchemy import Engine, delete
from sqlalchemy.orm import Session

from backend.db.session import make_engine, reading_scope, session_scope
from backend.domain.people import Identity, Role
from backend.people import service as accounts
from backend.people.tables import Person
from backend.queue import board as queue_board
from backend.queue import claims as queue
from backend.queue import order as queue_order
from backend.queue import sweep as queue_sweep
from backend.queue import wait as queue_wait
from backend.runs import order_queries
from backend.runs.tables import Run
from backend.web.visitor import who
from backend.workers import service as workers
from backend.workers.capability import Offer
from tests.support.passing_time import elapse
from tests.support.records.rows import add_run

CASES = 40
ANA, BO, CY = 1, 2, 3
NAMES = {ANA: "ana", BO: "bo", CY: "cy"}


class Waiting(NamedTuple):
    id: str
    priority: int
    position: float
    person: int  # 0: nobody


def one_after_the_other(
    waiting: Sequence[Waiting],
    running: Mapping[int, int],
    limits: Mapping[int, int | None],
    served: Mapping[int, float],
) -> list[str]:
    """The order as its definition has it: take a run, count it as running, and choose again."""
    left = sorted(waiting, key=lambda run: (-run.priority, run.position))
    count, last, taken = Counter(running), dict(served), []
    while free := [
        run for run in left if not limits.get(run.person) or count[run.person] < limits[run.person]
    ]:
        firsts = {run.person: run for run in reversed(free) if run.priority == free[0].priority}
        run = min(
            firsts.values(), key=lambda run: (count[run.person], last.get(run.person, 0.0), run.position)
        )
        taken.append(run.id)
        left.remove(run)
        count[run.person] += 1
        last[run.person] = 1e9 + len(taken)
    return taken


def add_people(session: Session, limits: Mapping[int, int | None] | None = None) -> None:
    for person, name in NAMES.items():
        limit = (limits or {}).get(person)
        session.add(Person(id=person, name=name, role="editor", created_at=0.0, limit_running=limit))
    session.flush()


@pytest.fixture
def people(engine: Engine) -> Engine:
    with session_scope(engine) as session:
        add_people(session)
    return engine


def add(engine: Engine, person: int, *names: str, **columns: object) -> None:
    """Queue runs of a person, their places in the order of their names."""
    for name in names:
        at = float(ord(name[0]))
        add_run(engine, name, owner_id=person or None, queue_position=at, **columns)


def order(engine: Engine) -> str:
    with reading_scope(engine) as session:
        return "".join(each.id for each in order_queries.queued(session))


def take(engine: Engine) -> str | None:
    with session_scope(engine) as session:
        held = queue.claim(session, None, "host.1.1.1")
        return held.run_id if held else None


def finish(engine: Engine, run_id: str) -> None:
    with session_scope(engine) as session:
        assert queue.finish(session, queue.Claim(run_id, 1))


def reasons(engine: Engine) -> dict[str, list[str]]:
    with reading_scope(engine) as session:
        return {each.run.id: each.run.waiting_reasons for each in queue_board.read(session).waiting}


def scenario(session: Session, rng: random.Random) -> list[str]:
    """A lab in any state; the runs that may start, in the order in which they should."""
    session.execute(delete(Run))
    session.execute(delete(Person))
    limits = {person: rng.choice((None, None, 0, 1, 2, 4)) for person in NAMES}
    add_people(session, limits)
    people = range(rng.randint(1, 4))
    places = rng.sample(range(1000), 14)
    waiting = [
        Waiting(f"r{at:02}", rng.choice((0, 0, 0, 1, -1)), float(places[at]), rng.choice(people))
        for at in range(rng.randint(0, 14))
    ]
    running: Counter[int] = Counter()
    served: dict[int, float] = {}
    common = {"name": "a run", "config": {}, "created_at": 0.0}
    for run in waiting:
        at = {"priority": run.priority, "queue_position": run.position, "owner_id": run.person or None}
        session.add(Run(id=run.id, status="queued", **common, **at))
    for at in range(rng.randint(0, 5)):
        person, status = rng.choice(people), rng.choice(("running", "cancelling", "finished"))
        taken = rng.randint(1, 50) + at / 100
        session.add(Run(id=f"t{at}", status=status, claimed_at=taken, owner_id=person or None, **common))
        served[person] = max(served.get(person, 0.0), taken)
        running[person] += status != "finished"
    session.add(Run(id="script", status="running", origin="external", owner_id=ANA, **common))  # no worker's
    session.flush()
    return one_after_the_other(waiting, running, limits, served)


def test_the_order_in_sql_is_that_of_taking_one_run_after_the_other(engine: Engine) -> None:
    for seed in range(CASES):
        with session_scope(engine) as session:
            expected = scenario(session, random.Random(seed))
            found = order_queries.queued(session)
        assert [each.id for each in found][: len(expected)] == expected, f"seed {seed}"
        assert all(each.is_held for each in found[len(expected) :]), f"seed {seed}"
        assert not any(each.is_held for each in found[: len(expected)]), f"seed {seed}"


def test_workers_take_runs_in_the_order_that_is_shown(engine: Engine) -> None:
    for seed in range(CASES // 4):
        with session_scope(engine) as session:
            expected = scenario(session, random.Random(seed))
        taken = [take(engine) for _ in expected]
        assert taken == expected, f"seed {seed}"
        assert take(engine) is None, "what is above a limit waits"


def test_without_people_runs_are_taken_by_place_as_ever(engine: Engine) -> None:
    add(engine, 0, "c", "a", "b")
    add_run(engine, "running", status="running")
    assert order(engine) == "abc"
    assert all("goes first" not in reason for each in reasons(engine).values() for reason in each)


def test_people_with_one_worker_take_turns_and_nobody_starves(people: Engine) -> None:
    add(people, ANA, "a", "b", "c", "d")
    add(people, BO, "x", "y")
    add(people, CY, "z")
    taken = []
    while run_id := take(people):
        taken.append(run_id)
        finish(people, run_id)
    assert "".join(taken) == "axzbycd"  # whoever has waited longest for a turn has it


def test_whoever_has_fewer_runs_running_goes_first_and_the_page_says_why(people: Engine) -> None:
    add(people, ANA, "a", "b", "c")
    assert [take(people), take(people)] == ["a", "b"]
    add(people, BO, "x", "y")
    assert order(people) == "xyc"
    assert "bo goes first: ana has 2 runs running, bo 0" in reasons(people)["c"]
    assert not any("goes first" in reason for reason in reasons(people)["x"])
    assert take(people) == "x"


def test_priority_goes_before_turns(people: Engine) -> None:
    add(people, ANA, "a", "b")
    add(people, BO, "x")
    with session_scope(people) as session:
        queue_order.prioritise(session, "a", "high")
        queue_order.prioritise(session, "b", "high")
    assert order(people) == "abx"


def test_a_move_changes_the_order_among_ones_own_runs(people: Engine) -> None:
    add(people, ANA, "a", "b", "c")
    add(people, BO, "x", "y")
    assert order(people) == "axbyc"
    with session_scope(people) as session:
        assert queue_order.move(session, "c", 2) == 3  # behind a; but then it is bo's turn
    assert order(people) == "axcyb"
    with session_scope(people) as session:
        assert queue_order.move(session, "y", 1) == 2
    assert order(people) == "aycxb"


def test_runs_that_a_limit_holds_and_others_move_past_each_other_without_a_priority(people: Engine) -> None:
    with session_scope(people) as session:
        accounts.limit(session, "ana", {"running": 1})
    add(people, ANA, "a")
    assert take(people) == "a"
    add(people, BO, "x", "y")
    add(people, ANA, "h", priority=1)
    assert order(people) == "xyh"
    with session_scope(people) as session:
        queue_order.move(session, "x", 2)
        queue_order.move(session, "h", 3)
    assert order(people) == "yxh"
    with reading_scope(people) as session:
        assert [each.priority for each in order_queries.queued(session)] == [0, 0, 1]


def test_beyond_a_limit_runs_wait_and_the_reason_names_it(people: Engine) -> None:
    sign = workers.WorkerBeat("host.1.1.1", "host", 1, "cpu", "a CPU", 2**34, None, 0.0)
    with session_scope(people) as session:
        accounts.limit(session, "ana", {"running": 1})
        workers.beat(session, sign)
    add(people, ANA, "a", "b", "c")
    add(people, BO, "x")
    assert take(people) == "a"
    assert order(people) == "xbc"
    assert "ana may have 1 run at once: 1 running" in reasons(people)["b"]
    assert "ana may have 1 run at once: 1 running, 1 ahead" in reasons(people)["c"]
    assert not any("will start" in reason for reason in reasons(people)["b"])
    assert [take(people), take(people)] == ["x", None]
    elapse(people, 60)
    with session_scope(people) as session:
        workers.beat(session, sign)
        assert queue_sweep.sweep(session, count_lapsed=False).runs == []  # no worker is woken for nothing
    finish(people, "a")
    with session_scope(people) as session:
        workers.beat(session, sign)
        assert queue_sweep.sweep(session, count_lapsed=False).runs == ["b"]
    assert take(people) == "b"


def test_a_run_that_no_worker_can_take_does_not_use_up_the_limit(people: Engine) -> None:
    with session_scope(people) as session:
        accounts.limit(session, "ana", {"running": 1})
    add(people, ANA, "a", config={"training": {"device": "cuda"}})
    add(people, ANA, "b")
    with session_scope(people) as session:
        held = queue.claim(session, None, "host.1.1.1", Offer("cpu"))
    assert held is not None
    assert held.run_id == "b"


def test_the_wait_of_a_new_run_counts_turns_and_limits(people: Engine) -> None:
    add(people, ANA, "a", "b", "c")
    bo = who.set(Identity("bo", Role.EDITOR, BO))
    try:
        with reading_scope(people) as session:
            assert queue_wait.of(session).ahead == 1  # then it is bo's turn
        with session_scope(people) as session:
            accounts.limit(session, "bo", {"running": 1})
        add(people, BO, "x")
        with reading_scope(people) as session:
            assert queue_wait.of(session).words == "Waiting: bo may have 1 run at once: 0 running, 1 ahead."
    finally:
        who.reset(bo)


def test_runs_of_a_removed_person_stay_and_are_nobodys(people: Engine) -> None:
    add(people, ANA, "a")
    with session_scope(people) as session:
        accounts.remove_person(session, "ana")
    with reading_scope(people) as session:
        (left,) = order_queries.queued(session)
    assert (left.id, left.owner_id, left.owner) == ("a", 0, "the owner")


def test_many_workers_at_once_take_each_run_once_and_keep_to_limits(people: Engine) -> None:
    with session_scope(people) as session:
        accounts.limit(session, "ana", {"running": 2})
    names = {
        person: [f"{letter}{at}" for at in range(6)] for person, letter in ((ANA, "a"), (BO, "b"), (CY, "c"))
    }
    for person, own in names.items():
        add(people, person, *own)
    together = threading.Barrier(6)

    def work(number: int) -> list[str]:
        together.wait()
        taken = [take(people) for _ in range(4)]
        return [run_id for run_id in taken if run_id]

    with ThreadPoolExecutor(6) as pool:
        taken = [run_id for each in pool.map(work, range(6)) for run_id in each]
    assert len(taken) == len(set(taken))
    assert Counter(run_id[0] for run_id in taken) == {"a": 2, "b": 6, "c": 6}
    assert {each for each in names[ANA] if each in taken} == {"a0", "a1"}
    assert take(people) is None


@pytest.mark.postgres
def test_workers_that_look_at_people_in_different_orders_do_not_wait_for_each_other(
    postgres_url: str,
) -> None:
    engine = make_engine(postgres_url)
    with session_scope(engine) as session:
        add_people(session, {ANA: 1, BO: 1})
    for person, letter in ((ANA, "a"), (BO, "b")):
        add(engine, person, f"{letter}1", f"{letter}2")
        add_run(engine, f"{letter}0", owner_id=person, status="running")
    together = threading.Barrier(2, timeout=60)

    def look(first: str, second: str) -> None:
        with session_scope(engine) as session:
            assert order_queries.take(session, first) is None
            together.wait()
            assert order_queries.take(session, second) is None

    with ThreadPoolExecutor(2) as pool:
        for looking in [pool.submit(look, "a1", "b2"), pool.submit(look, "b1", "a2")]:
            looking.result()
    engine.dispose()
