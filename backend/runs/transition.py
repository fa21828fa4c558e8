"""Every change of the status of a run: legal, conditional on the status it had, and noted.

Nothing else writes these columns (tests/architecture/test_status.py). Of two changes at once the one that
comes second finds another status than it names, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, func, update
from sqlalchemy.orm import Session

from backend.db import clock
from backend.kit.errors import IllegalTransition
from backend.runs import journal_queries as journal
from backend.runs.status import RUN_LIVES, Life, RunStatus, may_follow
from backend.runs.tables import Run

_UNHELD = {"lease_until": None, "seconds_left": None, "cancel_requested": False}


def transition_run(
    session: Session,
    run_id: str,
    from_: Collection[RunStatus],
    to: RunStatus,
    text: str,
    *,
    kind: str = "",
    data: Mapping[str, object] | None = None,
    on_attempt: int | None = None,
    origin: str = "training",
    **values: Any,
) -> bool:
    """Move the run to status `to` if its status is one of `from_`; whether it was.

    With it go `values`, what the status implies, and an event with `text`, whose kind is the status unless
    there is a better word. With `on_attempt`, only while that is its newest one. Raises IllegalTransition,
    whatever the status is, for a step that no run of this origin may take.
    """
    where = [Run.id == run_id, Run.origin == origin]
    if on_attempt is not None:
        where.append(Run.attempt == on_attempt)
    implied: dict[str, Any] = {}
    if to is RunStatus.CANCELLING:
        implied = {"cancel_requested": True}
    elif to is RunStatus.RUNNING:
        implied = {"started_at": func.coalesce(Run.started_at, clock.now())}
    elif to.is_over:
        implied = {**_UNHELD, "finished_at": clock.now()}
    elif to is RunStatus.QUEUED:
        implied = {**_UNHELD, "finished_at": None, "worker_id": None, "dispatched_at": None}
    changed = change_status(session, Run, RUN_LIVES[origin], where, from_, to, implied | values)
    if changed:
        journal.add_event(session, run_id, kind or to.value, text, data)
    return changed


def change_status(
    session: Session,
    table: type[Any],
    life: Life,
    where: Collection[ColumnElement[bool]],
    from_: Collection[RunStatus],
    to: RunStatus,
    values: Mapping[str, Any],
) -> bool:
    """Move the row of `where` from one of `from_` to `to`; whether it moved. Errors as `transition_run`."""
    illegal = [before.value for before in from_ if not may_follow(before, to, life)]
    if illegal:
        raise IllegalTransition(f"What is {' or '.join(illegal)} cannot become {to.value}.")
    change = update(table).where(*where, table.status.in_(from_)).values(status=to, **values)
    done = session.execute(change.execution_options(synchronize_session="fetch"))
    return cast(CursorResult[Any], done).rowcount == 1
