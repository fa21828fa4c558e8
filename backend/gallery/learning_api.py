"""/api/v1/runs/{id}/learning: what each checkpoint of a run made of each test input."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Response

from backend.db.session import reading_scope
from backend.gallery import learning
from backend.gallery.learning import LearningView
from backend.kit.exports.table_files import Head, table_file
from backend.web.deps import Database, RunId, attached
from backend.web.errors import responses
from backend.web.routing import VIEWER, Router

router = Router(reads=VIEWER, tags=["gallery"])

MAX_K = 100
K = Annotated[int, Query(ge=1, le=MAX_K, description="Attempts within which a test input counts as solved.")]
How = Annotated[
    str, Query(max_length=40, description="Key of the protocol; empty: the one that scored most checkpoints.")
]
COLUMNS: Head = {
    "task_id": "text",
    "test_index": "int",
    "state": "text",
    "evaluation": "int",
    "step": "int",
    "rank": "int",
    "votes": "int",
    "views": "int",
    "solved": "bool",
}


@router.get("/runs/{run_id}/learning", responses=responses(401, 404, 422))
def read_learning(run_id: RunId, engine: Database, k: K = 1, how: How = "") -> LearningView:
    """Test inputs by checkpoints: rank of the right answer, votes for it, and what was gained and lost.

    404 where no two checkpoints were scored by one protocol.
    """
    with reading_scope(engine) as session:
        return learning.required(learning.learning(session, run_id, k, how), run_id)


@router.get("/runs/{run_id}/learning/export", response_class=Response, responses=responses(401, 404, 422))
def export_learning(
    run_id: RunId,
    engine: Database,
    k: K = 1,
    how: How = "",
    format: Annotated[str, Query(description="`json`, `csv` or `parquet`.")] = "csv",
) -> Response:
    """The same as a file: a line for each test input and checkpoint."""
    with reading_scope(engine) as session:
        found = learning.required(learning.learning(session, run_id, k, how), run_id)
    table = [
        (
            course.task_id, course.test_index, course.state, at.evaluation, at.step,
            cell.rank, cell.votes, cell.views, cell.solved,
        )
        for course in found.courses
        for at, cell in zip(found.checkpoints, course.cells, strict=True)
        if cell
    ]  # fmt: skip
    return attached(table_file(f"run-{run_id}-learning", COLUMNS, table, format))
