"""Workers: their heartbeat, who is online and who is idle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

from sqlalchemy.orm import Session

from backend.db import clock
from backend.workers import queries as rows
from backend.workers.tables import Worker

LOST_AFTER = 35.0  # seconds without a heartbeat: three were missed
FORGET_AFTER = 24 * 3600.0  # seconds an offline worker stays listed


@dataclass(frozen=True)
class WorkerBeat:
    """What a worker says of itself every ten seconds. `id` starts with the host's name."""

    id: str
    host: str
    pid: int
    device: str  # cpu, cuda
    device_name: str
    memory_bytes: int  # of the device: GPU memory, or the machine's
    current_run_id: str | None
    started_at: float
    labels: tuple[str, ...] = ()
    clock_ahead: float = 0.0  # seconds by which the host's clock leads the database's
    out_cause: str = ""  # why it takes no work for now; empty: it does
    out_advice: str = ""  # what to do about that
    utilisation: float | None = None  # of the device, 0 to 1; None: it does not tell
    memory_used: int | None = None  # bytes of `memory_bytes`, whoever uses them

    @property
    def is_out(self) -> bool:
        """Whether it takes no work until what is wrong with its machine is put right."""
        return bool(self.out_cause)


@dataclass(frozen=True, kw_only=True)
class WorkerState(WorkerBeat):
    """A worker as its last heartbeat left it."""

    out_since: float | None
    heartbeat_at: float
    alive: bool

    @property
    def is_idle(self) -> bool:
        """Whether it could begin something now."""
        return self.alive and not self.is_out and self.current_run_id is None


def beat(session: Session, sign: WorkerBeat) -> None:
    """Write a worker's sign of life, and forget those that fell silent long ago."""
    rows.put(session, **(asdict(sign) | {"labels": list(sign.labels)}), heartbeat_at=clock.now())
    rows.note_since(session, sign.id)
    rows.forget_silent(session, FORGET_AFTER)


def sign_off(session: Session, worker_id: str) -> None:
    """A worker leaves in good order: it is no longer listed."""
    rows.forget(session, [worker_id])


def forget_dead(session: Session, is_dead: Callable[[str], bool]) -> None:
    """Drop the rows of workers that are known to be dead."""
    rows.forget(session, [worker.id for worker in rows.all_by_start(session) if is_dead(worker.id)])


def listed(session: Session) -> list[WorkerState]:
    """All workers, online or offline, oldest first."""
    now = clock.read(session)
    return [_state(worker, now) for worker in rows.all_by_start(session)]


def idle(session: Session) -> list[WorkerState]:
    """The workers that could begin something now."""
    return [worker for worker in listed(session) if worker.is_idle]


def _state(worker: Worker, now: float) -> WorkerState:
    return WorkerState(
        id=worker.id,
        host=worker.host,
        pid=worker.pid,
        device=worker.device,
        device_name=worker.device_name,
        memory_bytes=worker.memory_bytes,
        current_run_id=worker.current_run_id,
        started_at=worker.started_at,
        labels=tuple(worker.labels),
        clock_ahead=worker.clock_ahead,
        out_cause=worker.out_cause,
        out_advice=worker.out_advice,
        utilisation=worker.utilisation,
        memory_used=worker.memory_used,
        out_since=worker.out_since,
        heartbeat_at=worker.heartbeat_at,
        alive=now - worker.heartbeat_at <= LOST_AFTER,
    )
