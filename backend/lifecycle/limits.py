"""How many runs of a person may wait."""

from __future__ import annotations

from sqlalchemy.orm import Session

from backend.kit.errors import Conflict
from backend.kit.format import counted
from backend.runs import order_queries as queue_order
from backend.runs.status import RunStatus


def check_queued(session: Session, owner_id: int | None, more: int = 1) -> None:
    """Conflict where `more` runs of a person would be more than may wait. Until the transaction ends nobody
    else adds one of theirs."""
    most = queue_order.limits_of(session, owner_id)[1]
    if most is None:
        return
    queue_order.one_at_a_time(session, owner_id)
    queued = queue_order.count(session, owner_id, RunStatus.QUEUED)
    if queued + more > most:
        raise Conflict(
            f"Nothing was queued: one person may have {counted(most, 'run')} waiting, {queued} already "
            f"{'waits' if queued == 1 else 'wait'}, and this would add {more}.",
            "Wait until some have started, or cancel some. An admin can raise the limit under Settings "
            "or with etrm people limit, and for everybody with ETRM_LIMIT_QUEUED.",
        )
