"""Why a queued run or evaluation has not started: every reason, the most decisive first.

A reason is a small function of the job and of the fleet that returns a text, or "" where it does not hold. A
new reason is one more function in `REASONS`, at the place that its weight gives it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from backend.kit.format import counted, first_of
from backend.runs import queries as runs
from backend.runs.tables import Run
from backend.runs.turns import AT_ONCE, Turn
from backend.workers import lease
from backend.workers import service as workers
from backend.workers.capability import ANYTHING, Needs, able, needs_of, offer_of
from backend.workers.service import WorkerState
from backend.workers.tables import EvaluationShare

MAX_NAMES = 4  # of what is in the way; the others are counted


@dataclass(frozen=True)
class Fleet:
    """The workers as they are now; `for_needs` leaves in `online` those that may take a job."""

    online: Sequence[WorkerState]
    offline: Sequence[WorkerState]
    work: Mapping[str, str]  # worker id -> what it is busy with
    out: Sequence[WorkerState] = ()  # online, with the means, and broken
    unable: Sequence[WorkerState] = ()  # online, without the means

    def for_needs(self, needed: Needs) -> Fleet:
        """The fleet as a job with these needs sees it."""
        suited = able(needed, self.online)
        return Fleet(
            online=[worker for worker in suited if not worker.is_out],
            offline=able(needed, self.offline),
            work=self.work,
            out=[worker for worker in suited if worker.is_out],
            unable=[worker for worker in self.online if worker not in suited],
        )

    @property
    def busy(self) -> list[WorkerState]:
        """Online, with work."""
        return [worker for worker in self.online if worker.current_run_id is not None]

    @property
    def idle(self) -> list[WorkerState]:
        """Online, without work."""
        return [worker for worker in self.online if worker.current_run_id is None]


@dataclass(frozen=True)
class Job:
    """A queued run, or an evaluation (`run` is None), and how many of its kind are taken before it."""

    ahead: int
    run: Run | None = None
    asked: Needs = ANYTHING  # of a machine, where there is no run yet; evaluations run anywhere
    turn: Turn = AT_ONCE  # of a run among those of all people

    @property
    def needs(self) -> Needs:
        """What it asks of a machine."""
        return needs_of(self.run.config) if self.run else self.asked


Reason = Callable[[Job, Fleet], str]


def no_worker(job: Job, fleet: Fleet) -> str:
    """Nothing starts without a worker."""
    if fleet.online or fleet.out or fleet.unable:
        return ""
    return "no worker is online: start one with etrm worker"


def nobody_able(job: Job, fleet: Fleet) -> str:
    """No worker online has what the job asks for."""
    if fleet.online or fleet.out or not fleet.unable:
        return ""
    lacking = min((job.needs.missing(offer_of(worker)) for worker in fleet.unable), key=len)
    return f"no worker online has {' and '.join(lacking)}"


def above_limit(job: Job, fleet: Fleet) -> str:
    """Its person has as many runs as may run at once."""
    return job.turn.limit


def out_of_service(job: Job, fleet: Fleet) -> str:
    """Workers that would help are broken."""
    if not fleet.out or _gets_a_worker(job, fleet):
        return ""
    causes = _names(f"{worker.host} ({worker.out_cause.rstrip('.')})" for worker in fleet.out)
    return f"{counted(len(fleet.out), 'worker')} out of service: {causes}"


def all_busy(job: Job, fleet: Fleet) -> str:
    """Every worker has work, or the idle ones are for those ahead."""
    busy = fleet.busy
    if not busy or _gets_a_worker(job, fleet):
        return ""
    return f"{counted(len(busy), 'worker')} busy with {_names(fleet.work[worker.id] for worker in busy)}"


def others_ahead(job: Job, fleet: Fleet) -> str:
    """Others stand before it in the queue."""
    return f"{job.ahead} ahead in queue" if job.ahead else ""


def not_its_turn(job: Job, fleet: Fleet) -> str:
    """Some of those were queued later, by people with fewer runs."""
    return job.turn.others


def workers_offline(job: Job, fleet: Fleet) -> str:
    """Workers that would help have not reported for a while."""
    if not fleet.offline or _gets_a_worker(job, fleet):
        return ""
    return f"{counted(len(fleet.offline), 'worker')} offline: {_names(each.host for each in fleet.offline)}"


def about_to_start(job: Job, fleet: Fleet) -> str:
    """Nothing is in the way."""
    return "a worker is idle and will start it within seconds" if _gets_a_worker(job, fleet) else ""


REASONS: tuple[Reason, ...] = (
    no_worker,
    nobody_able,
    above_limit,
    out_of_service,
    all_busy,
    others_ahead,
    not_its_turn,
    workers_offline,
    about_to_start,
)


def reasons_for(job: Job, fleet: Fleet) -> list[str]:
    """All that hold, the most decisive first."""
    seen = fleet.for_needs(job.needs)
    return [text for reason in REASONS if (text := reason(job, seen))]


def fleet_of(session: Session) -> Fleet:
    """The workers and what each does, in three queries however many there are."""
    listed = workers.listed(session)
    online = [worker for worker in listed if worker.alive]
    held = runs.several(session, {worker.current_run_id for worker in online if worker.current_run_id})
    evaluating = {share.worker_id for share in lease.held(session, EvaluationShare)} if held else set()
    names = {
        worker.id: _name(held, worker.current_run_id)
        if worker.id not in evaluating
        else f"an evaluation of {_name(held, worker.current_run_id)}"
        for worker in online
        if worker.current_run_id is not None
    }
    return Fleet(online, [worker for worker in listed if not worker.alive], names)


def _gets_a_worker(job: Job, fleet: Fleet) -> bool:
    """Whether an idle worker is left once those ahead have theirs."""
    return len(fleet.idle) > job.ahead and not job.turn.limit


def _name(held: Mapping[str, Run], run_id: str) -> str:
    return held[run_id].name or run_id if run_id in held else run_id


def _names(names: Iterable[str]) -> str:
    return first_of(list(names), MAX_NAMES)
