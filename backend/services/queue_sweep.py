"""What web server and workers do every few seconds: put back what was lost, and find what should be sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.orm import Session

from backend.services import dispatch, duels, evaluation_queue, queue, workers
from backend.services.queue import RESEND_AFTER


@dataclass(frozen=True)
class Unsent:
    """Work that workers are to hear of once the transaction is committed."""

    runs: list[str]
    evaluations: list[tuple[int, int]]  # evaluation, how many workers

    def send(self) -> None:
        """Send all of it, up to what the broker does not take: the next sweep sends the rest."""
        dispatch.send_all(self.runs)
        for evaluation_id, most in self.evaluations:
            dispatch.send_evaluation(evaluation_id, most)


def sweep(
    session: Session, is_dead: Callable[[str], bool] | None = None, resend_after: float = RESEND_AFTER
) -> Unsent:
    """Put back what has a lapsed lease, or a worker that `is_dead`, and name what should be sent (again).

    Only as much as there are idle workers: for a busy worker a second message would only pile up.
    """
    evaluation_queue.put_back_lost(session, is_dead)
    queue.put_back_lost(session, is_dead)
    if is_dead:
        workers.forget_dead(session, is_dead)
    room = workers.idle(session)
    runs = queue.to_send(session, room, resend_after)
    evaluations = evaluation_queue.to_send(session, room - len(runs), resend_after)
    return Unsent(runs, [*((each, 1) for each in evaluations), *duels.advance(session)])
