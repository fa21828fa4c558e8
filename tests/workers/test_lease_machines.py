"""Claims, renewals, lapses and ends in any order: a run and an evaluation against their models, on SQLite."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Engine, delete, select
from sqlalchemy.orm import Session

from backend.data import service as datasets
from backend.db.session import make_engine, session_scope
from backend.domain.config.presets import quick
from backend.domain.evaluation_request import EvaluationRequest
from backend.domain.records import Checkpoint
from backend.evaluation import jobs as evaluation_queue
from backend.evaluation import service as evaluations
from backend.evaluation.jobs import Share, ShareLost
from backend.kit.errors import Conflict
from backend.lifecycle import service as runs
from backend.queue import claims as queue
from backend.queue.claims import Claim
from backend.runs import checkpoints
from backend.runs import queries as rows
from backend.runs.status import HELD, RunStatus
from backend.runs.tables import Run
from backend.scores.tables import EvaluationBatch
from backend.workers import lease
from backend.workers.tables import EvaluationShare
from tests.support.passing_time import elapse
from tests.support.records.rows import add_run

T = TypeVar("T")
RUN = "aaaaaaaaaa"
ENDINGS = {
    "finish": RunStatus.FINISHED,
    "fail": RunStatus.FAILED,
    "release": RunStatus.QUEUED,
    "interrupt": RunStatus.QUEUED,
}
SPANS = st.sampled_from([25.0, 70.0])  # no sum of them is a lease, so what passes meanwhile does not matter
WORKERS = st.sampled_from(["a.1.1.1", "b.1.1.1"])
BACK = st.integers(0, 2)  # how many claims ago


class Machine(RuleBasedStateMachine):
    """What both have: a database, and time."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.engine = engine
        with session_scope(engine) as session:
            session.execute(delete(Run))

    def do(self, action: Callable[[Session], T]) -> T:
        with session_scope(self.engine) as session:
            return action(session)


class RunMachine(Machine):
    """One run. `left`: seconds of the lease, None without one."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.begin()

    @precondition(lambda self: self.status is RunStatus.FINISHED)
    @rule()
    def begin(self) -> None:
        self.do(lambda session: session.execute(delete(Run)))
        add_run(self.engine, RUN, config=quick().model_dump(mode="json"))
        self.status, self.left, self.interruptions = RunStatus.QUEUED, 0.0, 0
        self.claims: list[Claim] = []

    def held(self, back: int) -> tuple[Claim, bool]:
        """One of the last claims, and whether it still has the run."""
        claim = self.claims[-1 - back % len(self.claims)]
        return claim, claim is self.claims[-1] and self.status in HELD

    def ended(self, status: RunStatus) -> None:
        if self.status is RunStatus.CANCELLING:
            status = RunStatus.CANCELLED
        self.status = status
        self.interruptions = 0 if status.is_over else self.interruptions

    def interrupted(self) -> None:
        given_up = self.interruptions + 1 == queue.MAX_ATTEMPTS
        self.interruptions += 1
        self.ended(RunStatus.FAILED if given_up else RunStatus.QUEUED)

    @rule(worker=WORKERS)
    def claim(self, worker: str) -> None:
        claim = self.do(lambda session: queue.claim(session, None, worker))
        assert (claim is not None) == (self.status is RunStatus.QUEUED)
        if claim:
            assert claim.attempt == len(self.claims) + 1
            self.claims.append(claim)
            self.status, self.left = RunStatus.RUNNING, lease.SECONDS

    @precondition(lambda self: self.claims)
    @rule(back=BACK)
    def renew(self, back: int) -> None:
        claim, holds = self.held(back)
        assert self.do(lambda session: queue.renew(session, claim)) == (self.status if holds else None)
        self.left = lease.SECONDS if holds else self.left

    @precondition(lambda self: self.claims)
    @rule(back=BACK, how=st.sampled_from(sorted(ENDINGS)))
    def end(self, back: int, how: str) -> None:
        claim, holds = self.held(back)
        more = {"fail": ("a cause", ""), "release": ("a cause",), "interrupt": ("a cause",)}.get(how, ())
        status = self.do(lambda session: getattr(queue, how)(session, claim, *more))
        if not holds:
            assert status is None
            return
        self.interrupted() if how == "interrupt" else self.ended(ENDINGS[how])
        assert status is self.status

    @precondition(lambda self: not self.status.is_over)
    @rule()
    def cancel(self) -> None:
        with suppress(Conflict):
            self.do(lambda session: runs.request_cancel(session, RUN))
            assert not self.status.is_over
            if self.status is RunStatus.QUEUED:
                self.ended(RunStatus.CANCELLED)
            else:
                self.status = RunStatus.CANCELLING

    @rule()
    def resume(self) -> None:
        with suppress(Conflict):
            self.do(lambda session: runs.resume(session, RUN))
            assert self.status in (RunStatus.FAILED, RunStatus.CANCELLED)
            self.status = RunStatus.QUEUED

    @precondition(lambda self: not self.status.is_over)
    @rule(seconds=SPANS)
    def time_passes(self, seconds: float) -> None:
        elapse(self.engine, seconds)
        self.left -= seconds

    @precondition(lambda self: not self.status.is_over)
    @rule()
    def sweep(self) -> None:
        self.do(queue.put_back_lost)
        if self.status in HELD and self.left < 0:
            self.interrupted()

    @invariant()
    def the_row_is_as_the_model_says(self) -> None:
        run = self.do(lambda session: rows.get(session, RUN))
        assert run is not None
        assert (run.status, run.attempt) == (self.status, len(self.claims))
        assert (run.lease_until is not None) == (run.status in HELD)
        assert run.status not in HELD or run.worker_id == self.claims[-1].worker_id
        assert (run.finished_at is not None) == self.status.is_over


class EvaluationMachine(Machine):
    """A job of three batches that two may share: what was delivered is never lost or counted twice."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        config = quick().model_dump(mode="json")
        add_run(engine, RUN, config=config, status=RunStatus.FINISHED)
        self.do(lambda session: checkpoints.add(session, RUN, Checkpoint(1, f"{RUN}/1", "0", 1)))
        asked = EvaluationRequest(set="mine", workers=2)
        self.id = self.do(lambda session: evaluations.request(session, RUN, asked)).id
        self.shares: list[Share] = []
        self.taken: dict[int, int] = {}  # share -> the batch it was given last
        self.delivered: set[int] = set()

    def share(self, back: int) -> Share:
        return self.shares[-1 - back % len(self.shares)]

    @rule(worker=WORKERS)
    def claim(self, worker: str) -> None:
        def begin(session: Session) -> Share | None:
            share = evaluation_queue.claim(session, self.id, worker)
            if share:
                evaluation_queue.begin(session, share, "CPU", 3, 30, 300, [])
            return share

        share = self.do(begin)
        self.shares += [share] if share else []

    @precondition(lambda self: self.shares)
    @rule(back=BACK)
    def take(self, back: int) -> None:
        share = self.share(back)
        with suppress(ShareLost):
            number = self.do(lambda session: evaluation_queue.take(session, share))
            assert number not in self.delivered
            if number is not None:
                self.taken[share.id] = number

    @precondition(lambda self: self.taken)
    @rule(back=BACK)
    def deliver(self, back: int) -> None:
        share = self.share(back)
        number = self.taken.get(share.id, 0)
        with suppress(ShareLost):
            self.do(lambda session: evaluation_queue.deliver(session, share, number, b"v", 10, 100, 1.0))
            assert number not in self.delivered
            self.delivered.add(number)

    @precondition(lambda self: self.shares)
    @rule(back=BACK, how=st.sampled_from(["renew", *sorted(ENDINGS)]))
    def end_or_renew(self, back: int, how: str) -> None:
        more = {"fail": ("a cause", ""), "release": ("a cause",), "interrupt": ("a cause",)}.get(how, ())
        share = self.share(back)
        self.do(lambda session: getattr(evaluation_queue, how)(session, share, *more))

    @rule(what=st.sampled_from(["cancel", "resume"]))
    def a_person_asks(self, what: str) -> None:
        with suppress(Conflict):
            self.do(lambda session: getattr(evaluations, what)(session, self.id))

    @rule(seconds=SPANS)
    def time_passes(self, seconds: float) -> None:
        elapse(self.engine, seconds)

    @rule()
    def sweep(self) -> None:
        self.do(evaluation_queue.put_back_lost)

    @invariant()
    def nothing_is_lost_or_held_twice(self) -> None:
        with session_scope(self.engine) as session:
            view = evaluations.get(session, self.id)
            live = list(session.scalars(select(EvaluationShare.id).where(lease.is_held(EvaluationShare))))
            batches = list(session.scalars(select(EvaluationBatch)))
        assert {each.number for each in batches if each.votes} == self.delivered
        assert view.progress.batches_done == len(self.delivered)
        assert len(live) <= 2
        if view.status in ("running", "cancelling"):
            assert live
        if view.status in ("queued", "cancelled", "finished"):
            assert not live
        if view.status != "failed":  # else who still shares it is stopped
            assert {each.share_id for each in batches if not each.votes} <= {*live, None}


def run(machine: type[Machine], url: str, examples: int) -> None:
    engine = make_engine(url)
    task = {"train": [{"input": [[1]], "output": [[2]]}], "test": [{"input": [[1]], "output": [[2]]}]}
    with session_scope(engine) as session:
        datasets.import_files(session, "mine", [(json.dumps({"one": task}).encode(), "mine.json")])
    run_state_machine_as_test(  # type: ignore[no-untyped-call] # hypothesis leaves it out
        lambda: machine(engine),
        settings=settings(
            max_examples=examples,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    engine.dispose()


def test_a_run_and_its_lease_follow_their_model(sqlite_url: str) -> None:
    run(RunMachine, sqlite_url, 60)


def test_an_evaluation_loses_no_batch_and_doubles_none(sqlite_url: str) -> None:
    run(EvaluationMachine, sqlite_url, 25)
