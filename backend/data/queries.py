"""Task sets and their tasks."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.orm import Session

from backend.data.tables import Task as TaskRow
from backend.data.tables import TaskSet
from backend.db.upsert import insert_or
from backend.domain.arc.grid import Grid
from backend.domain.arc.pool import PairPool
from backend.domain.arc.task import Pair, Task, TestPair


def add_set_once(session: Session, name: str, origin: str, created_at: float) -> bool:
    """Insert the set unless there is one of this name; whether it was new."""
    statement = insert_or(session, TaskSet).values(name=name, origin=origin, created_at=created_at)
    statement = statement.on_conflict_do_nothing()
    return session.execute(statement.returning(TaskSet.name)).first() is not None


def add_tasks(session: Session, set_name: str, tasks: Sequence[Task]) -> None:
    """Insert tasks in their order."""
    rows = [{"set_name": set_name, "position": at} | _columns(task) for at, task in enumerate(tasks)]
    session.execute(insert(TaskRow), rows)


def append_task(session: Session, set_name: str, task: Task) -> None:
    """Insert a task after the last."""
    last = session.scalar(select(func.max(TaskRow.position)).where(TaskRow.set_name == set_name))
    position = 0 if last is None else last + 1
    session.execute(insert(TaskRow), [{"set_name": set_name, "position": position} | _columns(task)])


def origin_of(session: Session, set_name: str) -> str | None:
    """Of a set, whose row is held until the transaction ends; None where there is none."""
    query = select(TaskSet.origin).where(TaskSet.name == set_name).with_for_update()
    return session.scalar(query)


def delete_tasks(session: Session, set_name: str) -> None:
    session.execute(delete(TaskRow).where(TaskRow.set_name == set_name))


def renew_set(session: Session, name: str, created_at: float) -> None:
    """Its tasks are about to be replaced: take them out, and note when the new ones came."""
    delete_tasks(session, name)
    session.execute(update(TaskSet).where(TaskSet.name == name).values(created_at=created_at))


def delete_set(session: Session, name: str) -> None:
    """Delete a set with its tasks."""
    delete_tasks(session, name)
    session.execute(delete(TaskSet).where(TaskSet.name == name))


def sets_with_counts(session: Session) -> Sequence[Row[str, str, float, int, int | None, int | None]]:
    """(name, origin, created_at, number of tasks, fewest and most pairs in their pools) of every set, by
    name."""
    pairs = func.min(TaskRow.pairs), func.max(TaskRow.pairs)
    query = (
        select(TaskSet.name, TaskSet.origin, TaskSet.created_at, func.count(TaskRow.id), *pairs)
        .outerjoin(TaskRow, TaskRow.set_name == TaskSet.name)
        .group_by(TaskSet.name, TaskSet.origin, TaskSet.created_at)
        .order_by(TaskSet.name)
    )
    return session.execute(query).all()


def tasks_of(session: Session, set_name: str, *, pools: bool = True) -> tuple[Task, ...]:
    """All tasks of the set, in its order; empty where there is no such set. Without `pools` those of many
    pairs come without them: what an evaluation shows and asks is enough, and some 50 MB less."""
    query = select(TaskRow.id, TaskRow.demonstrations, TaskRow.tests)
    query = query.add_columns(TaskRow.pool) if pools else query
    query = query.where(TaskRow.set_name == set_name).order_by(TaskRow.position)
    return tuple(task_from(*row) for row in session.execute(query))


def page_of(
    session: Session,
    set_name: str,
    limit: int,
    after: int = -1,
    text: str = "",
    sides: tuple[int, int] | None = None,
) -> Sequence[tuple[int, Task]]:
    """(position, task) of a set's tasks behind the position `after`, with `text` in their id."""
    query = select(TaskRow.position, TaskRow.id, TaskRow.demonstrations, TaskRow.tests)
    query = query.where(TaskRow.set_name == set_name, TaskRow.position > after)
    if text:
        query = query.where(TaskRow.id.icontains(text, autoescape=True))
    if sides:
        query = query.where(TaskRow.side.between(*sides))
    rows = session.execute(query.order_by(TaskRow.position).limit(limit))
    return [(position, task_from(*columns)) for position, *columns in rows]


def neighbours(session: Session, set_name: str, task_id: str) -> tuple[str | None, str | None]:
    """Ids of the tasks before and after this one in its set."""
    here = select(TaskRow.position).where(TaskRow.set_name == set_name, TaskRow.id == task_id)
    query = select(TaskRow.id).where(TaskRow.set_name == set_name).limit(1)
    place = here.scalar_subquery()
    before = query.where(TaskRow.position < place).order_by(TaskRow.position.desc())
    behind = query.where(TaskRow.position > place).order_by(TaskRow.position)
    return session.scalar(before), session.scalar(behind)


def find_task(session: Session, set_name: str, task_id: str) -> Task | None:
    row = session.get(TaskRow, (set_name, task_id))
    return task_from(row.id, row.demonstrations, row.tests, row.pool) if row else None


def tasks_with_ids(session: Session, set_name: str, ids: Collection[str]) -> dict[str, Task]:
    """Those of a set's tasks that have one of these ids, by id; without their pools."""
    query = select(TaskRow.id, TaskRow.demonstrations, TaskRow.tests)
    query = query.where(TaskRow.set_name == set_name, TaskRow.id.in_(ids))
    return {row.id: task_from(*row) for row in session.execute(query)}


def called(session: Session, text: str, limit: int) -> Sequence[Row[str, str]]:
    """(set, task id) of tasks with `text` in their id, in any case."""
    query = select(TaskRow.set_name, TaskRow.id).where(TaskRow.id.icontains(text, autoescape=True))
    return session.execute(query.order_by(TaskRow.id, TaskRow.set_name).limit(limit)).all()


def task_from(
    task_id: str, demonstrations: Iterable[Any], tests: Iterable[Any], pool: bytes | None = None
) -> Task:
    """A task from its columns."""
    return Task(
        task_id,
        tuple(Pair(Grid.from_digits(given), Grid.from_digits(answer)) for given, answer in demonstrations),
        tuple(
            TestPair(Grid.from_digits(given), None if answer is None else Grid.from_digits(answer))
            for given, answer in tests
        ),
        None if pool is None else PairPool(pool),
    )


def _columns(task: Task) -> dict[str, Any]:
    return {
        "id": task.id,
        "demonstrations": [[pair.input.digits, pair.output.digits] for pair in task.demonstrations],
        "tests": [[test.input.digits, test.output.digits if test.output else None] for test in task.tests],
        "side": task.side,
        "pairs": None if task.pool is None else len(task.pool),
        "pool": None if task.pool is None else task.pool.packed,
    }
