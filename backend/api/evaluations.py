"""/api/v1/evaluations: scorings of checkpoints, and what two of them say about each other."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from backend.api.deps import Database
from backend.api.errors import responses
from backend.db.session import reading_scope
from backend.services import comparison, traces
from backend.services.comparison import LARGEST_K, ComparisonView
from backend.services.traces import SearchView, StepsView, VotesView

router = APIRouter(prefix="/evaluations", tags=["evaluations"])

EvaluationId = Annotated[int, Path(ge=1, le=2**62, description="Id of an evaluation.", examples=[17])]
TaskId = Annotated[str, Path(description="Id of a task.", examples=["00576224"])]
TestIndex = Annotated[int, Path(ge=0, le=2**31, description="Of the test input; 0 is the first.")]
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


@router.get("/{evaluation_id}/tasks/{task_id}/{test_index}/votes", responses=responses(401, 404, 422))
def read_votes(
    evaluation_id: EvaluationId, task_id: TaskId, test_index: TestIndex, engine: Database
) -> VotesView:
    """Every vote on one test input: which view voted for which candidate, and how the symmetries disagree."""
    with reading_scope(engine) as session:
        return traces.votes(session, evaluation_id, task_id, test_index)


@router.get("/{evaluation_id}/tasks/{task_id}/{test_index}/steps", responses=responses(401, 404, 422))
def read_steps(
    evaluation_id: EvaluationId, task_id: TaskId, test_index: TestIndex, engine: Database
) -> StepsView:
    """What the unchanged view of a test input shows after every ACT step.

    404 where it was not recorded: evaluate with `trace_steps`.
    """
    with reading_scope(engine) as session:
        return traces.steps(session, evaluation_id, task_id, test_index)


@router.get("/{evaluation_id}/tasks/{task_id}/{test_index}/search", responses=responses(401, 404, 422))
def read_search(
    evaluation_id: EvaluationId, task_id: TaskId, test_index: TestIndex, engine: Database
) -> SearchView:
    """How the latent of a test input's unchanged view was searched: loss, distance and grid by step.

    404 where nothing was searched: evaluate with a `search`.
    """
    with reading_scope(engine) as session:
        return traces.search(session, evaluation_id, task_id, test_index)
