"""What a run leaves behind line by line: events, log lines, alarms, checkpoints."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, delete, func, insert, select, true
from sqlalchemy.orm import Session

from backend.db import clock
from backend.db.upsert import insert_or
from backend.kit import service_log
from backend.runs.tables import Alarm, Checkpoint, LogLine, Run, RunEvent


def add_event(
    session: Session,
    run_id: str,
    kind: str,
    text: str,
    data: Mapping[str, Any] | None = None,
    wall_time: float | None = None,
) -> None:
    """Note that `kind` happened to the run, in words; now, unless `wall_time` says when.

    The trace id of the request at hand goes with it.
    """
    when = clock.now() if wall_time is None else wall_time
    trace = service_log.trace_id()
    kept = {**(data or {}), **({"trace_id": trace} if trace else {})}
    session.add(RunEvent(run_id=run_id, kind=kind, text=text, data=kept, wall_time=when))
    session.flush()


def events_of(session: Session, run_id: str, after_id: int) -> Sequence[RunEvent]:
    """Events after `after_id`, oldest first."""
    query = select(RunEvent).where(RunEvent.run_id == run_id, RunEvent.id > after_id)
    return session.scalars(query.order_by(RunEvent.id)).all()


def events_of_kinds(session: Session, run_id: str, kinds: Sequence[str]) -> Sequence[RunEvent]:
    """Events of these kinds, newest first."""
    query = select(RunEvent).where(RunEvent.run_id == run_id, RunEvent.kind.in_(kinds))
    return session.scalars(query.order_by(RunEvent.id.desc())).all()


def add_log_lines(session: Session, rows: list[dict[str, Any]]) -> None:
    session.execute(insert(LogLine), rows)


def log_lines_after(
    session: Session, run_id: str, after_id: int, limit: int, wanted: ColumnElement[bool]
) -> Sequence[LogLine]:
    """The first `limit` wanted lines after `after_id`, oldest first."""
    query = select(LogLine).where(LogLine.run_id == run_id, LogLine.id > after_id, wanted)
    return session.scalars(query.order_by(LogLine.id).limit(limit)).all()


def last_log_lines(
    session: Session, run_id: str, limit: int, wanted: ColumnElement[bool]
) -> Sequence[LogLine]:
    """The newest `limit` wanted lines, oldest first."""
    query = select(LogLine).where(LogLine.run_id == run_id, wanted)
    return session.scalars(query.order_by(LogLine.id.desc()).limit(limit)).all()[::-1]


def log_lines_between(session: Session, run_id: str, first: float, last: float) -> set[tuple[float, str]]:
    """(time, text) of a run's lines of these times, both ends included."""
    query = select(LogLine.wall_time, LogLine.text)
    between = LogLine.wall_time.between(first, last)
    return {(time, text) for time, text in session.execute(query.where(LogLine.run_id == run_id, between))}


def log_lines_of_all(
    session: Session, before_id: int | None, limit: int, wanted: ColumnElement[bool]
) -> Sequence[Row[LogLine, str]]:
    """The newest `limit` wanted lines of all runs before `before_id`, with the runs' names; newest first."""
    query = select(LogLine, Run.name).join(Run, Run.id == LogLine.run_id).where(wanted)
    if before_id is not None:
        query = query.where(LogLine.id < before_id)
    return session.execute(query.order_by(LogLine.id.desc()).limit(limit)).all()


def log_lines_with(text: str, levels: Collection[str]) -> ColumnElement[bool]:
    """Whether a line has one of the levels and holds the text, in any case."""
    return and_(LogLine.level.in_(levels), LogLine.text.icontains(text, autoescape=True) if text else true())


def add_alarm_once(session: Session, **values: Any) -> bool:
    """Insert the alarm unless the run has one of this name; whether it was new."""
    statement = insert_or(session, Alarm).values(**values).on_conflict_do_nothing()
    return session.execute(statement.returning(Alarm.id)).first() is not None


def alarms_of(session: Session, run_id: str) -> Sequence[Alarm]:
    return session.scalars(select(Alarm).where(Alarm.run_id == run_id).order_by(Alarm.id)).all()


def put_checkpoint(session: Session, **values: Any) -> None:
    """Insert the checkpoint, or replace the run's earlier one of this step."""
    statement = insert_or(session, Checkpoint).values(**values)
    statement = statement.on_conflict_do_update(
        index_elements=[Checkpoint.run_id, Checkpoint.step],
        set_={key: value for key, value in values.items() if key not in ("run_id", "step")},
    )
    session.execute(statement)


def checkpoints_of(session: Session, run_id: str) -> Sequence[Checkpoint]:
    """All checkpoints, newest step first."""
    query = select(Checkpoint).where(Checkpoint.run_id == run_id).order_by(Checkpoint.step.desc())
    return session.scalars(query.execution_options(populate_existing=True)).all()


def listed_checkpoints(session: Session) -> Sequence[Row[int, str, int, str, str]]:
    """(id, run, step, path, sha256) of all checkpoints in the order of their ids: columns of every schema."""
    query = select(Checkpoint.id, Checkpoint.run_id, Checkpoint.step, Checkpoint.path, Checkpoint.sha256)
    return session.execute(query.order_by(Checkpoint.id)).all()


def checkpoints_of_runs(session: Session, run_ids: Collection[str]) -> Sequence[Checkpoint]:
    """Of several runs, newest step first."""
    query = select(Checkpoint).where(Checkpoint.run_id.in_(run_ids)).order_by(Checkpoint.step.desc())
    return session.scalars(query.execution_options(populate_existing=True)).all()


def delete_checkpoints(session: Session, run_id: str, steps: Collection[int]) -> None:
    session.execute(delete(Checkpoint).where(Checkpoint.run_id == run_id, Checkpoint.step.in_(steps)))


def checkpoint_sizes(session: Session) -> Sequence[Row[str, int, int]]:
    """(run, number of its checkpoints, their bytes) of every run that has one."""
    query = select(Checkpoint.run_id, func.count(), func.sum(Checkpoint.size_bytes))
    return session.execute(query.group_by(Checkpoint.run_id)).all()
