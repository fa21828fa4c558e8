"""Run rows."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import func, or_, select, tuple_
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from backend.runs.status import RunStatus
from backend.runs.tables import Provenance, Run, TrainedOn


def get(session: Session, run_id: str) -> Run | None:
    """The run as the database has it now, even if this session has loaded it before."""
    return session.get(Run, run_id, populate_existing=True)


def hold(session: Session, run_id: str) -> None:
    """Until the transaction ends nobody else changes the run, nor lets its checkpoints go or needs them."""
    session.execute(select(Run.id).where(Run.id == run_id).with_for_update())


def any_run(session: Session) -> bool:
    """Whether the lab has a run, archived or not."""
    return session.scalars(select(Run.id).limit(1)).first() is not None


def several(session: Session, run_ids: Collection[str]) -> dict[str, Run]:
    """Those of the runs that there are, by id."""
    return {run.id: run for run in session.scalars(select(Run).where(Run.id.in_(run_ids)))}


def named(session: Session, name: str) -> Sequence[Run]:
    """The runs with exactly this name, the newest first; archived ones are left out."""
    query = select(Run).where(Run.name == name, Run.archived_at.is_(None))
    return session.scalars(query.order_by(Run.created_at.desc(), Run.id)).all()


def all_names(session: Session) -> Sequence[str]:
    """Names of all runs."""
    return session.scalars(select(Run.name).distinct()).all()


def known_ids(session: Session, run_ids: Collection[str]) -> set[str]:
    """Those of the ids that a run has."""
    return set(session.scalars(select(Run.id).where(Run.id.in_(run_ids))))


def add(session: Session, run: Run) -> Run:
    """Insert `run`."""
    session.add(run)
    session.flush()
    return run


def add_unless_known(session: Session, run: Run) -> bool:
    """Insert `run`; False where there is one of its id by now, which another transaction may have added
    while this one waited for it."""
    try:
        with session.begin_nested():
            add(session, run)
    except IntegrityError:
        if not known_ids(session, [run.id]):
            raise
        return False
    return True


def newest(
    session: Session, limit: int, before: tuple[float, str] | None = None, archived: bool | None = None
) -> Sequence[Run]:
    """Up to `limit` runs, newest first; `before` is (created_at, id) of the last run already shown.

    `archived` None means all, otherwise those that are, or are not.
    """
    query = select(Run).order_by(Run.created_at.desc(), Run.id.desc()).limit(limit)
    if archived is not None:
        query = query.where(Run.archived_at.is_not(None) == archived)
    if before is not None:
        query = query.where(tuple_(Run.created_at, Run.id) < before)
    return session.scalars(query).all()


def called(session: Session, text: str, limit: int) -> Sequence[Run]:
    """The newest runs with `text` in their name, id or project, in any case."""
    query = select(Run).order_by(Run.created_at.desc(), Run.id.desc()).limit(limit)
    if text:
        texts = (Run.name, Run.id, Run.project)
        query = query.where(or_(*(each.icontains(text, autoescape=True) for each in texts)))
    return session.scalars(query).all()


def of_ids(session: Session, ids: Sequence[str]) -> list[Run]:
    """These runs, in this order; ids that nothing has are left out."""
    found = {run.id: run for run in session.scalars(select(Run).where(Run.id.in_(ids)))}
    return [found[run_id] for run_id in ids if run_id in found]


def with_ids(session: Session, run_ids: Collection[str]) -> Sequence[Run]:
    """The runs of these ids that are there."""
    return session.scalars(select(Run).where(Run.id.in_(run_ids))).all()


def by_status(session: Session, *statuses: RunStatus) -> Sequence[Run]:
    """All runs in one of `statuses`, oldest first."""
    query = select(Run).where(Run.status.in_(statuses)).order_by(Run.created_at, Run.id)
    return session.scalars(query).all()


def counts(session: Session) -> dict[RunStatus, int]:
    """How many runs have each status; one that no run has is 0."""
    found = session.execute(select(Run.status, func.count()).group_by(Run.status)).all()
    numbers = {row[0]: row[1] for row in found}
    return {status: numbers.get(status, 0) for status in RunStatus}


def recorded(session: Session, run_id: str) -> int:
    """The number of the last batch that the run's trainings stored; 0: none."""
    return session.scalar(select(Run.recorded).where(Run.id == run_id)) or 0


def ended_since(session: Session, since: float, limit: int) -> Sequence[Run]:
    """The newest trainings that failed or were cancelled after `since`."""
    query = select(Run).where(
        Run.status.in_((RunStatus.FAILED, RunStatus.CANCELLED)),
        Run.origin == "training",
        Run.finished_at > since,
    )
    return session.scalars(query.order_by(Run.finished_at.desc(), Run.id).limit(limit)).all()


def undecided_against(session: Session, baseline_id: str) -> Sequence[Run]:
    """Runs whose hypothesis is to beat this one, and who could not be judged so far."""
    named = Run.config["hypothesis"]["run_id"].as_string() == baseline_id
    return session.scalars(select(Run).where(Run.verdict == "undecided", named).order_by(Run.id)).all()


def packed_trained_on(session: Session, run_ids: Collection[str]) -> dict[str, bytes]:
    """Run id -> the packed record of what it was trained on, of those that have one."""
    query = select(TrainedOn.run_id, TrainedOn.packed).where(TrainedOn.run_id.in_(run_ids))
    return {row.run_id: row.packed for row in session.execute(query)}


def counts_trained_on(session: Session, run_ids: Collection[str]) -> Sequence[TrainedOn]:
    """The records of the runs that have one, without their tasks."""
    return session.scalars(select(TrainedOn).where(TrainedOn.run_id.in_(run_ids))).all()


def put_trained_on(session: Session, row: TrainedOn) -> None:
    """Insert the record of a run, or replace the one it has."""
    session.merge(row)
    session.flush()


def provenance(session: Session, run_ids: Collection[str]) -> Sequence[Provenance]:
    """The records of all starts of the runs, without their diffs, each run's oldest first."""
    query = select(Provenance).where(Provenance.run_id.in_(run_ids))
    return session.scalars(query.order_by(Provenance.run_id, Provenance.attempt)).all()


def put_provenance(session: Session, row: Provenance) -> None:
    """Insert the record of a start, or replace the one it has."""
    session.merge(row)
    session.flush()
