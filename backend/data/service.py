"""Task sets: the built-in ones, and what users import."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from backend.audit import service as audit
from backend.audit.actions import Action, Subject
from backend.data import queries as rows
from backend.data.archives import File, Source
from backend.data.reading import Reading, read
from backend.domain.arc.files import parse_tasks, read_built_in
from backend.domain.arc.task import Task
from backend.domain.experiment import BUILT_IN_SETS, GENERATED_PREFIX, GENERATED_SETS
from backend.kit import cursors
from backend.kit.disk import check_room
from backend.kit.errors import Conflict, NotFound
from backend.kit.format import counted
from backend.kit.problems import invalid, unknown
from backend.settings import Settings

MAX_NAME = 100
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")


@dataclass(frozen=True)
class SetSummary:
    """A task set in one line. `tasks` is their number."""

    name: str
    origin: str  # built-in, generated, imported
    tasks: int
    created_at: float | None  # None: a generated set that is made when a run first uses it
    pairs: tuple[int, int] | None = None  # fewest and most in the pools of its tasks; None: they have none

    @property
    def pairs_words(self) -> str:
        """`1,000 pairs a task`, `12 to 1,000 pairs a task`; empty without pools."""
        if self.pairs is None:
            return ""
        return " to ".join(f"{count:,}" for count in dict.fromkeys(self.pairs)) + " pairs a task"


@dataclass(frozen=True)
class Imported(SetSummary):
    """A set as it was imported, with notes about unusual content that was read, and what was left out and
    why."""

    notes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class TaskPage:
    """Tasks of a set and the cursor of the next page, None on the last."""

    tasks: tuple[Task, ...]
    next_cursor: str | None


def seed_built_in(session: Session) -> None:
    """Put the built-in sets into the database, once; later calls find them and read no file."""
    for name in BUILT_IN_SETS:
        if rows.add_set_once(session, name, "built-in", time.time()):
            rows.add_tasks(session, name, read_built_in(name))


def keep_generated(session: Session, name: str, generated: Sequence[Task]) -> None:
    """Put a generated set into the database, or bring it up to date after its family has changed."""
    if not rows.add_set_once(session, name, "generated", time.time()):
        if rows.tasks_of(session, name) == tuple(generated):
            return
        rows.renew_set(session, name, time.time())
    rows.add_tasks(session, name, generated)


def import_files(
    session: Session,
    name: str,
    files: Iterable[Source],
    solutions: File | None = None,
    replace: bool = False,
    whole: bool = False,
) -> Imported:
    """Make the set `name` of the tasks in `files`, without those that are wrong; it says which these are.

    A file may be an archive of task files, and a path a folder of them. Importing the same tasks again
    changes nothing; other tasks under a used name need `replace`. `whole` takes all of them or none.
    Raises InvalidInput (name), InvalidTaskFile and TooLarge (nothing is right, or an archive is damaged or
    over a limit), Conflict, StorageFull.
    """
    check_name(name)
    _check_room(session, name)
    reading = read(files, solutions, whole)
    if not rows.add_set_once(session, name, "imported", time.time()):
        before = rows.tasks_of(session, name)
        if reading.tasks == before:
            return _imported(session, name, reading)
        if not replace:
            raise _taken(name, before)
        rows.renew_set(session, name, time.time())
    rows.add_tasks(session, name, reading.tasks)
    audit.note(session, Action.SET_IMPORTED, Subject("set", name), counted(len(reading.tasks), "task"))
    return _imported(session, name, reading)


def add_task(session: Session, set_name: str, task_id: str, content: Mapping[str, Any]) -> Task:
    """Add one task, in ARC's JSON, to the end of an imported set; one of this name is made if there is none.

    The same task again changes nothing. InvalidInput (name of the set), InvalidTaskFile; Conflict for an id
    that the set has for another task, and for a set that is not an imported one.
    """
    check_name(set_name)
    _check_room(session, set_name)
    if task_id in ("train", "test", "eval"):  # which name parts of a file
        raise invalid("The task was not saved.", "id", f"{task_id!r} cannot name a task.")
    (task,) = parse_tasks(json.dumps({task_id: dict(content)}).encode(), "task")
    if not rows.add_set_once(session, set_name, "imported", time.time()):
        origin = rows.origin_of(session, set_name)
        if origin != "imported":
            raise Conflict(f"{set_name} is {origin} and takes no tasks.", "Choose another name.")
        known = rows.find_task(session, set_name, task_id)
        if known == task:
            return task
        if known is not None:
            raise Conflict(f"{set_name} already has another task {task_id!r}.", "Choose another name for it.")
    rows.append_task(session, set_name, task)
    audit.note(session, Action.SET_IMPORTED, Subject("set", set_name), f"task {task_id}")
    return task


def check_import(
    session: Session,
    name: str,
    files: Iterable[Source],
    solutions: File | None = None,
    replace: bool = False,
    whole: bool = False,
) -> Reading:
    """What an import would bring; raises what `import_files` would. Nothing is written."""
    check_name(name)
    _check_room(session, name)
    reading = read(files, solutions, whole)
    before = rows.tasks_of(session, name)
    if before and before != reading.tasks and not replace:
        raise _taken(name, before)
    return reading


def remove(session: Session, name: str) -> None:
    """Remove an imported set and its tasks. NotFound; Conflict for a set that is built in."""
    found = next((each for each in sets(session) if each.name == name), None)
    if found is None:
        raise _no_set(session, name)
    if found.origin == "built-in":
        raise Conflict(f"{name} is built in and cannot be removed.", "Only imported sets can be removed.")
    rows.delete_set(session, name)
    audit.note(session, Action.SET_REMOVED, Subject("set", name), counted(found.tasks, "task"))


def _check_room(session: Session, name: str) -> None:
    """StorageFull where the disk of an SQLite database is nearly full; that of a server cannot be seen."""
    url = session.get_bind().engine.url
    if url.get_backend_name() == "sqlite" and url.database:
        check_room(Path(url.database).absolute().parent, Settings.current().min_free_bytes, f"The set {name}")


def check_name(name: str) -> None:
    """InvalidInput unless a user may call a set `name`."""
    if name in BUILT_IN_SETS:
        said = f"{name} is built in."
    elif name.startswith(GENERATED_PREFIX):
        said = f"names under {GENERATED_PREFIX} are those of generated sets."
    elif len(name) > MAX_NAME or not NAME.fullmatch(name):
        said = f"must be 1 to {MAX_NAME} letters, digits, dots, dashes or slashes, like my-set/easy."
    else:
        return
    raise invalid("The task set was not saved.", "name", said)


def sets(session: Session) -> list[SetSummary]:
    """All sets by name."""
    return [
        SetSummary(name, origin, number, created_at, (fewest, most or 0) if fewest else None)
        for name, origin, created_at, number, fewest, most in rows.sets_with_counts(session)
    ]


def available(session: Session) -> list[SetSummary]:
    """All sets that a run may use, by name: those stored here, and generated ones that none has used yet."""
    stored = sets(session)
    known = {each.name for each in stored}
    made = [
        SetSummary(name, "generated", family.size(name.rpartition("/")[2]), None)
        for name, family in GENERATED_SETS.items()
        if name not in known
    ]
    return sorted([*stored, *made], key=lambda each: each.name)


def tasks(session: Session, set_name: str, *, pools: bool = True) -> tuple[Task, ...]:
    """The tasks of a set in its order; NotFound with a suggestion where there is none of this name.

    Without `pools` tasks of many pairs come as an evaluation sees them: not for training or a leak check.
    """
    found = rows.tasks_of(session, set_name, pools=pools)
    if not found:
        raise _no_set(session, set_name)
    return found


def task(session: Session, set_name: str, task_id: str) -> Task:
    """One task; NotFound names what is missing, the set or the task."""
    found = rows.find_task(session, set_name, task_id)
    if found is None:
        if set_name not in (each.name for each in sets(session)):
            raise _no_set(session, set_name)
        raise NotFound(f"Task {task_id!r} not found in {set_name}.")
    return found


def with_ids(session: Session, set_name: str, ids: Collection[str]) -> dict[str, Task]:
    """Those of a set's tasks that have one of these ids; NotFound where there is no such set."""
    if set_name not in (each.name for each in sets(session)):
        raise _no_set(session, set_name)
    return rows.tasks_with_ids(session, set_name, ids)


def page(
    session: Session,
    set_name: str,
    limit: int,
    cursor: str | None = None,
    text: str = "",
    sides: tuple[int, int] | None = None,
) -> TaskPage:
    """Tasks of a set in its order, those with `text` in their id and a longest side within `sides`.

    NotFound where there is no such set, InvalidInput for a cursor that no page gave.
    """
    if set_name not in (each.name for each in sets(session)):
        raise _no_set(session, set_name)
    (after,) = cursors.read(cursor, int) or (-1,)
    found = rows.page_of(session, set_name, limit + 1, after, text.strip(), sides)
    shown, more = cursors.cut(found, limit, lambda row: (row[0],))
    return TaskPage(tuple(task for _, task in shown), more)


def neighbours(session: Session, set_name: str, task_id: str) -> tuple[str | None, str | None]:
    """Ids of the tasks before and after one in its set, None at the ends."""
    return rows.neighbours(session, set_name, task_id)


def _taken(name: str, before: Sequence[Task]) -> Conflict:
    return Conflict(
        f"There is a task set {name!r} already, with {counted(len(before), 'task')}.",
        "Choose another name, or replace the existing set.",
    )


def _imported(session: Session, name: str, reading: Reading) -> Imported:
    summary = next(each for each in sets(session) if each.name == name)
    return Imported(
        summary.name,
        summary.origin,
        summary.tasks,
        summary.created_at,
        summary.pairs,
        reading.notes,
        reading.left_out,
    )


def _no_set(session: Session, name: str) -> NotFound:
    if name in GENERATED_SETS:
        return NotFound(f"Task set {name} has not been generated yet.", "A run that uses it generates it.")
    return unknown("task set", name, [each.name for each in sets(session)])
