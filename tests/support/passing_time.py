"""Time in a database whose clock no test can set: what is stored is moved instead."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Engine, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from backend.db.session import session_scope
from backend.runs.tables import Run
from backend.scores.tables import Evaluation, EvaluationJob
from backend.workers.tables import EvaluationShare, Worker

SIGNS_OF_LIFE = (Run.lease_until, EvaluationShare.lease_until, Worker.heartbeat_at)
STORED = (
    *SIGNS_OF_LIFE,
    Run.created_at,
    Run.claimed_at,
    Run.started_at,
    Run.finished_at,
    Run.dispatched_at,
    Run.beat_at,
    Run.beat_due,
    Evaluation.finished_at,
    EvaluationJob.dispatched_at,
)


def elapse(engine: Engine, seconds: float) -> None:
    """Everything is as it will be `seconds` later if nobody does anything until then."""
    with session_scope(engine) as session:
        _move(session, STORED, -seconds)


def keep_alive(session: Session, seconds: float) -> None:
    """What a worker holds stays its own for `seconds` more, and who has reported counts as alive."""
    _move(session, SIGNS_OF_LIFE, seconds)


def _move(session: Session, columns: Iterable[InstrumentedAttribute[float | None]], by: float) -> None:
    session.flush()
    for column in columns:
        change = update(column.class_).values({column.key: column + by})
        session.execute(change.execution_options(synchronize_session=False))
    session.expire_all()
