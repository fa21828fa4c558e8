"""/api/v1/runs/{id}/predictions and /evaluations: what a run makes of tasks."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import BeforeValidator, Field, WithJsonSchema

from backend.data.api import GRID, PairView
from backend.db.session import reading_scope, session_scope
from backend.domain.arc.grid import COLOURS, MAX_SIDE, Grid
from backend.domain.arc.judging import Candidate
from backend.domain.measurement import Settings
from backend.domain.records import Prediction
from backend.evaluation import logged
from backend.evaluation import outcomes as predictions
from backend.evaluation.outcomes import MAX_PAGE, PredictionItem
from backend.kit.model import Model
from backend.lifecycle import service as runs
from backend.metrics.frames import MAX_STEP
from backend.run_view.views import ResultView
from backend.web.deps import Database, RunId, announce
from backend.web.errors import responses
from backend.web.inputs import Input
from backend.web.routing import EDITOR, LOG, VIEWER, Router, needs

router = Router(reads=VIEWER, writes=EDITOR, prefix="/runs/{run_id}", tags=["predictions"])


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


def _checked_grid(given: Any) -> str:
    """Digits of a grid that is given as digits or as lists; ValueError says what is wrong with it."""
    if isinstance(given, str) and given.replace("/", "").isdecimal() and given.isascii():
        given = [[int(cell) for cell in row] for row in given.split("/")]
    if not isinstance(given, list) or not all(isinstance(row, list) for row in given):
        if given == "":
            return ""
        raise ValueError("must be rows of digits joined by /, or a list of rows")
    cells = [cell for row in given for cell in row]
    if not all(type(cell) is int and 0 <= cell < COLOURS for cell in cells):
        raise ValueError(f"has a cell that is no colour: colours are 0 to {COLOURS - 1}")
    if len({len(row) for row in given}) > 1:
        raise ValueError("has rows of different lengths")
    if len(given) > MAX_SIDE or any(len(row) > MAX_SIDE for row in given):
        raise ValueError(f"is larger than {MAX_SIDE} x {MAX_SIDE}")
    return Grid.of(given).digits


LoggedGrid = Annotated[
    str,
    BeforeValidator(_checked_grid),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": "^([0-9]+(/[0-9]+)*)?$"},
                {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}},
            ],
            "description": f"{GRID} Or a list of rows. Empty: the model gave no grid.",
            "examples": ["010/111/010"],
        }
    ),
]


class LoggedCandidate(Input):
    """One answer of a script's model to a test input."""

    grid: LoggedGrid
    votes: int = Field(1, ge=1, le=1_000_000, description="How many views of the test input predict it.")
    confidence: float = Field(0.0, ge=0, le=1, description="Mean halting probability of its votes.")


class LoggedPrediction(Input):
    """What a script's model makes of one test input."""

    task: str = Field(min_length=1, max_length=200, examples=["00576224"])
    test: int = Field(0, ge=0, le=1000, description="Which test input of the task, counted from 0.")
    candidates: list[LoggedCandidate] = Field(
        max_length=1000, description="Most votes first; equal ones in the order given. None: no answer."
    )


class LoggedPredictions(Input):
    """Predictions of one state of a model on one set."""

    set: str = Field(max_length=200, examples=["arc-agi-1/evaluation"])
    step: int = Field(0, ge=0, le=MAX_STEP)
    weights: Literal["ema", "raw"] = "raw"
    views: int = Field(1, ge=1, le=1_000_000, description="Augmented forms of each test input that vote.")
    act_steps: int = Field(1, ge=1, le=1_000_000, description="Steps of the recursion at each answer.")
    predictions: list[LoggedPrediction] = Field(min_length=1, max_length=1000)


class PredictionsWritten(Model):
    """What was written; it is committed."""

    evaluation: int = Field(description="Id of the evaluation that they belong to.")


@router.post("/predictions", responses=responses(401, 404, 409, 413, 422))
@needs(LOG)
def log_predictions(run_id: RunId, body: LoggedPredictions, engine: Database) -> PredictionsWritten:
    """Log predictions of an external run. The lab judges them: an evaluation of the run has pass@k with its
    interval, failure modes and cards in the gallery.

    Predictions of one set, step, weights, views and ACT steps are one evaluation, whose score counts the
    tasks logged so far with all their test inputs. A test input that is logged again is replaced. This is a
    heartbeat, too.
    """
    settings = Settings(weights=body.weights, views=body.views, act_steps=body.act_steps)
    answers = [
        logged.Answer(
            each.task,
            each.test,
            tuple(
                Candidate(Grid.from_digits(candidate.grid), candidate.votes, candidate.confidence)
                for candidate in each.candidates
            ),
        )
        for each in body.predictions
    ]
    with session_scope(engine) as session:
        checkpoint = logged.Checkpoint(body.set, body.step, settings)
        evaluation = logged.log(session, run_id, checkpoint, answers)
    announce(run_id)
    return PredictionsWritten(evaluation=evaluation)


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
