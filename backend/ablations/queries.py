"""Ablations, and the checkpoint that a card is about."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.ablations.tables import Ablation
from backend.runs.tables import Checkpoint
from backend.scores.tables import Evaluation


def add(session: Session, ablation: Ablation) -> None:
    session.add(ablation)
    session.flush()


def get(session: Session, ablation_id: int) -> Ablation | None:
    return session.get(Ablation, ablation_id)


def of_run(session: Session, run_id: str) -> Sequence[Ablation]:
    """Newest first."""
    query = select(Ablation).where(Ablation.run_id == run_id)
    return session.scalars(query.order_by(Ablation.id.desc())).all()


def evaluations(session: Session, evaluation_ids: Collection[int]) -> dict[int, Evaluation]:
    """By id."""
    query = select(Evaluation).where(Evaluation.id.in_(evaluation_ids))
    return {row.id: row for row in session.scalars(query.execution_options(populate_existing=True))}


def with_manifest(session: Session, sha256: str) -> Checkpoint | None:
    """The newest checkpoint with this manifest: of the same weights, whichever run it is called by."""
    query = select(Checkpoint).where(Checkpoint.sha256 == sha256)
    return session.scalars(query.order_by(Checkpoint.id.desc()).limit(1)).one_or_none()
