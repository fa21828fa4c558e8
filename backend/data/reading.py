"""The tasks of an import out of all its files: each id once, with their solutions, and what was left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from backend.data import archives
from backend.data.archives import File, Source
from backend.domain.arc.files import read_tasks, solve_tasks
from backend.domain.arc.task import Task
from backend.kit.errors import EtrmError, InvalidTaskFile, TooLarge
from backend.kit.format import counted

_SOLUTIONS, _CHALLENGES = "solutions", "challenges"  # ends of the names of Kaggle's files
_PARTS = {"training", "evaluation", "test"}  # of a benchmark, in the names of folders or Kaggle's files
MAX_TOLD = 1_000  # texts in one answer


@dataclass(frozen=True)
class Reading:
    """What an import would bring: tasks in order, notes about unusual content that was read, and what was
    left out and why."""

    tasks: tuple[Task, ...]
    notes: tuple[str, ...]
    left_out: tuple[str, ...]


def read(files: Iterable[Source], solutions: File | None = None, whole: bool = False) -> Reading:
    """The tasks of all files, in their order, each id once. One file is held in memory at a time.

    What is wrong with a file or a task leaves that out. InvalidTaskFile and TooLarge where nothing is left,
    where an archive is damaged or over a limit, and where `solutions` do not match; of `whole` wherever
    anything is wrong.
    """
    reader, skipped = _Reader(), list[str]()
    for content, filename in archives.unpacked(files, skipped):
        reader.add(content, filename)
    if not reader.tasks:
        if reader.faults:
            raise reader.faults[0]
        for _, filename in reader.solutions:
            raise InvalidTaskFile(f"{filename}: holds solutions, no tasks.", "Import its challenges with it.")
        raise InvalidTaskFile("No file to import.", "Choose at least one JSON file or archive.")
    reader.solve(solutions)
    if whole and reader.faults:
        raise reader.faults[0]
    notes = [*_parts_together(reader.files.values()), *reader.notes]
    left_out = [*(f"{fault.message} {fault.hint}".strip() for fault in reader.faults), *skipped]
    return Reading(tuple(reader.tasks.values()), _bounded(notes), _bounded(left_out))


@dataclass
class _Reader:
    tasks: dict[str, Task] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    faults: list[EtrmError] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)  # task id -> the file it is of
    left_out: set[str] = field(default_factory=set)  # ids of which no solution is wanted
    solutions: list[File] = field(default_factory=list)

    def add(self, content: bytes, filename: str) -> None:
        """Read a file; one that is wrong is noted."""
        try:
            found = read_tasks(content, filename)
        except (InvalidTaskFile, TooLarge) as fault:
            if PurePosixPath(filename).stem.lower().endswith(_SOLUTIONS):
                self.solutions.append((content, filename))
            else:
                self.faults.append(fault)
            return
        self.notes += found.notes
        self.faults += found.faults.values()
        self.left_out |= found.faults.keys()
        again = [task.id for task in found.tasks if self._is_known(task, filename)]
        if again:
            what = "is" if len(again) == 1 else "are"
            shown = ", ".join(again[:5]) + ("…" if len(again) > 5 else "")
            self.notes.append(
                f"{filename}: {counted(len(again), 'task')} ({shown}) {what} in an earlier file already."
            )

    def _is_known(self, task: Task, filename: str) -> bool:
        """Keep a task, and its fault if there is another of its id; whether the same is kept already."""
        known = self.tasks.setdefault(task.id, task)
        if known is task:
            self.files[task.id] = filename
            return False
        if both := _united(known, task):
            self.tasks[task.id] = both
            return True
        self.faults.append(
            InvalidTaskFile(
                f"{filename}: task {task.id!r} is also in an earlier file, {self.files[task.id]}, with other "
                "grids.",
                "Rename or remove one of the two.",
            )
        )
        return False

    def solve(self, given: File | None) -> None:
        """Fill in solutions: those that were given apart, and of each other file those of its challenges."""
        if given is not None:
            self._fill_in(given, list(self.tasks))
        for content, filename in self.solutions:
            ids = [task_id for task_id, source in self.files.items() if source == _challenges_of(filename)]
            if not ids and len(self.solutions) == 1:
                ids = list(self.tasks)
            try:
                if not ids:
                    raise InvalidTaskFile(
                        f"{filename}: there is no file {_challenges_of(filename)} whose tasks it solves.",
                        "Import both together.",
                    )
                self._fill_in((content, filename), ids)
            except (InvalidTaskFile, TooLarge) as fault:
                self.faults.append(fault)

    def _fill_in(self, file: File, ids: list[str]) -> None:
        solved = solve_tasks(tuple(self.tasks[task_id] for task_id in ids), *file, self.left_out)
        self.notes += solved.notes
        self.tasks.update({task.id: task for task in solved.tasks})


def _challenges_of(filename: str) -> str:
    """The name that Kaggle gives to the challenges of a solutions file."""
    path = PurePosixPath(filename)
    return str(path.with_name(path.stem[: -len(_SOLUTIONS)] + _CHALLENGES + path.suffix))


def _united(one: Task, other: Task) -> Task | None:
    """Two tasks as one where they show and ask the same, with the outputs that either knows; else None."""
    shown = (one.demonstrations, one.pool, [test.input for test in one.tests])
    if shown != (other.demonstrations, other.pool, [test.input for test in other.tests]):
        return None
    pairs = list(zip(one.tests, other.tests, strict=True))
    if any(first.output and second.output and first.output != second.output for first, second in pairs):
        return None
    return replace(one, tests=tuple(first if first.output else second for first, second in pairs))


def _parts_together(files: Iterable[str]) -> Iterator[str]:
    """A note where a set mixes what benchmarks keep apart."""
    counts = Counter(part for part in map(_part_of, files) if part)
    if len(counts) > 1:
        parts = " and ".join(f"{number:,} of {part}" for part, number in counts.items())
        yield (
            f"The set holds {parts} together. To keep them apart, import each folder or file under a name "
            "of its own."
        )


def _part_of(filename: str) -> str:
    """The part of a benchmark that a file is of, by its folder or Kaggle's name for it; else empty."""
    path = PurePosixPath(filename)
    words = [path.parent.name]
    if path.stem.endswith(_CHALLENGES):
        words += path.stem.split("_")
    return next((word for word in words if word in _PARTS), "")


def _bounded(texts: Sequence[str]) -> tuple[str, ...]:
    if len(texts) <= MAX_TOLD:
        return tuple(texts)
    return (*texts[:MAX_TOLD], f"And {len(texts) - MAX_TOLD:,} more.")
