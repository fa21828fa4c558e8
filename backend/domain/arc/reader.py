"""Tasks out of loaded JSON, checked cell by cell; what is odd and can mean one thing alone is noted."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import PurePosixPath
from typing import Any, NoReturn

from backend.domain.arc.grid import COLOURS, MAX_SIDE, Grid
from backend.domain.arc.pool import MAX_PAIRS, MIN_PAIRS, PackedPair, PairPool, task_of
from backend.domain.arc.task import MAX_ID_LENGTH, Pair, Task, TestPair
from backend.kit import json_text
from backend.kit.errors import InvalidTaskFile
from backend.kit.format import counted
from backend.kit.problems import did_you_mean
from backend.kit.text import trimmed

MAX_FAULTS = 100  # of tasks in one file that are left out; a file with more is refused
NOT_IN_IDS = frozenset("/\\|?#")
_PAIR_KEYS = ("input", "output")
_MISSPELT = 0.8  # likeness from which a key is taken for a misspelt one of a pair
_ODD = {
    "text": "{} written as text",
    "decimal": "{} written as a decimal number",
    "empty": "{} empty (null), read as colour 0",
}  # kind of cell -> what is noted of how many


@dataclass(frozen=True)
class TaskFile:
    """What a file holds: its tasks in order, notes about unusual content that was read, and by their ids
    the faults of tasks that are left out."""

    tasks: tuple[Task, ...]
    notes: tuple[str, ...] = ()
    faults: Mapping[str, InvalidTaskFile] = field(default_factory=dict)


class _OversizedGrid(InvalidTaskFile):
    """A grid of more rows or columns than ARC has."""


class Reader:
    """Turns loaded JSON into tasks; every failure names the file and the place in it."""

    def __init__(self, filename: str, *, may_hold_booleans: bool = True) -> None:
        self.filename = filename
        self._may_hold_booleans = may_hold_booleans
        self._notes: list[str] = []
        self._task = ""  # that is read
        self._odd: Counter[str] = Counter()  # kind of cell -> how many of this task
        self._first_odd = ""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was read although it is unusual."""
        return tuple(self._notes)

    def fail(self, what: str, hint: str, kind: type[InvalidTaskFile] = InvalidTaskFile) -> NoReturn:
        """Raise InvalidTaskFile: `FILE: what`, and what to do about it."""
        raise kind(f"{self.filename}: {what}.", hint) from None

    def no_constant(self, name: str) -> NoReturn:
        self.fail(f"contains {name}, which is not a colour", "Colours are 0 to 9.")

    def own_id(self) -> str:
        """The id of the one task of this file: its name, without what no id may contain."""
        stem = unicodedata.normalize("NFC", PurePosixPath(self.filename.replace("\\", "/")).stem)
        clean = "".join(
            "_" if letter in NOT_IN_IDS or not letter.isprintable() else letter for letter in stem
        )
        clean = clean.strip()
        if clean != stem:
            self._notes.append(f"{self.filename}: its task is called {clean} here.")
        return clean

    def whole(self, content: Mapping[str, Any], read: Callable[[str, Any], Task] | None = None) -> TaskFile:
        """All tasks by their ids, without those at fault; InvalidTaskFile where all are, or very many."""
        if not content:
            self.fail("contains no tasks", "Give it at least one task.")
        tasks: list[Task] = []
        faults: dict[str, InvalidTaskFile] = {}
        for task_id, body in content.items():
            self._begin(task_id)
            try:
                tasks.append((read or self.task)(task_id, body))
            except InvalidTaskFile as fault:
                faults[task_id] = fault
                if len(faults) > MAX_FAULTS:
                    break
            else:
                self._note_odd()
        if not tasks or len(faults) > MAX_FAULTS:
            raise next(iter(faults.values()))
        return TaskFile(tuple(tasks), self.notes, faults)

    def solved(self, task: Task, solutions: Mapping[str, Any]) -> Task:
        """The task with the outputs that the solutions give for it."""
        self._begin(task.id)
        where = f"task {task.id}"
        outputs = solutions.get(task.id)
        if not isinstance(outputs, list) or len(outputs) != len(task.tests):
            found = counted(len(outputs), "solution") if isinstance(outputs, list) else "no list of solutions"
            self.fail(
                f"{where}: has {found} for {counted(len(task.tests), 'test input')}",
                "Give one grid per test input.",
            )
        tests = []
        for number, (test, rows) in enumerate(zip(task.tests, outputs, strict=True), 1):
            output = self.grid(rows, f"{where}, solution {number}")
            if test.output not in (None, output):
                self.fail(
                    f"{where}, solution {number}: differs from the task's own output", "Keep one of them."
                )
            tests.append(replace(test, output=output))
        self._note_odd()
        return replace(task, tests=tuple(tests))

    def _begin(self, task_id: str) -> None:
        self._task, self._first_odd = f"task {task_id}", ""
        self._odd.clear()

    def _note_odd(self) -> None:
        """Note the cells of the task that are no colours as they stand there."""
        kinds = [
            text.format(counted(self._odd[kind], "cell")) for kind, text in _ODD.items() if self._odd[kind]
        ]
        if kinds:
            self._notes.append(
                f"{self.filename}: {self._task}: {', '.join(kinds)}. First: {self._first_odd}."
            )

    def task(self, task_id: str, body: Any) -> Task:
        """One task of either form, by its id."""
        if isinstance(body, list) and body and isinstance(body[0], dict):
            return self.pool(task_id, body)
        where = f"task {task_id}"
        self._check_id(task_id)
        if isinstance(body, list):
            self.fail(
                f"{where}: is a list, as in a solutions file",
                "Import the challenges file and give the solutions with it.",
            )
        if not isinstance(body, dict):
            self.fail(f"{where}: is not an object", 'Write {"train": [pairs], "test": [pairs]}.')
        demonstrations = self._pairs(body, "train", f"{where}, demonstration")
        tests = self._pairs(body, "test", f"{where}, test")
        return Task(
            task_id,
            tuple(self._demonstration(*item) for item in demonstrations),
            tuple(self._test(*item) for item in tests),
        )

    def pool(self, task_id: str, pairs: list[Any]) -> Task:
        """A task of many pairs, equal ones once."""
        self._check_id(task_id)
        where = f"task {task_id}"
        if len(pairs) > MAX_PAIRS:
            self.fail(
                f"{where}: has {len(pairs):,} pairs", f"Keep {MAX_PAIRS:,} at most; RE-ARC has 1,000 a task."
            )
        packed: list[PackedPair] = []
        oversized: list[_OversizedGrid] = []
        for pair, name in self._named(pairs, f"{where}, pair"):
            try:
                packed.append(self._packed(pair, name))
            except _OversizedGrid as fault:
                oversized.append(fault)
        pool = PairPool.of(packed)
        if len(pool) < MIN_PAIRS and oversized:
            raise oversized[0]
        if oversized:
            self._notes.append(
                f"{oversized[0].message} Left out, with {counted(len(oversized) - 1, 'more pair')} of "
                f"{len(pairs):,} that are too large."
                if len(oversized) > 1
                else f"{oversized[0].message} This pair of {len(pairs):,} is left out."
            )
        if len(pool) < MIN_PAIRS:
            self.fail(
                f"{where}: has {counted(len(pool), 'different pair')}",
                f"Give at least {MIN_PAIRS}: one to show and one to ask.",
            )
        return task_of(task_id, pool)

    def _packed(self, pair: Mapping[str, Any], where: str) -> PackedPair:
        """A pair of a pool: by a quick look at whole grids, by `grid`'s at every cell where that fails."""
        grids = [self._flat(pair.get(part), f"{where}, {part}") for part in ("input", "output")]
        (height, width, cells), (other_height, other_width, others) = grids
        return PackedPair(bytes((height, width, other_height, other_width)), cells + others)

    def _flat(self, rows: Any, where: str) -> tuple[int, int, bytes]:
        """Height, width and cells of a grid."""
        if not self._may_hold_booleans and isinstance(rows, list) and 1 <= len(rows) <= MAX_SIDE:
            try:
                widths, cells = set(map(len, rows)), bytes(chain.from_iterable(rows))
            except (TypeError, ValueError):  # a row that is no list, a cell that is no small integer
                widths, cells = set(), b""
            if len(widths) == 1 and 1 <= min(widths) <= MAX_SIDE and max(cells) < COLOURS:
                return len(rows), len(rows[0]), cells
        grid = self.grid(rows, where)
        return grid.height, grid.width, bytes(grid.cells)

    def _check_id(self, task_id: str) -> None:
        if not 1 <= len(task_id) <= MAX_ID_LENGTH:
            self.fail(
                f"a task id has {len(task_id)} characters", f"Use 1 to {MAX_ID_LENGTH}, such as 007bbfb7."
            )
        if task_id in (".", "..") or task_id != task_id.strip():  # no address leads to them
            self.fail(
                f"the task id {task_id!r} is a dot, two dots, or has a space at an end",
                "Use letters and digits.",
            )
        if not trimmed(task_id) or not task_id.isprintable() or set(task_id) & NOT_IN_IDS:
            self.fail(
                f"the task id {task_id!r} contains a character that is not allowed in ids",
                "Use letters and digits.",
            )

    def _pairs(self, body: Mapping[str, Any], part: str, where: str) -> list[tuple[dict[str, Any], str]]:
        """The pairs of one part, each with its name; at least one."""
        pairs = body.get(part)
        if not isinstance(pairs, list) or not pairs:
            what = "pairs" if part == "train" else "inputs"
            self.fail(f"{where} {what}: there are none", f'Give at least one under "{part}".')
        return self._named(pairs, where)

    def _named(self, pairs: list[Any], where: str) -> list[tuple[dict[str, Any], str]]:
        """Pairs, each with its name; objects, none with a misspelt key of a pair."""
        named = [(pair, f"{where} {number}") for number, pair in enumerate(pairs, 1)]
        for pair, name in named:
            if not isinstance(pair, dict):
                self.fail(f"{name}: is not an object", 'Write {"input": grid, "output": grid}.')
            for key in sorted(pair.keys() - set(_PAIR_KEYS)):
                if hint := did_you_mean(key, _PAIR_KEYS, cutoff=_MISSPELT):
                    self.fail(f"{name}: has an unknown key {json_text.shown(key)}", hint)
        return named

    def _demonstration(self, pair: Mapping[str, Any], where: str) -> Pair:
        return Pair(
            self.grid(pair.get("input"), f"{where}, input"), self.grid(pair.get("output"), f"{where}, output")
        )

    def _test(self, pair: Mapping[str, Any], where: str) -> TestPair:
        output = pair.get("output")
        return TestPair(
            self.grid(pair.get("input"), f"{where}, input"),
            None if output is None else self.grid(output, f"{where}, output"),
        )

    def grid(self, rows: Any, where: str) -> Grid:
        """A grid of 1 to 30 equally long rows of colours."""
        if rows is None:
            self.fail(f"{where}: is missing", "Give a grid: a list of rows of colours 0 to 9.")
        if not isinstance(rows, list):
            self.fail(f"{where}: is not a list of rows", "Write a grid as [[0, 1], [2, 3]].")
        if not rows:
            self.fail(f"{where}: is empty", "A grid needs at least one cell.")
        if len(rows) > MAX_SIDE:
            self.fail(f"{where}: has {len(rows)} rows", f"A grid has at most {MAX_SIDE}.", _OversizedGrid)
        return Grid(
            tuple(self._row(row, rows[0], f"{where}, row {number}") for number, row in enumerate(rows, 1))
        )

    def _row(self, row: Any, first: Any, where: str) -> tuple[int, ...]:
        if not isinstance(row, list):
            self.fail(f"{where}: is not a list", "Write a row as [0, 1, 2].")
        if not row:
            self.fail(f"{where}: is empty", "A row needs at least one cell.")
        if len(row) > MAX_SIDE:
            self.fail(f"{where}: has {len(row)} columns", f"A grid has at most {MAX_SIDE}.", _OversizedGrid)
        if len(row) != len(first):
            self.fail(
                f"{where}: has {counted(len(row), 'cell')}, row 1 has {len(first)}",
                "Make all rows the same length.",
            )
        # `type` and not isinstance: JSON's true is an int to Python.
        if set(map(type, row)) == {int} and min(row) >= 0 and max(row) < COLOURS:
            return tuple(row)
        return tuple(self._colour(cell, f"{where}, column {column}") for column, cell in enumerate(row, 1))

    def _colour(self, cell: Any, where: str) -> int:
        """The colour that a cell can mean alone; others than plain integers are counted."""
        colour, kind = _meant(cell)
        if colour is None or not 0 <= colour < COLOURS:
            self.fail(f"{where}: {json.dumps(cell)[:40]} is not a colour", "Colours are the integers 0 to 9.")
        if kind:
            self._first_odd = self._first_odd or where.removeprefix(f"{self._task}, ")
            self._odd[kind] += 1
        return colour


def _meant(cell: Any) -> tuple[int | None, str]:
    """(the whole number that a cell means, how it is written if not as one); None where it means none."""
    if type(cell) is int:
        return cell, ""
    if type(cell) is float and cell.is_integer():
        return int(cell), "decimal"
    if cell is None:  # how Mini-ARC's editor saved a cell that nobody had painted
        return 0, "empty"
    if isinstance(cell, str) and cell.isascii() and cell.isdecimal() and len(cell) == 1:
        return int(cell), "text"
    return None, ""
