"""Every change of the status of a run or an evaluation: legal, conditional on the status it had, and noted.

Nothing else writes these columns (tests/architecture/test_status.py). Of two changes at once the one that
comes second finds another status than it names, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, update
from sqlalchemy.orm import Session

from backend.db import clock
from backend.db.repositories import journal
from backend.db.tables import Evaluation, Run, RunEvent
from backend.domain.errors import IllegalTransition
from backend.domain.run import EVALUATION, RUN_LIVES, Life, RunStatus, may_follow


@dataclass(frozen=True)
class Note:
    """The event that a change leaves with its run; `kind` is the new status unless there is a better word."""

    text: str
    kind: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


def transition_run(
    session: Session,
    run_id: str,
    from_: Collection[RunStatus],
    to: RunStatus,
    note: Note,
    at_attempt: int | None = None,
    origin: str = "training",
    **values: Any,
) -> bool:
    """Move the run to status `to`, set `values` and note it, if its status is one of `from_`; whether it was.

    With `at_attempt`, only while that is its newest attempt. Raises IllegalTransition, whatever the status,
    for a step that no run of this origin may take.
    """
    where = [Run.id == run_id, Run.origin == origin]
    if at_attempt is not None:
        where.append(Run.attempt == at_attempt)
    if not _changed(session, Run, RUN_LIVES[origin], where, from_, to, values):
        return False
    _note(session, run_id, note.kind or to.value, note.text, note.data)
    return True


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
    if not _changed(session, Evaluation, EVALUATION, [Evaluation.id == evaluation.id], from_, to, values):
        return False
    note_evaluation(session, evaluation, text)
    return True


def note_evaluation(session: Session, evaluation: Evaluation, text: str) -> None:
    """Leave "Evaluation 17 …" among the events of its run."""
    if text:
        data = {"evaluation": evaluation.id}
        _note(session, evaluation.run_id, "evaluation", f"Evaluation {evaluation.id} {text}.", data)


def _changed(
    session: Session,
    table: type[Run] | type[Evaluation],
    life: Life,
    where: Collection[ColumnElement[bool]],
    from_: Collection[RunStatus],
    to: RunStatus,
    values: Mapping[str, Any],
) -> bool:
    illegal = [before.value for before in from_ if not may_follow(before, to, life)]
    if illegal:
        raise IllegalTransition(f"What is {' or '.join(illegal)} cannot become {to.value}.")
    change = update(table).where(*where, table.status.in_(from_)).values(status=to, **values)
    done = session.execute(change.execution_options(synchronize_session="fetch"))
    return cast(CursorResult[Any], done).rowcount == 1


def _note(session: Session, run_id: str, kind: str, text: str, data: Mapping[str, Any]) -> None:
    event = RunEvent(run_id=run_id, kind=kind, text=text, data=dict(data), wall_time=clock.now())
    journal.add_event(session, event)
