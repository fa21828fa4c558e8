"""Learning by task: what each checkpoint made of each test input, against a restatement."""

from __future__ import annotations

import csv
import io
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from backend.db.session import session_scope
from backend.domain.arc.grid import Grid
from backend.domain.arc.votes import ViewVote, trace_of
from backend.domain.records import (
    TRUTH_UNKNOWN,
    EvaluationKey,
    EvaluationSummary,
    Prediction,
    TestOutcome,
)
from backend.evaluation import outcomes as predictions
from backend.gallery.learning import STATES, state_of
from backend.lifecycle import service as runs
from tests.support.records.rows import create

TASKS = ("kept", "gained", "lost", "wavering", "never", "two", "blind")
STEPS = (100, 200, 300)
VIEWS = 8
KEY = EvaluationKey("mine", 100, "ema", VIEWS, 4, TASKS)
# Test input -> rank of the truth at each step; "two" has two test inputs, of "blind" nobody knows the truth.
RANKS: dict[tuple[str, int], tuple[int | None, ...]] = {
    ("kept", 0): (1, 1, 1),
    ("gained", 0): (None, 1, 1),
    ("lost", 0): (1, 1, 4),
    ("wavering", 0): (1, 2, 1),
    ("never", 0): (None, None, 3),
    ("two", 0): (2, 1, 1),
    ("two", 1): (1, 1, None),
}


def outcome(name: tuple[str, int], rank: int | None, keep: int = 2) -> TestOutcome:
    """Eight votes of which the candidate of rank r gets the more the smaller r is; `keep` are kept."""
    shares = (3, 2, 2, 1)
    grids = [Grid.from_digits(str(number)) for number in range(4)]
    truth = None if rank is None else grids[rank - 1]
    cast = [grid for grid, votes in zip(grids, shares, strict=True) for _ in range(votes)]
    votes = [ViewVote(at, at, "0123456789", grid, 0.5) for at, grid in enumerate(cast)]
    candidates = tuple(
        Prediction(at, grid, votes, 0.5, grid == truth, 1.0 if grid == truth else 0.0, None)
        for at, (grid, votes) in enumerate(zip(grids, shares, strict=True), 1)
    )
    return TestOutcome(*name, VIEWS, rank, candidates[:keep], trace=trace_of(votes, [], grids))


def evaluate(
    engine: Engine, run_id: str, step: int, outcomes: Sequence[TestOutcome], key: EvaluationKey = KEY
) -> None:
    with session_scope(engine) as session:
        evaluation = predictions.start_evaluation(session, run_id, replace(key, step=step))
        for each in outcomes:
            predictions.add_outcome(session, evaluation, each)
        predictions.finish_evaluation(session, evaluation, EvaluationSummary(key, {}))


@pytest.fixture
def unevaluated(client: httpx.Client, database: Engine) -> Iterator[str]:
    """A run that is gone afterwards: other files ask the same server what waits."""
    run_id = create(database).id
    yield run_id
    for answer in (client.post(f"/api/v1/runs/{run_id}/cancel"), client.delete(f"/api/v1/runs/{run_id}")):
        assert answer.is_success, answer.text


@pytest.fixture
def run(database: Engine, unevaluated: str) -> str:
    """Three checkpoints, evaluated in another order than that of their steps."""
    blind = TestOutcome("blind", 0, VIEWS, None, (), TRUTH_UNKNOWN)
    for at in random.Random(0).sample(range(3), 3):
        found = [outcome(name, ranks[at]) for name, ranks in RANKS.items()]
        evaluate(database, unevaluated, STEPS[at], [*found, blind])
    return unevaluated


def test_the_matrix_holds_rank_and_votes_of_every_checkpoint(client: httpx.Client, run: str) -> None:
    found = client.get(f"/api/v1/runs/{run}/learning").json()
    assert [each["step"] for each in found["checkpoints"]] == list(STEPS)
    cells = {(each["task_id"], each["test_index"]): each["cells"] for each in found["courses"]}
    assert {name: tuple(cell["rank"] for cell in of_test) for name, of_test in cells.items()} == RANKS
    votes = {None: 0, 1: 3, 2: 2, 3: 2, 4: 1}  # ranks 3 and 4 are kept in the votes by view alone
    assert all(
        (cell["votes"], cell["views"]) == (votes[cell["rank"]], VIEWS)
        for of_test in cells.values()
        for cell in of_test
    )


def test_each_test_input_has_the_state_of_its_course(client: httpx.Client, run: str) -> None:
    found = client.get(f"/api/v1/runs/{run}/learning").json()
    courses = {(each["task_id"], each["test_index"]): each for each in found["courses"]}
    for name in ("kept", "gained", "lost", "wavering", "never"):
        assert courses[name, 0]["state"] == name
    assert found["counts"] == {"lost": 2, "wavering": 1, "gained": 2, "kept": 1, "never": 1}
    assert found["courses"][0]["task_id"] == "lost"
    assert [courses[name]["since"] for name in RANKS] == [100, 200, None, 300, None, 200, None]
    assert [courses[name]["last"] for name in RANKS] == [300, 300, 200, 300, None, 300, 200]
    # "two" counts half at steps 100 and 300
    assert [each["score"]["solved"] for each in found["checkpoints"]] == [3.5, 4.0, 3.5]
    assert {each["score"]["n"] for each in found["checkpoints"]} == {6}
    second = client.get(f"/api/v1/runs/{run}/learning", params={"k": 4}).json()
    assert second["counts"]["lost"] == 1  # nobody votes for the second test input of "two" any more


def test_the_file_has_a_line_for_each_cell(client: httpx.Client, run: str) -> None:
    text = client.get(f"/api/v1/runs/{run}/learning/export").text
    lines = list(csv.DictReader(io.StringIO(text)))
    assert len(lines) == len(RANKS) * len(STEPS)
    assert {
        (line["task_id"], int(line["test_index"]), int(line["step"]), line["rank"]) for line in lines
    } == {
        (*name, step, "" if rank is None else str(rank))
        for name, ranks in RANKS.items()
        for step, rank in zip(STEPS, ranks, strict=True)
    }


def test_only_checkpoints_by_one_protocol_stand_together(
    client: httpx.Client, database: Engine, run: str
) -> None:
    for step in STEPS[:2]:
        evaluate(database, run, step, [outcome(("kept", 0), 1)], replace(KEY, views=16))
    evaluate(database, run, 400, [outcome(("kept", 0), 1)], replace(KEY, weights="raw"))
    by_most = client.get(f"/api/v1/runs/{run}/learning").json()
    assert (by_most["views"], len(by_most["checkpoints"])) == (VIEWS, 3)
    with session_scope(database) as session:
        how = next(each.protocol.key for each in runs.get(session, run).results if each.views == 16)
    other = client.get(f"/api/v1/runs/{run}/learning", params={"how": how}).json()
    assert (other["views"], len(other["checkpoints"])) == (16, 2)
    assert client.get(f"/api/v1/runs/{run}/learning", params={"how": "nothing"}).status_code == 422


def test_one_checkpoint_has_no_course(client: httpx.Client, database: Engine, unevaluated: str) -> None:
    evaluate(database, unevaluated, 100, [outcome(("kept", 0), 1)])
    answer = client.get(f"/api/v1/runs/{unevaluated}/learning")
    assert answer.status_code == 404
    assert "No two checkpoints" in answer.json()["error"]["message"]
    assert client.get("/api/v1/runs/nosuchrunx/learning").status_code == 404


def test_the_page_shows_the_matrix_and_one_state_of_it(client: httpx.Client, run: str) -> None:
    def words(**query: object) -> str:
        page = client.get(f"/runs/{run}/learning", params=query, headers={"Accept": "text/html"})
        assert page.status_code == 200
        return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page.text))

    whole = words()
    assert "lost 2" in whole
    assert "lost solved at 200" in whole
    assert "gained since 200" in whole
    assert "solved #1 38" in whole  # 3 of 8 votes
    lost = words(state="lost")
    assert "gained since" not in lost
    assert "None is never" not in words(state="never")


@given(st.lists(st.booleans(), min_size=1, max_size=6))
def test_every_course_has_one_state(solved: list[bool]) -> None:
    """By the words that explain the states."""
    state = state_of(solved)
    meant = {
        "lost": any(solved) and not solved[-1],
        "kept": all(solved),
        "never": not any(solved),
        "gained": solved == sorted(solved) and any(solved) and not all(solved),
        "wavering": solved[-1] and any(a and not b for a, b in pairwise(solved)),
    }
    assert meant.keys() == STATES.keys()
    assert [name for name, holds in meant.items() if holds] == [state]


def test_a_run_without_a_test_input_that_counts_says_so(
    client: httpx.Client, database: Engine, unevaluated: str
) -> None:
    blind = TestOutcome("blind", 0, VIEWS, None, (), TRUTH_UNKNOWN)
    for step in STEPS[:2]:
        evaluate(database, unevaluated, step, [blind], replace(KEY, task_ids=("blind",)))
    page = client.get(f"/runs/{unevaluated}/learning", headers={"Accept": "text/html"})
    assert (page.status_code, "No test input counts" in page.text) == (200, True)
