"""The scores that a filter and an order of runs go by, kept in the run's row: no table adds them up anew."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from backend.db.repositories import runs
from backend.services.run_facts import Facts
from backend.services.run_values import HOW


def keep(session: Session, run_id: str) -> None:
    """Write down k -> [solved, n] of what `RunView.held_out` means now, and how that was measured; call when
    an evaluation changed."""
    run = runs.get(session, run_id)
    if run is None:
        return
    held_out = Facts(session, [run], metrics=()).view(run).held_out
    passes = held_out.passes if held_out else []
    scores: dict[str, Any] = {str(each.k): [each.solved, each.n] for each in passes if each.n}
    run.scores = {**scores, HOW: f"{held_out.set} · {held_out.conditions}"} if held_out and scores else {}
    session.flush()
