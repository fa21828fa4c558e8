"""What the launch form counts as left to train on is what the worker then trains on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from backend.data import service as datasets
from backend.db.session import session_scope
from backend.domain.arc.files import read_built_in
from backend.domain.experiment import ExperimentConfig
from backend.launch import training_tasks
from tests.support.pair_archives import tasks as pooled_tasks
from tests.support.records.tiny_runs import tiny
from worker.data import training_data
from worker.data.sets import TasksInMemory

TASKS = read_built_in("arc-agi-1/training")[:48]
SETS = {"mine": TASKS, "asked": TASKS[:47], "few": TASKS[40:44], "more": TASKS[46:] + TASKS[:2]}
SETS["pooled"] = pooled_tasks()  # of 50 pairs each on up to 4 x 4 cells


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    with session_scope(engine) as session:
        for name, tasks in SETS.items():
            datasets.keep_generated(session, name, tasks)
        yield session


def config(*, training: tuple[str, ...] = ("mine",), evaluated: str = "few", **data: Any) -> ExperimentConfig:
    sizes = {"training_sets": training, "first_tasks": None, "canvas_sizes": (30,)}
    sets = {"sets": [{"name": evaluated, "first_tasks": 3, "that_fit": True}]}
    return tiny("trm", data=sizes | data, evaluation=sets)


@pytest.mark.parametrize(
    ("chosen", "words", "warns"),
    [
        (
            config(evaluated="asked"),
            "Trains on 1 of 48 tasks: 47 left out as overlapping the evaluation.",
            True,
        ),
        (config(), "Trains on 44 of 48 tasks: 4 left out as overlapping the evaluation.", False),
        (config(first_tasks=8), "Trains on 8 tasks.", False),
        (config(evaluated="mine"), "Trains on 48 tasks.", False),
        (config(training=("few", "more"), evaluated="asked"), "Trains on 1 of 8 tasks", True),
        (config(canvas_sizes=(10,)), "fitting no canvas.", True),
        (config(training=("pooled",), canvas_sizes=(3,)), "Trains on 4 tasks.", False),
        (
            config(evaluation_demonstrations=True),
            "Trains on 44 of 48 tasks and the demonstrations of 3",
            False,
        ),
    ],
)
def test_the_form_counts_what_the_worker_trains_on(
    session: Session, chosen: ExperimentConfig, words: str, warns: bool
) -> None:
    found = training_tasks.of(session, chosen)
    record = training_data.build(chosen, TasksInMemory(SETS)).trained_on

    assert found is not None
    assert words in found.words
    assert found.warns is warns
    assert (found.tasks, found.asked, found.demonstrations, found.left_out) == (
        record.tasks,
        record.asked,
        record.demonstrations,
        record.left_out,
    )


def test_a_replaced_set_is_counted_again(session: Session) -> None:
    assert training_tasks.of(session, config()) is not None
    datasets.keep_generated(session, "few", TASKS[:20])

    found = training_tasks.of(session, config())

    assert found is not None
    assert found.tasks == 28


def test_a_set_that_nobody_used_yet_is_not_counted(session: Session) -> None:
    assert training_tasks.of(session, config(training=("procedural/control/train",))) is None


def test_the_page_and_the_check_of_a_config_say_it(client: httpx.Client) -> None:
    whole = {"preset": "quick", "data": {"first_tasks": None, "canvas_sizes": [30]}}
    found = client.post("/api/v1/config/validate", json=whole).json()
    said = "Trains on 398 of 400 tasks: 2 left out as overlapping the evaluation."
    assert found["training_tasks"]["words"] == said
    assert "Trains on 32 tasks." in client.get("/runs/new?preset=quick").text
