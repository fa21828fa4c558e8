"""The scores that a filter and an order of runs go by, kept in the run's row: no table adds them up again."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from backend.domain.measurement import as_json
from backend.run_view.facts import Facts
from backend.run_view.values import PROTOCOL, UNKNOWN
from backend.runs import queries as runs


def keep(session: Session, run_id: str) -> None:
    """Store k -> [solved, n] of what `RunView.held_out` means now, and its protocol; call when an evaluation
    changed."""
    run = runs.get(session, run_id)
    if run is None:
        return
    held_out = Facts(session, [run], metrics=()).view(run).held_out
    passes = held_out.passes if held_out else []
    scores: dict[str, Any] = {str(each.k): [each.solved, each.n] for each in passes if each.n}
    if held_out and scores:
        scores |= {PROTOCOL: as_json(held_out.protocol)} | ({} if held_out.held_out else {UNKNOWN: True})
    run.scores = scores
    session.flush()
