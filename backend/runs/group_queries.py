"""Groups of runs, and the runs in them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from backend.runs.group_tables import RunGroup
from backend.runs.tables import Run


def get(session: Session, group_id: str) -> RunGroup | None:
    return session.get(RunGroup, group_id)


def add(session: Session, group: RunGroup) -> RunGroup:
    """Insert `group`."""
    session.add(group)
    session.flush()
    return group


def add_runs(session: Session, runs: Collection[Run]) -> None:
    """Insert the runs of a group."""
    session.add_all(runs)
    session.flush()


def newest(session: Session, limit: int, before: tuple[float, str] | None = None) -> Sequence[RunGroup]:
    """Up to `limit` groups, newest first; `before` is (created_at, id) of the last one already shown."""
    query = select(RunGroup).order_by(RunGroup.created_at.desc(), RunGroup.id.desc()).limit(limit)
    if before is not None:
        query = query.where(tuple_(RunGroup.created_at, RunGroup.id) < before)
    return session.scalars(query).all()


def called(session: Session, text: str, limit: int) -> Sequence[RunGroup]:
    """The newest groups with `text` in their name, in any case."""
    query = select(RunGroup).where(RunGroup.name.icontains(text, autoescape=True))
    return session.scalars(query.order_by(RunGroup.created_at.desc(), RunGroup.id).limit(limit)).all()


def runs_of(session: Session, group_id: str) -> Sequence[Run]:
    """The runs of a group that are still there, in the order in which they were made."""
    query = select(Run).where(Run.group_id == group_id).order_by(Run.created_at, Run.id)
    return session.scalars(query.execution_options(populate_existing=True)).all()


def names(session: Session, group_ids: Collection[str]) -> dict[str, str]:
    """Group id -> name."""
    query = select(RunGroup.id, RunGroup.name).where(RunGroup.id.in_(group_ids))
    return {group_id: name for group_id, name in session.execute(query)}  # noqa: C416


def all_ids(session: Session) -> list[str]:
    """Ids of all groups."""
    return list(session.scalars(select(RunGroup.id)))


def named(session: Session, name: str) -> Sequence[RunGroup]:
    """The groups with exactly this name, the newest first."""
    query = select(RunGroup).where(RunGroup.name == name)
    return session.scalars(query.order_by(RunGroup.created_at.desc(), RunGroup.id)).all()


def all_names(session: Session) -> list[str]:
    """Names of all groups."""
    return list(session.scalars(select(RunGroup.name).distinct()))


def statuses(session: Session, group_ids: Collection[str]) -> Mapping[str, dict[str, int]]:
    """Group id -> how many of its runs have each status."""
    query = (
        select(RunGroup.id, Run.status, func.count())
        .join(Run, Run.group_id == RunGroup.id)
        .where(RunGroup.id.in_(group_ids))
        .group_by(RunGroup.id, Run.status)
    )
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for group_id, status, count in session.execute(query):
        found[group_id][status] = count
    return found
