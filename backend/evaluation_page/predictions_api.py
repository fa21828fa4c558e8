"""/api/v1/runs/{id}/predictions and /evaluations: what a run makes of tasks."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import Query
from pydantic import Field

from backend.data.api import GRID, PairView
from backend.db.session import reading_scope
from backend.domain.arc.grid import Grid
from backend.domain.records import Prediction
from backend.evaluation import outcomes as predictions
from backend.evaluation.outcomes import MAX_PAGE, PredictionItem
from backend.kit.model import Model
from backend.lifecycle import service as runs
from backend.run_view.views import ResultView
from backend.web.deps import Database, RunId
from backend.web.errors import responses
from backend.web.routing import VIEWER, Router

router = Router(reads=VIEWER, prefix="/runs/{run_id}", tags=["predictions"])


class CandidateView(Model):
    """One candidate answer, by votes."""

    rank: int = Field(description="1 is the first attempt.")
    grid: str = Field(description=GRID)
    votes: int
    confidence: float = Field(description="Mean halting probability of its votes.")
    correct: bool
    cell_accuracy: float
    failure_mode: str | None


class PredictionView(Model):
    """What an evaluation made of one test input, with all it takes to draw it."""

    evaluation: int
    set: str
    step: int
    weights: str
    task_id: str
    test_index: int
    views: int
    truth_rank: int | None = Field(description="Among all candidates; null without a vote.")
    note: str = Field(examples=["does not fit the canvas"])
    demonstrations: list[PairView]
    input: str | None = Field(description=f"{GRID} null where the task has gone from its set.")
    truth: str | None
    candidates: list[CandidateView]


class PredictionList(Model):
    """A page of predictions; pass `next_cursor` as `cursor` for the next one."""

    predictions: list[PredictionView]
    next_cursor: str | None


@router.get("/predictions", responses=responses(401, 404, 422))
def list_predictions(
    run_id: RunId,
    engine: Database,
    failure_mode: Annotated[
        str, Query(description="Of the first attempt, or `correct`.", examples=["wrong size"])
    ] = "",
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 24,
    cursor: str | None = None,
    evaluation: Annotated[int | None, Query(description="Id of one evaluation; all, if left out.")] = None,
) -> PredictionList:
    """Test inputs and what was made of them, newest evaluation first."""
    with reading_scope(engine) as session:
        runs.check_exists(session, run_id)
        page = predictions.page(session, run_id, failure_mode or None, evaluation, limit, cursor)
    return PredictionList(predictions=[_view(item) for item in page.items], next_cursor=page.next_cursor)


@router.get("/evaluations", responses=responses(401, 404))
def list_evaluations(run_id: RunId, engine: Database) -> list[ResultView]:
    """The run's evaluations, oldest first: pass@k with its denominator, interval, set, weights and views."""
    with reading_scope(engine) as session:
        return runs.get(session, run_id).results


def _view(item: PredictionItem) -> PredictionView:
    pairs = item.task.demonstrations if item.task else ()
    return PredictionView(
        evaluation=item.evaluation_id,
        set=item.set_name,
        step=item.step,
        weights=item.weights,
        task_id=item.outcome.task_id,
        test_index=item.outcome.test_index,
        views=item.outcome.views,
        truth_rank=item.outcome.truth_rank,
        note=item.outcome.note,
        demonstrations=[PairView(input=pair.input.digits, output=pair.output.digits) for pair in pairs],
        input=_digits(item.test_input),
        truth=_digits(item.truth),
        candidates=[candidate_view(each) for each in item.outcome.candidates],
    )


def candidate_view(prediction: Prediction) -> CandidateView:
    """A candidate as the API ships it."""
    return CandidateView(**asdict(prediction) | {"grid": prediction.grid.digits})


def _digits(grid: Grid | None) -> str | None:
    return None if grid is None else grid.digits
