"""Every change of the status of an evaluation: legal, conditional on the status it had, and noted."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy.orm import Session

from backend.db import clock
from backend.runs import journal_queries as journal
from backend.runs.status import EVALUATION, RunStatus
from backend.runs.transition import change_status
from backend.scores.tables import Evaluation


def transition_evaluation(
    session: Session,
    evaluation: Evaluation,
    from_: Collection[RunStatus],
    to: RunStatus,
    text: str = "",
    **values: Any,
) -> bool:
    """As `transition_run`, for an evaluation. `text` continues "Evaluation 17 …" in the event of its run;
    without it there is none: what a training scores by itself shows in its phase."""
    implied = {"finished_at": clock.now() if to.is_over else None}
    where = [Evaluation.id == evaluation.id]
    changed = change_status(session, Evaluation, EVALUATION, where, from_, to, implied | values)
    if changed and text:
        note_evaluation(session, evaluation, text)
    return changed


def note_evaluation(session: Session, evaluation: Evaluation, text: str) -> None:
    """Leave "Evaluation 17 …" among the events of its run."""
    text, data = f"Evaluation {evaluation.id} {text}.", {"evaluation": evaluation.id}
    journal.add_event(session, evaluation.run_id, "evaluation", text, data)
