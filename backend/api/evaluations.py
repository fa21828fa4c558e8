"""/api/v1/evaluations: scorings of checkpoints, and what two of them say about each other."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from backend.api.deps import Database
from backend.api.errors import responses
from backend.db.session import reading_scope
from backend.services import comparison
from backend.services.comparison import LARGEST_K, ComparisonView

router = APIRouter(prefix="/evaluations", tags=["evaluations"])

SIDE = "Id of an evaluation, or of a run: its newest held-out result."


@router.get("/compare", responses=responses(401, 404, 409, 422))
def compare_evaluations(
    engine: Database,
    a: Annotated[str, Query(description=SIDE, examples=["17"])],
    b: Annotated[str, Query(description=SIDE, examples=["k3v9x0q2ab"])],
    k: Annotated[int, Query(ge=1, le=LARGEST_K, description="Attempts.")] = 1,
) -> ComparisonView:
    """Two evaluations on the same tasks: McNemar's exact test and the paired bootstrap of the difference.

    409 with the reasons where they were not measured alike: other tasks, views, weights or ACT steps.
    """
    with reading_scope(engine) as session:
        return comparison.compare(session, a, b, k)
