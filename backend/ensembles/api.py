"""/api/v1/ensemble: the votes of several evaluations, pooled into one ranking."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from backend.db.session import reading_scope
from backend.ensembles import service as ensembles
from backend.ensembles.service import MAX_K
from backend.ensembles.views import EnsembleView
from backend.web.deps import Database
from backend.web.errors import responses
from backend.web.routing import VIEWER, Router

router = Router(reads=VIEWER, tags=["evaluations"])


@router.get("/ensemble", responses=responses(401, 404, 409, 422))
def read_ensemble(
    engine: Database,
    members: Annotated[
        str,
        Query(
            description="Ids of evaluations, or of runs (their headlines), separated by commas.",
            examples=["17,k3v9x0q2ab"],
            max_length=4000,
        ),
    ],
    k: Annotated[int, Query(ge=1, le=MAX_K, description="The k at which members are compared.")] = 1,
) -> EnsembleView:
    """Pool the votes of several evaluations: pass@k of the ensemble, of each member, and the paired
    difference to the best of them.

    Computed from the stored votes, without a worker. 409 names each member that does not fit: other tasks,
    test inputs or truths, or another protocol.
    """
    with reading_scope(engine) as session:
        return ensembles.ensemble(session, members.split(","), k)
