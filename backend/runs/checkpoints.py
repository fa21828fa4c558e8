"""Which checkpoints a run has. The files are the worker's business; these rows say what is complete."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import asdict

from sqlalchemy.orm import Session

from backend.domain.records import Checkpoint
from backend.kit.errors import NotFound
from backend.runs import journal_queries as journal
from backend.runs.tables import Checkpoint as CheckpointRow


def add(session: Session, run_id: str, checkpoint: Checkpoint) -> None:
    """Note a complete checkpoint; one of the same step (written again after a resume) is replaced."""
    journal.put_checkpoint(session, run_id=run_id, created_at=time.time(), **asdict(checkpoint))


def latest(session: Session, run_id: str) -> CheckpointRow | None:
    """The checkpoint of the greatest step."""
    return next(iter(journal.checkpoints_of(session, run_id)), None)


def list(session: Session, run_id: str) -> Sequence[CheckpointRow]:
    """All checkpoints, newest first."""
    return journal.checkpoints_of(session, run_id)


def get(session: Session, run_id: str, step: int) -> CheckpointRow:
    """The checkpoint of `step`; NotFound says which there are."""
    kept = list(session, run_id)
    found = next((each for each in kept if each.step == step), None)
    if found is None:
        known = ", ".join(str(each.step) for each in kept[:8])
        raise NotFound(
            f"Run {run_id} has no checkpoint of step {step}.",
            f"It has checkpoints of steps {known}." if known else "It has none.",
        )
    return found


def forget_after(session: Session, run_id: str, step: int) -> None:
    """Drop the rows of the checkpoints after that of `step`."""
    forget(session, run_id, [each.step for each in list(session, run_id) if each.step > step])


def forget(session: Session, run_id: str, steps: Collection[int]) -> None:
    """Drop the rows of checkpoints whose files are being deleted."""
    journal.delete_checkpoints(session, run_id, steps)
