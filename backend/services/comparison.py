"""Two evaluations on the same tasks: who is better, and is it more than luck? Nothing here writes."""

from __future__ import annotations

from functools import partial

from sqlalchemy.orm import Session

from backend.db.repositories import evaluations as rows
from backend.db.tables import Evaluation
from backend.domain.errors import Conflict, NotFound
from backend.kit.problems import invalid
from backend.services import runs
from backend.services.paired import ComparisonView, DifferenceView, SideView, compared, unlike

_invalid = partial(invalid, "The evaluations were not compared.")

__all__ = ["LARGEST_K", "ComparisonView", "DifferenceView", "SideView", "compare", "unlike"]

LARGEST_K = 100


def compare(session: Session, a: str, b: str, k: int = 1) -> ComparisonView:
    """Compare two evaluations, each named by its id or by a run (its newest held-out result), at k attempts.

    Conflict, with every reason, where they were not measured alike or are not finished; NotFound;
    InvalidInput.
    """
    if not 1 <= k <= LARGEST_K:
        raise _invalid("k", f"must lie in 1 to {LARGEST_K}, not {k}.")
    first, second = _evaluation(session, "a", a), _evaluation(session, "b", b)
    if reasons := unlike(first, second):
        raise Conflict(
            f"Evaluations {first.id} and {second.id} cannot be compared: {'; '.join(reasons)}.",
            "Evaluate both alike: same set and tasks, views, weights, ACT steps, search and canvas.",
        )
    return compared(session, first, second, k)


def _evaluation(session: Session, field: str, named: str) -> Evaluation:
    """The evaluation of this id, or the newest held-out one of this run."""
    named = named.strip()
    if not named:
        raise _invalid(field, "is missing.", "Give the id of an evaluation or of a run.")
    if named.isdecimal() and len(named) < runs.ID_LENGTH:
        found = rows.get(session, int(named))
        if found is None:
            raise NotFound(
                f"There is no evaluation {named}.", "GET /api/v1/runs/{id}/evaluations lists them."
            )
        return found
    result = runs.get(session, named).held_out
    found = rows.get(session, result.id) if result else None
    if found is None:
        raise NotFound(f"Run {named} has no finished evaluation on a held-out set.", "Evaluate it first.")
    return found
