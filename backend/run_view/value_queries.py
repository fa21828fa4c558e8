"""Single values of all runs, for filters and orders: a few columns of each row, never the row."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

from sqlalchemy import ColumnElement, case, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from backend.metrics.tables import Series
from backend.runs.group_tables import RunGroup
from backend.runs.status import RunStatus
from backend.runs.tables import Alarm, Run

Summary = Literal["last", "min", "max"]

COLUMNS: Mapping[str, InstrumentedAttribute[Any] | ColumnElement[Any]] = {
    "id": Run.id,
    "name": Run.name,
    "status": Run.status,
    "origin": Run.origin,
    "variant": Run.variant,
    "variation": Run.variation,
    "verdict": Run.verdict,
    "tag": Run.tags,
    "notes": Run.notes,
    "owner_id": Run.owner_id,
    "project": Run.project,
    "seed": Run.seed,
    "step": Run.step,
    "created": Run.created_at,
    "started": Run.started_at,
    "finished": Run.finished_at,
    "stopped": case((Run.status == RunStatus.LOST, Run.beat_at), else_=Run.finished_at),
    "archived": Run.archived_at.is_not(None),
    "group_id": Run.group_id,
    "scores": Run.scores,
}
_SUMMARIES: Mapping[Summary, Any] = {
    "last": Series.last_value,
    "min": Series.min_value,
    "max": Series.max_value,
}


def of_all(
    session: Session,
    columns: Sequence[str],
    sections: Sequence[str] = (),
    archived: bool | None = None,
    before: tuple[float, str] | None = None,
    only: Collection[str] | None = None,
) -> Sequence[Sequence[Any]]:
    """Per run, newest first: its id and when it was made, these columns, these sections of its config.

    `archived` None means all; `only` are ids; `before` is (created_at, id) of the last run already seen.
    """
    wanted: list[Any] = [COLUMNS[name] for name in columns]
    query = select(Run.id, Run.created_at, *wanted, *(Run.config[section] for section in sections))
    query = query.order_by(Run.created_at.desc(), Run.id.desc())
    if archived is not None:
        query = query.where(Run.archived_at.is_not(None) == archived)
    if only is not None:
        query = query.where(Run.id.in_(only))
    if before is not None:
        query = query.where(tuple_(Run.created_at, Run.id) < before)
    return session.execute(query).all()


def external_configs(session: Session) -> dict[str, dict[str, Any]]:
    """Run id -> config of the runs that were logged from outside."""
    query = select(Run.id, Run.config).where(Run.origin == "external")
    return {run_id: config for run_id, config in session.execute(query)}  # noqa: C416


def metric(
    session: Session, name: str, summary: Summary = "last", only: Collection[str] | None = None
) -> dict[str, float | None]:
    """Run id -> last, least or greatest value of a metric, for the runs that have it; the last may be NaN."""
    query = select(Series.run_id, _SUMMARIES[summary]).where(Series.name == name, Series.last_step >= 0)
    if only is not None:
        query = query.where(Series.run_id.in_(only))
    return {run_id: value for run_id, value in session.execute(query)}  # noqa: C416


def group_names(session: Session) -> dict[str, str]:
    """Group id -> name."""
    return {group_id: name for group_id, name in session.execute(select(RunGroup.id, RunGroup.name))}  # noqa: C416


def alarm_names(session: Session) -> dict[str, list[str]]:
    """Run id -> names of its alarms."""
    found: dict[str, list[str]] = {}
    for run_id, name in session.execute(select(Alarm.run_id, Alarm.name).order_by(Alarm.step, Alarm.id)):
        found.setdefault(run_id, []).append(name)
    return found
