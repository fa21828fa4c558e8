"""A lease: a worker's right to a row, for as long as it renews it, by the database's clock.

The same for every table with the columns `worker_id` and `lease_until` (NULL: nobody holds the row). Each
change is one conditional UPDATE that names the holder's fencing token, so of two that try at once one gets
it, on SQLite as on PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

from sqlalchemy import ColumnElement, CursorResult, Select, Update, literal_column, select, update
from sqlalchemy.orm import Session

from backend.db import clock
from backend.runs.status import HELD
from backend.runs.tables import Run
from backend.workers.tables import EvaluationShare

if TYPE_CHECKING:
    from backend.playground.tables import Play

SECONDS = 60.0  # for which a worker may be silent before what it holds is given to another

Leased = TypeVar("Leased", Run, EvaluationShare, "Play")


def granted(worker_id: str) -> dict[str, Any]:
    """The columns of a row that `worker_id` takes."""
    return {"worker_id": worker_id, "lease_until": clock.now() + SECONDS}


def is_held(table: type[Leased]) -> ColumnElement[bool]:
    """Whether somebody holds the row, a lapsed lease included: until it is taken away it can be renewed."""
    return table.lease_until.is_not(None)


def of_run(run_id: str, attempt: int) -> Update:
    """The run's row while this attempt, its fencing token, has it; for `renew` and `write`."""
    return update(Run).where(Run.id == run_id, Run.attempt == attempt, is_held(Run))


def of_share(share_id: int) -> Update:
    """The share's row, whose id is its fencing token, while it has not ended; for `renew` and `write`."""
    return update(EvaluationShare).where(EvaluationShare.id == share_id, is_held(EvaluationShare))


def renew(session: Session, own: Update) -> bool:
    """Restart the lease; whether the holder still had it."""
    return write(session, own, lease_until=clock.now() + SECONDS)


def write(session: Session, own: Update, **values: Any) -> bool:
    """Set `values` in the row if its holder still has it; whether it did.

    Without values it still takes the row, so that nobody takes it away before this transaction ends.
    """
    change = own.values({"lease_until": literal_column("lease_until"), **values})
    done = session.execute(change.execution_options(synchronize_session="fetch"))
    return cast(CursorResult[Any], done).rowcount == 1


def held(session: Session, table: type[Leased]) -> Sequence[Leased]:
    """Rows that a worker has."""
    return session.scalars(_in_use(table).where(is_held(table))).all()


def lapsed(session: Session, table: type[Leased]) -> Sequence[Leased]:
    """Rows whose lease has expired, locked against a renewal at the same moment."""
    late = _in_use(table).where(table.lease_until < clock.now())
    return session.scalars(late.with_for_update(skip_locked=True)).all()


def lost(
    session: Session, table: type[Leased], is_dead: Callable[[str], bool] | None, count_lapsed: bool = True
) -> Iterator[tuple[Leased, str]]:
    """(row, what became of its worker) of all that are to be put back, one after the other."""
    for row in held(session, table) if is_dead else ():
        if is_dead and row.worker_id and is_dead(row.worker_id):
            yield row, "died"
    for row in lapsed(session, table) if count_lapsed else ():
        yield row, f"has not answered for {SECONDS:.0f} s"


def _in_use(table: type[Leased]) -> Select[Leased]:
    query = select(table).order_by(table.id)
    return query.where(Run.status.in_(HELD)) if table is Run else query  # the index begins with it
