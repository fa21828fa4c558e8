"""Two evaluations on the same tasks: which is better, and is the difference significant? Read only."""

from __future__ import annotations

from functools import partial

from sqlalchemy.orm import Session

from backend.domain.measurement import SAME
from backend.kit.errors import Conflict, NotFound
from backend.kit.problems import invalid
from backend.lifecycle import service as runs
from backend.scores import queries as rows
from backend.scores.paired import ComparisonView, compared, obstacles
from backend.scores.tables import Evaluation

_invalid = partial(invalid, "The evaluations were not compared.")

MAX_K = 100


def compare(session: Session, a: str, b: str, k: int = 1) -> ComparisonView:
    """Compare two evaluations, each named by its id or by a run (its held-out headline), at k attempts.

    Only tasks that both evaluated count. Conflict, with every reason, where there is none, their protocols
    differ otherwise, or one is not finished; NotFound; InvalidInput.
    """
    if not 1 <= k <= MAX_K:
        raise _invalid("k", f"must lie in 1 to {MAX_K}, not {k}.")
    first, second = _evaluation(session, "a", a), _evaluation(session, "b", b)
    if reasons := obstacles(first, second):
        raise Conflict(
            f"Evaluations {first.id} and {second.id} are not comparable: {'; '.join(reasons)}.",
            f"Evaluate both by the same protocol: {SAME}.",
        )
    return compared(session, first, second, k)


def _evaluation(session: Session, field: str, named: str) -> Evaluation:
    """The evaluation of this id, or the held-out one that stands for this run."""
    if not named.strip():
        raise _invalid(field, "is missing.", "Give the id of an evaluation or of a run.")
    return called(session, named)


def called(session: Session, name: str) -> Evaluation:
    """The evaluation of this id, or the held-out one that stands for the run of this id; NotFound."""
    named = name.strip()
    if named.isdecimal() and len(named) < runs.ID_LENGTH:
        found = rows.get(session, int(named))
        if found is None:
            raise NotFound(f"Evaluation {named} not found.", "GET /api/v1/runs/{id}/evaluations lists them.")
        return found
    result = runs.get(session, named).held_out
    found = rows.get(session, result.id) if result else None
    if found is None:
        raise NotFound(f"Run {named} has no finished evaluation on a held-out set.", "Evaluate it first.")
    return found
