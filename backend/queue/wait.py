"""When a run that is launched now would start: what runs and waits before it, on how many workers.

Times are those of training, from the progress of what runs and the measured speed of runs like those that
wait; what was never measured makes the wait a lower bound. Evaluations are not counted.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from pydantic import Field
from sqlalchemy.orm import Session

from backend.domain.config.problems import parse_experiment
from backend.kit.errors import InvalidConfig
from backend.kit.format import counted, rough_duration
from backend.kit.model import Model
from backend.run_view.estimates import Estimates
from backend.runs import order_queries as queue_order
from backend.runs import queries as rows
from backend.runs.tables import Run
from backend.runs.turns import ahead_of, limit_words
from backend.web.visitor import who
from backend.workers import service as workers
from backend.workers.capability import ANYTHING, Needs, able
from backend.workers.service import WorkerState
from backend.workers.waiting import Fleet, Job, nobody_able, out_of_service


class WaitView(Model):
    """Where a run launched now would stand."""

    ahead: int = Field(description="Queued runs ahead of it.")
    workers: int = Field(description="Alive, fit, and with what the run asks for.")
    idle: int = Field(description="Idle workers.")
    seconds: float | None = Field(
        description="Until it starts; 0: immediately. null if no worker is online or nothing was measured."
    )
    at_least: bool = Field(description="The time of some runs ahead is unknown.")
    words: str = Field(examples=["Starts in about 12 min: 2 runs ahead on 1 worker."])


def of(session: Session, needed: Needs = ANYTHING) -> WaitView:
    """The wait of a run of whoever asks, of normal priority, that asks a machine for `needed`."""
    online = [worker for worker in workers.listed(session) if worker.alive]
    alive = [worker for worker in able(needed, online) if not worker.is_out]
    order = queue_order.queued(session)
    new = queue_order.new(session, who.get().person_id, who.get().name, order)
    ahead = ahead_of(new, order)
    if online and not alive:
        return _nobody(len(ahead), needed, online)
    if new.is_held:
        words = f"Waiting: {limit_words(new)}."
        return _view(len(ahead), len(alive), 0, None, False).model_copy(update={"words": words})
    idle = sum(worker.current_run_id is None for worker in alive)
    if not alive:
        return _view(len(ahead), 0, 0, None, False)
    if idle > len(ahead):
        return _view(len(ahead), len(alive), idle, 0.0, False)
    found = {run.id: run for run in rows.of_ids(session, ahead)}
    held = rows.several(session, [worker.current_run_id for worker in alive if worker.current_run_id])
    busy = [held.get(worker.current_run_id) for worker in alive if worker.current_run_id]
    left = [run.seconds_left if run else None for run in busy] + [0.0] * idle
    lengths = _lengths(session, [found[run_id] for run_id in ahead if run_id in found])
    unknown = [*left, *lengths].count(None)
    seconds = start_after([each or 0.0 for each in left], [each or 0.0 for each in lengths])
    if unknown and not seconds:  # a lower bound of 0 says nothing
        return _view(len(ahead), len(alive), idle, None, True)
    return _view(len(ahead), len(alive), idle, seconds, unknown > 0)


def start_after(left: Sequence[float], lengths: Sequence[float]) -> float:
    """Seconds until a worker takes one more: `left` seconds of work on each, `lengths` taken in order."""
    free = list(left)
    heapq.heapify(free)
    for length in lengths:
        heapq.heapreplace(free, free[0] + length)
    return free[0]


def _lengths(session: Session, waiting: Sequence[Run]) -> list[float | None]:
    """Seconds of training of each, less what a resumed run has done; None: never measured."""
    estimates = Estimates(session)
    lengths: list[float | None] = []
    for run in waiting:
        try:
            whole = estimates.of(parse_experiment(run.config)).seconds
        except InvalidConfig:  # of another version
            whole = None
        share = run.step / run.total if run.total else 0.0
        lengths.append(None if whole is None else whole * max(0.0, 1 - share))
    return lengths


def _nobody(ahead: int, needed: Needs, online: Sequence[WorkerState]) -> WaitView:
    """The wait where workers are online, and none of them may take the run for now."""
    job, seen = Job(ahead, asked=needed), Fleet(online, (), {}).for_needs(needed)
    why = nobody_able(job, seen) or out_of_service(job, seen)
    words = f"Waiting: {why}."
    return WaitView(ahead=ahead, workers=0, idle=0, seconds=None, at_least=False, words=words)


def _view(ahead: int, alive: int, idle: int, seconds: float | None, at_least: bool) -> WaitView:
    words = _words(ahead, alive, idle, seconds, at_least)
    return WaitView(ahead=ahead, workers=alive, idle=idle, seconds=seconds, at_least=at_least, words=words)


def _words(ahead: int, alive: int, idle: int, seconds: float | None, at_least: bool) -> str:
    before = f"{counted(ahead, 'run')} ahead"
    if not alive:
        waiting = f", behind {counted(ahead, 'waiting run')}" if ahead else ""
        return f"No worker is online: the run starts when one does{waiting}. Start one: etrm worker."
    if idle > ahead:
        free = "the worker is free" if alive == 1 else f"{idle} of {alive} workers are free"
        return f"Starts immediately: {free}." if not ahead else f"Starts immediately: {free}, {before}."
    on = f"{before} on {counted(alive, 'worker')}" if ahead else _busy(alive)
    if seconds is None:
        return f"Waiting: {on}; no time estimate yet."
    return f"Starts in {'at least' if at_least else 'about'} {rough_duration(seconds)}: {on}."


def _busy(alive: int) -> str:
    return "the worker is busy" if alive == 1 else f"all {alive} workers are busy"
