"""/api/v1/evaluations: scorings of checkpoints, and what two of them say about each other."""

from __future__ import annotations

from typing import Annotated

from fastapi import Body, Path, Query, Response

from backend.db.session import reading_scope, session_scope
from backend.domain.evaluation_request import EvaluationRequest
from backend.evaluation import comparison
from backend.evaluation import service as evaluations
from backend.evaluation.comparison import MAX_K
from backend.evaluation.service import MAX_LIMIT
from backend.evaluation.views import EvaluationView, TestInputView
from backend.evaluation_page import exports, traces
from backend.evaluation_page import strata as by_stratum
from backend.evaluation_page.strata import StrataView
from backend.evaluation_page.traces import AdaptationView, SearchView, StepsView, VotesView
from backend.kit.model import Model
from backend.queue import dispatch
from backend.scores.paired import ComparisonView
from backend.sequential import service as sequential
from backend.sequential.service import SequentialRequest, SequentialView
from backend.web.deps import Database, EvaluationId, RunId, announce, attached
from backend.web.errors import responses
from backend.web.routing import EDITOR, VIEWER, Router

router = Router(reads=VIEWER, writes=EDITOR, tags=["evaluations"])
ASKED = Body(
    openapi_examples={
        "the newest checkpoint": {"value": {"first_tasks": 32}},
        "all that is held out": {"value": {"views": 1000, "workers": 4, "trace_steps": True}},
    }
)

OF_TEST_INPUT = "/evaluations/{evaluation_id}/tasks/{task_id}/{test_index}"
TaskId = Annotated[str, Path(description="Id of a task.", examples=["00576224"])]
TestIndex = Annotated[int, Path(ge=0, le=2**31, description="Of the test input; 0 is the first.")]
SIDE = "Id of an evaluation, or of a run: its held-out headline."


class EvaluationList(Model):
    """Evaluations, newest first, without their curves."""

    evaluations: list[EvaluationView]


class TestInputList(Model):
    """What an evaluation made of each test input, in short."""

    __test__ = False  # not a pytest class

    test_inputs: list[TestInputView]


@router.post("/runs/{run_id}/evaluations", status_code=201, responses=responses(401, 404, 409, 413, 422))
def create_evaluation(
    run_id: RunId,
    response: Response,
    engine: Database,
    asked: Annotated[EvaluationRequest, ASKED],
) -> EvaluationView:
    """Queue the scoring of a checkpoint. 409 where it is done or under way already.

    One that failed or was cancelled resumes where it stopped. One that only an ablation or a study had asked
    for is taken as it is, and is a result of the run from then on.
    """
    with session_scope(engine) as session:
        view = evaluations.request(session, run_id, asked)
    _sent(view)
    response.headers["Location"] = f"/api/v1/evaluations/{view.id}"
    return view


@router.get("/evaluations", responses=responses(401, 422))
def list_all_evaluations(
    engine: Database,
    status: Annotated[str, Query(description="Only these, separated by commas.", examples=["running"])] = "",
    run: Annotated[str, Query(description="Only those of this run, in training as well.")] = "",
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 50,
) -> EvaluationList:
    """Evaluations that were queued as jobs, newest first."""
    wanted = [each.strip() for each in status.split(",") if each.strip()]
    with reading_scope(engine) as session:
        return EvaluationList(evaluations=evaluations.find(session, run or None, wanted or None, limit))


class SequentialList(Model):
    """Sequential comparisons, newest first."""

    duels: list[SequentialView]


@router.post("/duels", status_code=201, responses=responses(401, 404, 409, 413, 422))
def create_duel(asked: SequentialRequest, response: Response, engine: Database) -> SequentialView:
    """Evaluate two checkpoints by one protocol, with more views (32, 100, 400) only while it is undecided
    which solves more. What was already evaluated is not computed again."""
    with session_scope(engine) as session:
        comparison, started = sequential.request(session, asked)
    for evaluation_id, workers in started:
        dispatch.send_evaluation(evaluation_id, workers)
    announce(comparison.a, comparison.b)
    response.headers["Location"] = f"/api/v1/duels/{comparison.id}"
    return comparison


@router.get("/duels", responses=responses(401, 422))
def list_duels(
    engine: Database, limit: Annotated[int, Query(ge=1, le=sequential.MAX_LIMIT)] = 50
) -> SequentialList:
    """Sequential comparisons of checkpoints, newest first."""
    with reading_scope(engine) as session:
        return SequentialList(duels=sequential.find(session, limit))


@router.get("/duels/{duel_id}", responses=responses(401, 404, 422))
def read_duel(
    duel_id: Annotated[int, Path(ge=1, le=2**62, description="Id of a sequential comparison.")],
    engine: Database,
) -> SequentialView:
    """One sequential comparison: its rounds so far and what the last comparison says."""
    with reading_scope(engine) as session:
        return sequential.get(session, duel_id)


@router.get("/evaluations/compare", responses=responses(401, 404, 409, 422))
def compare_evaluations(
    engine: Database,
    a: Annotated[str, Query(description=SIDE, examples=["17"])],
    b: Annotated[str, Query(description=SIDE, examples=["k3v9x0q2ab"])],
    k: Annotated[int, Query(ge=1, le=MAX_K, description="Attempts.")] = 1,
) -> ComparisonView:
    """Two evaluations on the same tasks: McNemar's exact test and the paired bootstrap of the difference.

    Only tasks that both evaluated count. 409 with the reasons where they are not comparable: another set, no
    task in common, other views, weights, ACT steps, adaptation, search, canvas or votes of equal views.
    """
    with reading_scope(engine) as session:
        return comparison.compare(session, a, b, k)


@router.get("/evaluations/{evaluation_id}", responses=responses(401, 404, 422))
def read_evaluation(evaluation_id: EvaluationId, engine: Database) -> EvaluationView:
    """One evaluation: status, progress and time left, pass@k with counts and intervals, failure modes, the
    gap between trained-on and held-out tasks, and what it cost."""
    with reading_scope(engine) as session:
        return evaluations.get(session, evaluation_id)


@router.get("/evaluations/{evaluation_id}/tasks", responses=responses(401, 404, 422))
def list_test_inputs(evaluation_id: EvaluationId, engine: Database) -> TestInputList:
    """Every test input scored so far, by task: rank of the truth, votes and confidence of the first attempt.

    Candidates and grids: `GET /api/v1/runs/{id}/predictions?evaluation=`.
    """
    with reading_scope(engine) as session:
        return TestInputList(test_inputs=evaluations.test_inputs(session, evaluation_id))


@router.get("/evaluations/{evaluation_id}/strata", responses=responses(401, 404, 422))
def read_strata(evaluation_id: EvaluationId, engine: Database) -> StrataView:
    """The scores by kind of task: longest side, colours, number of demonstrations, and whether outputs have
    the size of their inputs. The strata of each add up to all tasks."""
    with reading_scope(engine) as session:
        return by_stratum.strata(session, evaluation_id)


@router.get(
    "/evaluations/{evaluation_id}/export", response_class=Response, responses=responses(401, 404, 422)
)
def export_evaluation(
    evaluation_id: EvaluationId,
    engine: Database,
    what: Annotated[
        str,
        Query(
            description="`predictions`, `votes` (by view), `steps` (ACT), `curve` (pass@k), `strata` (by "
            "kind of task) or Kaggle's `submission`."
        ),
    ] = "predictions",
    format: Annotated[str, Query(description="`json`, `csv` or `parquet`; a submission is JSON.")] = "json",
) -> Response:
    """A file: the kept candidates, every vote, every recorded ACT step, scores over k and by kind of task, or
    two attempts for Kaggle."""
    with reading_scope(engine) as session:
        return attached(exports.export(session, evaluation_id, what, format))


@router.post("/evaluations/{evaluation_id}/cancel", responses=responses(401, 404, 409, 422))
def cancel_evaluation(evaluation_id: EvaluationId, engine: Database) -> EvaluationView:
    """Stop an evaluation. What it has computed stays: resumed, it continues where it stopped."""
    with session_scope(engine) as session:
        view = evaluations.cancel(session, evaluation_id)
    announce(view.run_id)
    return view


@router.post("/evaluations/{evaluation_id}/resume", responses=responses(401, 404, 409, 422))
def resume_evaluation(evaluation_id: EvaluationId, engine: Database) -> EvaluationView:
    """Queue a failed or cancelled evaluation again."""
    with session_scope(engine) as session:
        view = evaluations.resume(session, evaluation_id)
    _sent(view)
    return view


@router.get(f"{OF_TEST_INPUT}/votes", responses=responses(401, 404, 422))
def read_votes(
    evaluation_id: EvaluationId, task_id: TaskId, test_index: TestIndex, engine: Database
) -> VotesView:
    """Every vote on one test input: which view voted for which candidate, and how the symmetries disagree."""
    with reading_scope(engine) as session:
        return traces.votes(session, evaluation_id, task_id, test_index)


@router.get(f"{OF_TEST_INPUT}/steps", responses=responses(401, 404, 422))
def read_steps(
    evaluation_id: EvaluationId, task_id: TaskId, test_index: TestIndex, engine: Database
) -> StepsView:
    """What the unchanged view of a test input shows after every ACT step.

    404 where it was not recorded: evaluate with `trace_steps`.
    """
    with reading_scope(engine) as session:
        return traces.steps(session, evaluation_id, task_id, test_index)


@router.get(f"{OF_TEST_INPUT}/search", responses=responses(401, 404, 422))
def read_search(
    evaluation_id: EvaluationId, task_id: TaskId, test_index: TestIndex, engine: Database
) -> SearchView:
    """How the latent of a test input's unchanged view was searched: loss, distance and grid by step.

    404 where nothing was searched: evaluate with a `search`.
    """
    with reading_scope(engine) as session:
        return traces.search(session, evaluation_id, task_id, test_index)


@router.get(f"{OF_TEST_INPUT}/adaptation", responses=responses(401, 404, 422))
def read_adaptation(
    evaluation_id: EvaluationId, task_id: TaskId, test_index: TestIndex, engine: Database
) -> AdaptationView:
    """How a copy of the model learned the task before it answered: loss by step, and what it cost.

    404 where none did: evaluate with an `adaptation`.
    """
    with reading_scope(engine) as session:
        return traces.adaptation(session, evaluation_id, task_id, test_index)


def _sent(view: EvaluationView) -> None:
    """Tell the workers, and who looks."""
    dispatch.send_evaluation(view.id, view.max_workers or 1)
    announce(view.run_id)
