"""Three people launch short runs on two hosts, one of which is cut off while it trains, and returns."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import httpx
import psutil
from sqlalchemy import func, select

from backend.artifacts import service as objects
from backend.db.session import reading_scope
from backend.domain.experiment import ExperimentConfig
from backend.runs.status import RunStatus
from backend.runs.tables import Checkpoint, Run
from backend.settings import Settings
from backend.workers import service as workers
from tests.faults.long.trial import EVALUATING
from tests.faults.long.two_hosts.lab import HOSTS, TwoHosts, Worker, host_of
from tests.support.processes import eventually
from tests.support.records.tiny import tiny

PEOPLE = ("ana", "bo", "cy")
STEPS, CHECKPOINT_EVERY = 60, 20
API = "/api/v1"
TAKEOVER_SECONDS = 600.0  # the lease, until a worker is free, and a busy machine
AWAY_AFTER = 10.0  # seconds at most between the takeover and the return
ANSWER_SECONDS = 300.0  # that one answer may take on a very busy machine
STALLED_SECONDS = 600.0  # without the end of any run: a lease, and several runs on a very busy machine


@dataclass
class Cut:
    """A host that was cut off while it trained, and what its training did meanwhile."""

    host: str
    run_id: str
    store_first: bool  # whether it lost the object store before it lost everything
    step: int  # that the database had of the run
    seconds: float = 0.0  # for which it was away
    saved: list[str] = field(default_factory=list)  # checkpoints that its training saved meanwhile


@dataclass
class Course:
    """What was launched, and what was done to it."""

    owners: dict[str, str]  # run -> person
    cuts: list[Cut]
    seconds: float  # from the first launch to the last end


def short() -> ExperimentConfig:
    """A run of a few seconds with three checkpoints and a small evaluation."""
    config = tiny()
    few = {"steps": STEPS, "checkpoint_every": CHECKPOINT_EVERY}
    return config.model_copy(update={"training": config.training.model_copy(update=few)})


def carry_out(
    lab: TwoHosts, bursts: Sequence[int], cuts: int, seed: int, say: Callable[[str], None] = print
) -> Course:
    """Launch so many runs of each person at once, cut hosts off, and wait until every run is over."""
    draw = random.Random(f"two hosts {seed}")
    tokens = _let_in(lab)
    eventually(lambda: len(_idle(lab)) == len(HOSTS), "both workers")
    began = time.monotonic()
    with _launched(lab, tokens, bursts) as owners:
        total = sum(bursts)
        moments = [total * (number + draw.uniform(0.2, 0.7)) / (cuts + 1) for number in range(cuts)]
        done = [_cut_off(lab, moment, number, draw, say) for number, moment in enumerate(moments)]
    _await_over(lab, total)
    return Course(owners, done, time.monotonic() - began)


def _let_in(lab: TwoHosts) -> Mapping[str, str]:
    """Person -> token."""
    tokens = {}
    with lab.web.client() as admin:
        for person in PEOPLE:
            admin.post(f"{API}/people", json={"name": person, "role": "editor"}).raise_for_status()
            body = {"name": f"{person}'s", "person": person, "scope": "launch"}
            answer = admin.post(f"{API}/tokens", json=body).raise_for_status()
            tokens[person] = str(answer.json()["secret"])
    return tokens


@contextmanager
def _launched(lab: TwoHosts, tokens: Mapping[str, str], bursts: Sequence[int]) -> Iterator[dict[str, str]]:
    """All people launch at the same time, one run after the other; run -> person, filled meanwhile."""
    owners: dict[str, str] = {}
    together = threading.Barrier(len(PEOPLE))
    body = short().model_dump_json()

    def launch(person: str, count: int) -> None:
        headers = {"Authorization": f"Bearer {tokens[person]}", "Content-Type": "application/json"}
        with httpx.Client(base_url=lab.web.url, headers=headers, timeout=ANSWER_SECONDS) as client:
            together.wait()
            for _ in range(count):
                answer = client.post(f"{API}/runs", content=body)
                assert answer.status_code == httpx.codes.CREATED, answer.text
                owners[str(answer.json()["id"])] = person

    with ThreadPoolExecutor(len(PEOPLE)) as pool:
        launches = [pool.submit(launch, *each) for each in zip(PEOPLE, bursts, strict=True)]
        yield owners
        for each in launches:
            each.result()


def _cut_off(
    lab: TwoHosts, moment: float, number: int, draw: random.Random, say: Callable[[str], None]
) -> Cut:
    """Once so many runs are over, cut a host off that trains; it returns after its run was taken over.

    Every other time it first loses the object store alone, so that it has something to upload, and returns
    only once the run has ended elsewhere; it then reaches the store before the database.
    """
    worker = lab.workers[draw.choice(HOSTS)]
    _await_over(lab, moment)
    store_first = number % 2 == 0
    cut, child = _caught(lab, worker, draw.randint(1, STEPS // 3), store_first)
    before = worker.checkpoints(cut.run_id)
    if store_first:
        worker.host.lose(lab.store_address)
        child.resume()
        eventually(lambda: _upload_waits(lab, worker, cut.run_id, before), "an upload that waits", every=0.02)
        child.suspend()
        cut.step = lab.row(cut.run_id).step
    worker.host.cut()
    went = time.monotonic()
    child.resume()
    say(f"{worker.name} is cut off at step {cut.step} of run {cut.run_id}")
    eventually(lambda: lab.row(cut.run_id).attempt > 1, "the takeover", TAKEOVER_SECONDS, 0.1)
    if store_first:
        eventually(lambda: RunStatus(lab.row(cut.run_id).status).is_over, "its end", STALLED_SECONDS)
        worker.host.lose(lab.middle)
        worker.host.find(lab.store_address)
    else:
        time.sleep(draw.uniform(0, AWAY_AFTER))
    cut.saved = sorted(worker.checkpoints(cut.run_id) - before)
    worker.host.join()
    if store_first:
        uploaded = eventually(lambda: unlisted(lab, cut.run_id), "what the zombie uploads")
        say(f"{worker.name} uploads what nobody waits for: {', '.join(uploaded)}")
        worker.host.find(lab.middle)
    cut.seconds = round(time.monotonic() - went, 1)
    say(f"{worker.name} is back after {cut.seconds:.0f} s")
    eventually(lambda: _has_ended(child), "the end of the zombie")
    eventually(lambda: _has_moved_on(lab, cut), f"{worker.name} to leave run {cut.run_id}")
    return cut


def _upload_waits(lab: TwoHosts, worker: Worker, run_id: str, before: set[str]) -> bool:
    """Whether the database has what came before a checkpoint that was saved after `before`: so the training
    uploads it as soon as the store is reached, whatever becomes of the database."""
    row = lab.row(run_id)
    steps = [_step_of(name) for name in worker.checkpoints(run_id) - before]
    return any(step < row.step or row.phase == EVALUATING for step in steps)


def _step_of(checkpoint: str) -> int:
    """`step-000000060`, or with `-attempt-0002` behind it."""
    return int(checkpoint.split("-")[1])


def unlisted(lab: TwoHosts, run_id: str = "") -> list[str]:
    """The checkpoints of a run, or of all, that the store has and the database does not list."""
    store = objects.of(Settings.load(), ANSWER_SECONDS)
    assert store
    published = store.published(run_id)
    with reading_scope(lab.engine) as session:
        return sorted(set(published) - set(session.scalars(select(Checkpoint.path))))


def _has_moved_on(lab: TwoHosts, cut: Cut) -> bool:
    """Whether the host's worker says that it no longer has the run."""
    with reading_scope(lab.engine) as session:
        [state] = [each for each in workers.listed(session) if host_of(each.id) == cut.host]
    return state.alive and state.current_run_id != cut.run_id


def _caught(lab: TwoHosts, worker: Worker, step: int, store_first: bool) -> tuple[Cut, psutil.Process]:
    """A first attempt that the worker trains, and its process, stopped after that step and before its last
    checkpoint: so it saves that without a network."""

    def is_early(run: Run) -> bool:
        saved = {_step_of(name) for name in worker.checkpoints(run.id)}
        return run.status == RunStatus.RUNNING and run.attempt == 1 and STEPS not in saved

    def caught() -> tuple[Cut, psutil.Process] | None:
        run = lab.running_on(worker.name)
        child = worker.child(run.id) if run and run.step >= step and is_early(run) else None
        if run is None or child is None:
            return None
        with suppress(psutil.NoSuchProcess):  # it ends at this moment
            child.suspend()
            row = lab.row(run.id)
            if is_early(row):
                return Cut(worker.name, run.id, store_first, row.step), child
            child.resume()
        return None

    return eventually(caught, f"a run on {worker.name} at step {step}", every=0.02)


def _has_ended(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def _await_over(lab: TwoHosts, count: float) -> None:
    """Wait until at least so many runs have ended, as long as one does now and then."""
    while (over := _over(lab)) < count:
        eventually(lambda over=over: _over(lab) > over, f"run {over + 1} to end", STALLED_SECONDS, 0.2)


def _over(lab: TwoHosts) -> int:
    """How many runs have ended."""
    over = [status for status in RunStatus if status.is_over]
    with reading_scope(lab.engine) as session:
        return session.scalar(select(func.count()).where(Run.status.in_(over))) or 0


def _idle(lab: TwoHosts) -> set[str]:
    """The hosts whose workers are online and idle."""
    with reading_scope(lab.engine) as session:
        return {host_of(worker.id) for worker in workers.idle(session)}
