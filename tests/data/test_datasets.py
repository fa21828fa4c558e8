"""Task sets: seeded once, imported whole or not at all."""

from __future__ import annotations

import json
import threading

import pytest
from sqlalchemy import Engine

from backend.data import service as datasets
from backend.db.session import reading_scope, session_scope
from backend.domain.arc.files import read_built_in
from backend.kit.errors import Conflict, InvalidInput, InvalidTaskFile, NotFound

EASY = {"train": [{"input": [[1, 2]], "output": [[2, 1]]}], "test": [{"input": [[3, 4]], "output": [[4, 3]]}]}
HIDDEN = {"train": [{"input": [[1]], "output": [[2]]}], "test": [{"input": [[3]]}]}


def kaggle(**tasks: object) -> datasets.File:
    return json.dumps(tasks).encode(), "challenges.json"


def test_the_built_in_sets_are_seeded_once(engine: Engine) -> None:
    for _ in range(2):
        with session_scope(engine) as session:
            datasets.seed_built_in(session)
    with reading_scope(engine) as session:
        counts = {each.name: (each.origin, each.tasks) for each in datasets.sets(session)}
        assert datasets.tasks(session, "arc-agi-1/training") == read_built_in("arc-agi-1/training")
    assert counts == {
        "arc-agi-1/training": ("built-in", 400),
        "arc-agi-1/evaluation": ("built-in", 400),
        "arc-agi-2/training": ("built-in", 1000),
        "arc-agi-2/evaluation": ("built-in", 120),
    }


def test_two_processes_may_seed_at_once(engine: Engine) -> None:
    failures: list[Exception] = []

    def seed() -> None:
        try:
            with session_scope(engine) as session:
                datasets.seed_built_in(session)
        except Exception as error:  # noqa: BLE001 — a thread's error is lost otherwise
            failures.append(error)

    threads = [threading.Thread(target=seed) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with reading_scope(engine) as session:
        assert sum(each.tasks for each in datasets.sets(session)) == 1920


def test_an_imported_set_is_read_as_it_was_written(engine: Engine) -> None:
    with session_scope(engine) as session:
        made = datasets.import_files(session, "mine/easy", [kaggle(b=EASY, a=HIDDEN)])
        assert (made.name, made.origin, made.tasks) == ("mine/easy", "imported", 2)
        first, second = datasets.tasks(session, "mine/easy")
        assert (first.id, second.id) == ("b", "a")
        assert first.tests[0].output is not None
        assert first.tests[0].output.as_lists() == [[4, 3]]
        assert second.tests[0].output is None
        assert datasets.task(session, "mine/easy", "a") == second


def test_single_task_files_are_gathered_into_one_set(engine: Engine) -> None:
    files = [(json.dumps(EASY).encode(), f"{name}.json") for name in ("one", "two")]
    with session_scope(engine) as session:
        assert datasets.import_files(session, "mine", files).tasks == 2
        assert datasets.task(session, "mine", "two").id == "two"


def test_solutions_fill_in_the_test_outputs(engine: Engine) -> None:
    with session_scope(engine) as session:
        solutions = json.dumps({"a": [[[5]]]}).encode(), "solutions.json"
        datasets.import_files(session, "mine", [kaggle(a=HIDDEN)], solutions)
        output = datasets.task(session, "mine", "a").tests[0].output
        assert output is not None
        assert output.as_lists() == [[5]]


def test_importing_the_same_again_is_no_change_and_other_tasks_need_replace(engine: Engine) -> None:
    with session_scope(engine) as session:
        before = datasets.import_files(session, "mine", [kaggle(a=EASY)])
        assert datasets.import_files(session, "mine", [kaggle(a=EASY)]) == before
        with pytest.raises(Conflict, match="with 1 task"):
            datasets.import_files(session, "mine", [kaggle(a=HIDDEN)])
        datasets.import_files(session, "mine", [kaggle(b=HIDDEN, c=EASY)], replace=True)
        assert [task.id for task in datasets.tasks(session, "mine")] == ["b", "c"]


def test_one_bad_file_is_left_out_and_named(engine: Engine) -> None:
    ragged = {"train": [{"input": [[1, 2], [3]], "output": [[1]]}], "test": [{"input": [[1]]}]}
    with session_scope(engine) as session:
        made = datasets.import_files(
            session, "mine", [kaggle(a=EASY), (json.dumps(ragged).encode(), "b.json")]
        )
        assert (made.tasks, made.notes) == (1, ())
        assert made.left_out == (
            "b.json: task b, demonstration 1, input, row 2: has 1 cell, row 1 has 2. Make all rows the same "
            "length.",
        )
    with pytest.raises(InvalidTaskFile, match="row 2: has 1 cell"), session_scope(engine) as session:
        datasets.import_files(session, "other", [kaggle(b=ragged)])
    with reading_scope(engine) as session:
        assert [each.name for each in datasets.sets(session)] == ["mine"]


def test_a_task_of_two_files_counts_once_and_another_of_its_id_is_left_out(engine: Engine) -> None:
    unsolved = EASY | {"test": [{"input": [[3, 4]]}]}
    with session_scope(engine) as session:
        made = datasets.import_files(
            session, "mine", [kaggle(a=unsolved), kaggle(a=EASY, b=EASY), kaggle(a=HIDDEN)]
        )
        (a, _) = datasets.tasks(session, "mine")
    assert a.tests[0].output is not None
    assert made.notes == ("challenges.json: 1 task (a) is in an earlier file already.",)
    assert made.left_out == (
        "challenges.json: task 'a' is also in an earlier file, challenges.json, with other grids. Rename or "
        "remove one of the two.",
    )


@pytest.mark.parametrize("name", ["", "a b", "/a", "a/", "../a", "a" * 101, "arc-agi-1/training", "é"])
def test_a_name_no_set_may_have_is_said_by_field(engine: Engine, name: str) -> None:
    with session_scope(engine) as session, pytest.raises(InvalidInput) as caught:
        datasets.import_files(session, name, [kaggle(a=EASY)])
    assert [problem.field for problem in caught.value.problems] == ["name"]


def test_a_missing_set_or_task_is_named_with_a_suggestion(engine: Engine) -> None:
    with session_scope(engine) as session:
        datasets.import_files(session, "mine/easy", [kaggle(a=EASY)])
        with pytest.raises(NotFound, match="Did you mean 'mine/easy'"):
            datasets.tasks(session, "mine/eazy")
        with pytest.raises(NotFound, match="Task set 'other' not found"):
            datasets.task(session, "other", "a")
        with pytest.raises(NotFound, match="Task 'b' not found in mine/easy"):
            datasets.task(session, "mine/easy", "b")
