"""Signs of life of external runs: what a script promises, and what becomes of its run once it is silent.

Whatever a script logs is a sign of life, and so is a heartbeat without anything to log. Each comes with a
promise of when the next one follows. All by the database's clock.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, case, func, select, update
from sqlalchemy.orm import Session

from backend.alerts import service as alerts
from backend.db import clock
from backend.domain.alerts import Event
from backend.domain.records import LOST, Alarm
from backend.kit.clock import clock as utc
from backend.kit.errors import Conflict
from backend.kit.format import rough_duration
from backend.metrics import service as series
from backend.runs.status import LOGGING, RunStatus
from backend.runs.tables import Run
from backend.runs.transition import transition_run

DEFAULT_SECONDS = 30.0  # until the next sign of life, of a script that promises nothing else
MIN_SECONDS, MAX_SECONDS = 1.0, 3600.0
LOST_AFTER = 60.0  # seconds past the promise; a sweep comes every 10 s, so it is lost well within 90 s


def _promised() -> ColumnElement[float]:
    due = clock.now() + func.coalesce(Run.beat_seconds, DEFAULT_SECONDS)
    return case((Run.beat_due > due, Run.beat_due), else_=due)


_HOLD = (
    select(Run.id)
    .where(
        Run.id.in_(bindparam("run_ids", expanding=True)),
        Run.origin == "external",
        Run.status == RunStatus.RUNNING,
    )
    .order_by(Run.id)  # everybody in one order: no two wait for each other
    .with_for_update(skip_locked=True)
)
_HEARD = (
    update(Run)
    .where(Run.id == bindparam("run"))
    .values(
        beat_at=clock.now(),
        beat_due=_promised(),
        step=case((Run.step < bindparam("reached"), bindparam("reached")), else_=Run.step),
    )
)


def promised(seconds: float) -> dict[str, Any]:
    """The columns of a run whose script is heard from now on at least every `seconds`."""
    return {"beat_seconds": seconds, "beat_at": clock.now(), "beat_due": clock.now() + seconds}


def hear(session: Session, run: Run, within: float | None = None, step: int = 0) -> float:
    """A sign of life, at `step`, from the script of an external run; by when the next one is due.

    `within` seconds from now, or None: as the run promised when it was created, but not before what an
    earlier heartbeat promised. A lost run is running again. Conflict once the run is over.
    """
    silent_from = run.beat_at
    due = _promised() if within is None else clock.now() + within
    heard = (
        update(Run)
        .where(Run.id == run.id, Run.origin == "external", Run.status.in_(LOGGING))
        .values(beat_at=clock.now(), beat_due=due, step=case((Run.step < step, step), else_=Run.step))
        .returning(Run.status, Run.beat_at, Run.beat_due)
        .execution_options(synchronize_session=False)
    )
    row = session.execute(heard).one_or_none()
    session.expire(run)
    if row is None:
        raise Conflict(f"Run {run.id} is {run.status} and cannot be logged to.", "Create a new run.")
    if row.status == RunStatus.LOST:
        silence = rough_duration(row.beat_at - silent_from) if silent_from is not None else "a while"
        _resume(session, run.id, f"Heard again after {silence} of silence.")
    by: float = row.beat_due
    return by


def hold_running(session: Session, run_ids: Collection[str]) -> set[str]:
    """Those of the runs that are external and running, and stay so until the transaction ends; one that
    somebody else changes now is left out rather than waited for."""
    return set(session.connection().scalars(_HOLD, {"run_ids": list(run_ids)}))


def hear_running(session: Session, steps: Mapping[str, int]) -> None:
    """A sign of life from each of these runs, which the session holds, at its step: as `hear`."""
    changes = [{"run": run_id, "reached": step} for run_id, step in sorted(steps.items())]
    if changes:
        session.connection().execute(_HEARD, changes)


def mark_lost(session: Session) -> list[str]:
    """Set runs to lost whose script is late by more than `LOST_AFTER`, each with an alarm; their ids."""
    _adopt(session)
    late = _running().where(Run.beat_due < clock.now() - LOST_AFTER)
    lost = session.scalars(late.with_for_update(skip_locked=True)).all()
    for run in lost:
        _lose(session, run, clock.read(session))
    return [run.id for run in lost]


def _lose(session: Session, run: Run, now: float) -> None:
    assert run.beat_at is not None
    assert run.beat_due is not None  # it is late
    promise, silent = run.beat_due - run.beat_at, now - run.beat_at
    cause = f"silent since {utc(run.beat_at)}: promised a heartbeat within {rough_duration(promise)}"
    transition_run(
        session,
        run.id,
        (RunStatus.RUNNING,),
        RunStatus.LOST,
        f"{cause[0].upper()}{cause[1:]}.",
        origin="external",
        status_cause=cause,
    )
    text = f"The script is {cause}."
    alerts.tell(session, Event.LOST, run.id, text)
    alerts.raise_once(session, run.id, Alarm(LOST, run.step, silent, promise + LOST_AFTER, text))


def _resume(session: Session, run_id: str, text: str) -> None:
    transition_run(
        session,
        run_id,
        (RunStatus.LOST,),
        RunStatus.RUNNING,
        text,
        kind="resumed",
        origin="external",
        status_cause="",
    )


def _adopt(session: Session) -> None:
    """Runs from before there were promises get the default one, from their last point or their start."""
    unpromised = session.scalars(_running().where(Run.beat_due.is_(None)).with_for_update(skip_locked=True))
    for run in unpromised.all():
        run.beat_seconds = DEFAULT_SECONDS
        run.beat_at = _last_heard(session, run)
        run.beat_due = run.beat_at + DEFAULT_SECONDS
    session.flush()


def _last_heard(session: Session, run: Run) -> float:
    """A script may log any times: none before the run's start and none to come counts."""
    curves = series.read(session, run.id).values()
    times = [float(curve.wall_times.max()) for curve in curves if len(curve.wall_times)]
    started = run.started_at or run.created_at
    return min(max([started, *times]), clock.read(session))


def _running() -> Select[Run]:
    """Runs whose script should be heard; the index begins with the status."""
    return select(Run).where(Run.status == RunStatus.RUNNING, Run.origin == "external").order_by(Run.id)
