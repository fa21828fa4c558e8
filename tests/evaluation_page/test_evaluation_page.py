"""The page of an evaluation, and the form that asks for one, as a browser without script meets them."""

from __future__ import annotations

import re

import httpx
import pytest
from sqlalchemy import Engine

from backend.data import service as datasets
from backend.db.session import session_scope
from backend.domain.arc.grid import Grid
from backend.domain.arc.votes import ViewVote, tally, trace_of
from backend.domain.config.presets import quick
from backend.domain.evaluation_request import EvaluationRequest
from backend.domain.experiment import GradientSearch
from backend.domain.experiment.search import search_key
from backend.domain.records import (
    Checkpoint,
    EvaluationKey,
    EvaluationSummary,
    FailureMode,
    Prediction,
    Score,
    TestOutcome,
)
from backend.evaluation import jobs as evaluation_queue
from backend.evaluation import outcomes as predictions
from backend.evaluation import service as evaluations
from backend.evaluation_page.evaluate_form import (
    ADAPTATIONS,
    SEARCHES,
    Kinds,
    asked_adaptation,
    asked_search,
)
from backend.runs import checkpoints
from backend.runs.status import RunStatus
from tests.support.records.rows import add_run

HELD_OUT, TRAINED_ON = "arc-agi-1/evaluation", "arc-agi-1/training"


@pytest.fixture
def run_id(page_db: Engine, request: pytest.FixtureRequest) -> str:
    """A finished run with a checkpoint of step 600."""
    run_id = f"{abs(hash(request.node.name)) % 36**9:010d}"[:9] + "a"
    add_run(page_db, run_id, config=quick().model_dump(mode="json"), status=RunStatus.FINISHED)
    with session_scope(page_db) as session:
        checkpoints.add(session, run_id, Checkpoint(600, f"{run_id}/600", "0", 1))
    return run_id


def evaluate(page_db: Engine, run_id: str, set_name: str, solved: int, search: str = "") -> int:
    """A finished evaluation of four tasks."""
    with session_scope(page_db) as session:
        tasks = sorted(datasets.tasks(session, set_name), key=lambda task: task.id)[:4]
        ids = tuple(task.id for task in tasks)
        key = EvaluationKey(set_name, 600, "ema", 2, 4, ids, search=search)
        evaluation_id = predictions.start_evaluation(session, run_id, key)
        traces = []
        for number, task in enumerate(tasks):
            right, wrong = task.tests[0].output or Grid(()), Grid.from_digits("5")
            first, second = (right, wrong) if number < solved else (wrong, right)
            rank = 1 if number < solved else 2
            votes = [
                ViewVote(0, 0, "0123456789", first, 0.75), ViewVote(1, 4, "0213456789", second, 0.5)
            ]  # fmt: skip
            trace = trace_of(votes, [], [first, second])
            traces.append((trace, rank))
            mode = None if number < solved else FailureMode.WRONG_SIZE
            candidates = (
                Prediction(1, first, 1, 0.75, number < solved, 1.0 if number < solved else 0.0, mode),
            )
            outcome = TestOutcome(task.id, 0, 2, rank, candidates, trace=trace)
            predictions.add_outcome(session, evaluation_id, outcome)
        summary = EvaluationSummary(
            key, {k: Score(solved if k == 1 else 4, 4) for k in (1, 2, 5, 10)}, {"wrong size": 4 - solved},
            seconds=3.0, extras={"by_dihedral": tally(traces)},
        )  # fmt: skip
        predictions.finish_evaluation(session, evaluation_id, summary)
    return evaluation_id


def text_of(page: httpx.Response) -> str:
    assert page.status_code == 200, page.text
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.text))


def test_the_page_says_everything_about_a_finished_evaluation(
    page_client: httpx.Client, page_db: Engine, run_id: str
) -> None:
    trained = evaluate(page_db, run_id, TRAINED_ON, 3)
    evaluation = evaluate(page_db, run_id, HELD_OUT, 1)
    page = page_client.get(f"/evaluations/{evaluation}")
    text = text_of(page)
    for said in (
        "1/4 25 % [5–70]", "4/4 100 % [51–100]",  # pass@1, and from the second attempt on
        "step 600", "moving average (EMA)", "4 of arc-agi-1/evaluation held-out",
        "2 of each test input vote", "Gap at pass@1: 50.0 points",
        "3/4 75 % [30–95]", "left-right flip 4 0.0 % 75.0 %", "wrong size 3",
    ):  # fmt: skip
        assert said in text, said
    assert f'href="/evaluations/{trained}"' in page.text
    assert '<path class="line" d="M44.0 127.0' in page.text  # a quarter of the way up
    tasks = re.findall(rf'<a class="mono" href="(/tasks/[^"]*)&amp;evaluation={evaluation}"', page.text)
    assert len(tasks) == 4
    assert page_client.get(tasks[0]).status_code == 200
    assert "what=submission" in page.text


def test_a_searched_evaluation_leads_to_the_same_one_without_a_search(
    page_client: httpx.Client, page_db: Engine, run_id: str
) -> None:
    plain = evaluate(page_db, run_id, HELD_OUT, 1)
    searched = evaluate(page_db, run_id, HELD_OUT, 2, search_key(GradientSearch()))
    page = page_client.get(f"/evaluations/{searched}").text
    assert f'href="/gallery?evaluation={searched}&amp;evaluation={plain}"' in page
    assert "without-search" not in page_client.get(f"/evaluations/{plain}").text


def test_a_running_evaluation_says_that_its_scores_are_not_all(
    page_client: httpx.Client, page_db: Engine, run_id: str
) -> None:
    with session_scope(page_db) as session:
        view = evaluations.request(session, run_id, EvaluationRequest(set=HELD_OUT, first_tasks=4))
        share = evaluation_queue.claim(session, view.id, "w")
        assert share
        evaluation_queue.begin(session, share, "CPU, 2 threads", 10, 128, 12_800, [])
        number = evaluation_queue.take(session, share)
        assert number == 0
        evaluation_queue.deliver(session, share, number, b"", 32, 3200, 4.0)
        task = sorted(datasets.tasks(session, HELD_OUT), key=lambda task: task.id)[0]
        evaluation_queue.judged(session, share, TestOutcome(task.id, 0, 32, 1, ()))
    page = page_client.get(f"/evaluations/{view.id}")
    text = text_of(page)
    for said in ("running 25 % · 12 s left", "32 of 128 distinct views", "1 of 4 test inputs scored",
                 "1/1 100 %", "of the tasks scored so far", "CPU, 2 threads"):  # fmt: skip
        assert said in text, said
    assert f'action="/evaluations/{view.id}/cancel"' in page.text
    assert 'href="#evaluations"' in page_client.get("/queue").text  # beside the number of running runs
    with session_scope(page_db) as session:
        evaluations.cancel(session, view.id)


def test_the_form_on_the_run_page_queues_an_evaluation(
    page_client: httpx.Client, page_db: Engine, run_id: str
) -> None:
    run_page = page_client.get(f"/runs/{run_id}").text
    assert f'action="/runs/{run_id}/evaluate"' in run_page
    assert '<option value="600">step 600</option>' in run_page
    asked = {
        "set_name": HELD_OUT, "first_tasks": "3", "tasks": "", "step": "600", "weights": "raw", "views": "5",
        "act_steps": "", "trace_steps": "on", "workers": "2",
        "adaptation": "all", "adaptation_steps": "7", "adaptation_learning_rate": "", "adaptation_rank": "9",
        "search": "gradient", "search_steps": "7", "search_learning_rate": "", "search_optimiser": "sign",
        "search_samples": "9", "search_selection": "held_out", "search_leave_one_out": "true",
    }  # fmt: skip
    answer = page_client.post(f"/runs/{run_id}/evaluate", data=asked)
    assert answer.status_code == 303, answer.text
    page = page_client.get(answer.headers["location"])
    text = text_of(page)
    for said in (
        "queued",
        "3 of arc-agi-1/evaluation",
        "raw",
        "5 of each test input",
        "ACT steps recorded",
        "learns all weights 7 x 0.0001, batch 16",
    ):
        assert said in text, said
    assert "gradient 7 x 0.1, sign, leave one out, selected by a held-out demonstration" in text
    (cancel,) = re.findall(r'action="(/evaluations/\d+/cancel)"', page.text)
    assert page_client.post(cancel).status_code == 303
    assert "cancelled by the user" in page_client.get(answer.headers["location"]).text
    again = page_client.post(f"/runs/{run_id}/evaluate", data=asked | {"views": "0"})
    assert again.status_code == 422
    assert "views" in again.text


@pytest.mark.parametrize(("part", "kinds"), [("adaptation", ADAPTATIONS), ("search", SEARCHES)])
def test_every_field_of_the_form_is_one_of_the_kinds_that_show_it(
    part: str, kinds: Kinds, page_client: httpx.Client, run_id: str
) -> None:
    """The page and its script go by `data-search` and `data-adaptation`, the server by the configs."""
    page = page_client.get(f"/runs/{run_id}").text
    labels = re.findall(rf'<label[^>]* data-{part}="([^"]+)">.*?name="{part}_(\w+)"', page)
    assert labels
    for shown_for, name in labels:
        offered = {kind for kind, fields in kinds.items() if name in fields}
        assert set(shown_for.split()) == offered, name


def test_fields_of_other_kinds_and_empty_ones_are_no_part_of_a_config() -> None:
    found = asked_adaptation("all", adaptation_steps="7", adaptation_learning_rate="", adaptation_rank="9")
    assert found == {"kind": "all", "steps": "7"}
    assert asked_adaptation("adapters", adaptation_rank="9") == {"kind": "adapters", "rank": "9"}
    assert asked_search("random", search_samples="9", search_steps="7") == {"kind": "random", "samples": "9"}
    assert asked_adaptation("", adaptation_steps="7") is None
    assert asked_search("nonsense", search_steps="7") == {"kind": "nonsense"}  # refused with its name


def test_an_unknown_evaluation_is_a_page_that_helps(page_client: httpx.Client) -> None:
    page = page_client.get("/evaluations/999999")
    assert page.status_code == 404
    assert "Evaluation 999999 not found." in page.text
