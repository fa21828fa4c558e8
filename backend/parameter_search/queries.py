"""Rows of parameter searches."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend.parameter_search.tables import SearchRow, TrialRow, TrialRun
from backend.runs.status import RunStatus
from backend.runs.tables import Run

_ENDED = [status for status in RunStatus if status.is_over]


def get(session: Session, group_id: str) -> SearchRow | None:
    """The search of a group, as the database has it now."""
    return session.get(SearchRow, group_id, populate_existing=True)


def hold(session: Session, group_id: str, wait: bool = True) -> SearchRow | None:
    """The same, and until the transaction ends nobody else changes it; without `wait`, None where somebody
    is changing it."""
    query = select(SearchRow).where(SearchRow.group_id == group_id)
    query = query.with_for_update(skip_locked=not wait)
    return session.scalars(query.execution_options(populate_existing=True)).one_or_none()


def open_ids(session: Session) -> Sequence[str]:
    """Searches that are running, or of which a trial is."""
    trials = select(TrialRow.group_id).where(TrialRow.status == "running")
    query = select(SearchRow.group_id).where((SearchRow.status == "running") | SearchRow.group_id.in_(trials))
    return session.scalars(query.order_by(SearchRow.group_id)).all()


def all_ids(session: Session) -> Sequence[str]:
    """Ids of all searches."""
    return session.scalars(select(SearchRow.group_id)).all()


def trials(session: Session, group_id: str) -> Sequence[TrialRow]:
    """The trials of a search, in their order."""
    query = select(TrialRow).where(TrialRow.group_id == group_id).order_by(TrialRow.number)
    return session.scalars(query.execution_options(populate_existing=True)).all()


def runs(session: Session, group_id: str) -> Sequence[TrialRun]:
    """The runs of its trials, trial by trial, seed by seed."""
    query = select(TrialRun).where(TrialRun.group_id == group_id).order_by(TrialRun.number, TrialRun.at)
    return session.scalars(query.execution_options(populate_existing=True)).all()


def active(session: Session, group_id: str) -> int:
    """How many runs of the search have not ended."""
    query = select(func.count()).select_from(TrialRun).join(Run, Run.id == TrialRun.run_id)
    query = query.where(TrialRun.group_id == group_id, Run.status.not_in(_ENDED))
    return session.scalar(query) or 0
