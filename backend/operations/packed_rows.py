"""The rows of one run: out of a lab into an SQLite file, and from there into another lab under new numbers.

Which tables are a run's own follows from their foreign keys: they refer to the run, or to rows that do, and
go when it is deleted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    Connection,
    ForeignKey,
    RowMapping,
    Table,
    func,
    insert,
    select,
    text,
    true,
)
from sqlalchemy.orm import Session

from backend.ablations.tables import Ablation
from backend.data.tables import Task, TaskSet
from backend.db.base import Base
from backend.db.migrate import upgrade
from backend.db.session import make_engine
from backend.domain.interventions import AGAIN
from backend.kit.errors import Conflict
from backend.runs import trained_on
from backend.runs.status import RunStatus
from backend.runs.tables import Checkpoint, Run
from backend.scores.tables import Evaluation

# Of two runs, of a worker's moment, or of whoever asked: none belongs to the run alone.
NOT_ITS_OWN = ("duel", "evaluation_share", "evaluation_batch", "play")
BATCH = 1000  # rows that are in memory at once
_RUN: Table = Base.metadata.tables[Run.__tablename__]
_CHECKPOINTS: Table = Base.metadata.tables[Checkpoint.__tablename__]
_SETS: Table = Base.metadata.tables[TaskSet.__tablename__]
_TASKS: Table = Base.metadata.tables[Task.__tablename__]

# What a lab computed again to verify a card stays there: the other lab is to compute it by itself.
_ORIGINAL = {
    Evaluation.__tablename__: Evaluation.intervention.not_like(f"%{AGAIN}"),
    Ablation.__tablename__: Ablation.is_again.is_(False),
}

Numbers = Mapping[str, Mapping[int, int]]  # table -> its number in the file -> its number in the lab


def copy_out(session: Session, run_id: str, target: Path) -> None:
    """Write what this reading session sees of the run, and the imported sets it used, into a new file."""
    upgrade(f"sqlite:///{target}")
    engine = make_engine(f"sqlite:///{target}")
    try:
        with engine.connect() as copy:
            # The run's parent, group and the like stay named in it: the other lab may have them.
            cast(Any, copy.connection.driver_connection).execute("PRAGMA foreign_keys=OFF")
            for table in (_SETS, _TASKS):
                _copy(session.connection(), copy, table, _of_sets(session, table, run_id))
            for table in _tables():
                _copy(session.connection(), copy, table, _owned(table, run_id), _outside(table))
            copy.commit()
    finally:
        engine.dispose()


def check_is_new(session: Session, run_id: str) -> None:
    """Conflict where the lab has a run of this id."""
    if session.get(Run, run_id) is not None:
        raise Conflict(f"This lab has a run {run_id}.", "Delete it first, or keep the one that is here.")


def copy_in(session: Session, source: Path, run_id: str, owner_id: int | None) -> list[str]:
    """Add the run of a file to this lab, as `owner_id`'s; the names of its sets that were here already.

    Conflict where the lab has a run of this id. LookupError and ValueError where the file holds anything but
    this run, for example rows or files of another one: it may come from anybody. Rows get new numbers, in
    their old order. What the run refers to outside of itself, its parent and its group, is kept where the lab
    has it.
    """
    check_is_new(session, run_id)
    engine = make_engine(f"sqlite:///{source}")
    try:
        with engine.connect() as packed:
            known = _add_sets(session, packed)
            numbers = {table.name: _numbers(session.connection(), packed, table) for table in _tables()}
            for table in _tables():
                _add(session, packed, table, run_id, numbers, {"owner_id": owner_id} if table is _RUN else {})
    finally:
        engine.dispose()
    if session.get(Run, run_id) is None:
        raise LookupError("no run")
    return known


def _tables() -> list[Table]:
    """The tables of a run, those referred to first."""
    owned: list[Table] = []
    for table in Base.metadata.sorted_tables:
        is_part = table is _RUN or _way(table, owned) is not None
        if is_part and table.name not in NOT_ITS_OWN:
            owned.append(table)
    return owned


def _way(table: Table, owned: Collection[Table]) -> ForeignKey | None:
    """The reference by which a table's rows belong to those of the others."""
    ways = (key for key in table.foreign_keys if key.ondelete == "CASCADE" and key.column.table in owned)
    return min(ways, key=lambda key: (key.column.table is not _RUN, key.parent.name), default=None)


def _owned(table: Table, run_id: str) -> ColumnElement[bool]:
    """Which rows of a table are the run's."""
    if table is _RUN:
        return _RUN.c.id == run_id
    of_run = _belongs(table, run_id)
    return of_run & _ORIGINAL[table.name] if table.name in _ORIGINAL else of_run


def _belongs(table: Table, run_id: str) -> ColumnElement[bool]:
    way = _way(table, [each for each in _tables() if each is not table])
    assert way
    return way.parent.in_(select(way.column).where(_owned(way.column.table, run_id)))


def _outside(table: Table) -> dict[str, None]:
    """Columns that say something about the first lab alone: its people, its workers."""
    return {"owner_id": None, "lease_until": None} if table is _RUN else {}


def _of_sets(session: Session, table: Table, run_id: str) -> ColumnElement[bool]:
    """Which rows of sets and tasks a run needs: another lab has the built-in and makes the generated ones."""
    record = trained_on.of_run(session, run_id)
    evaluated = session.scalars(select(Evaluation.set_name).where(Evaluation.run_id == run_id))
    imported = select(TaskSet.name).where(
        TaskSet.name.in_({*(record.sets if record else ()), *evaluated}), TaskSet.origin == "imported"
    )
    return (table.c.name if table is _SETS else table.c.set_name).in_(imported)


def _copy(
    source: Connection,
    target: Connection,
    table: Table,
    which: ColumnElement[bool],
    changes: Mapping[str, Any] | None = None,
) -> None:
    rows = source.execution_options(yield_per=BATCH).execute(select(*table.columns).where(which))
    for batch in rows.mappings().partitions():
        target.execute(insert(table), [{**row, **(changes or {})} for row in batch])


def _add_sets(session: Session, packed: Connection) -> list[str]:
    """Sets of the file that the lab does not have; the names of the others."""
    known = set(session.scalars(select(TaskSet.name)))
    imported = select(_SETS.c.name).where(_SETS.c.origin == "imported").order_by(_SETS.c.name)
    names = list(packed.scalars(imported))
    new = [name for name in names if name not in known]
    _copy(packed, session.connection(), _SETS, _SETS.c.name.in_(new))
    _copy(packed, session.connection(), _TASKS, _TASKS.c.set_name.in_(new))
    return [name for name in names if name in known]


def _add(
    session: Session,
    packed: Connection,
    table: Table,
    run_id: str,
    numbers: Numbers,
    changes: Mapping[str, Any],
) -> None:
    """The rows of one table, with the numbers of this lab in them."""
    target = session.connection()
    rows = packed.execution_options(yield_per=BATCH).execute(select(*table.columns).where(true()))
    for batch in rows.mappings().partitions():
        for row in batch:
            _check(run_id, table, row)
        target.execute(
            insert(table),
            [_renumbered(session, table, {**row, **changes}, run_id, numbers) for row in batch],
        )


def _numbers(target: Connection, packed: Connection, table: Table) -> dict[int, int]:
    """New numbers for a table's rows, in their order; none where the rows have none of their own."""
    counted = table.autoincrement_column
    if counted is None or counted.foreign_keys:
        return {}
    old = list(packed.scalars(select(counted).order_by(counted)))
    return dict(zip(old, _reserved(target, table, len(old)), strict=True))


def _reserved(target: Connection, table: Table, number: int) -> Collection[int]:
    """So many numbers that no other row of the table has or gets."""
    counted = table.autoincrement_column
    assert counted is not None
    if target.dialect.name == "sqlite":  # whose transaction keeps every other writer out
        first = (target.scalar(select(func.max(counted))) or 0) + 1
        return range(first, first + number)
    drawn = text(
        "SELECT nextval(pg_get_serial_sequence(:table, :column)) FROM generate_series(1, :number) ORDER BY 1"
    )
    given = {"table": table.name, "column": counted.name, "number": number}
    return list(target.scalars(drawn, given))


def _check(run_id: str, table: Table, row: RowMapping) -> None:
    """ValueError for another run than this one, one that is not over, and files that are not its own."""
    if table is _RUN and (row["id"] != run_id or not RunStatus(row["status"]).is_over):
        raise ValueError("another run, or one that is not over")
    if table.name == Evaluation.__tablename__ and row["intervention"].endswith(AGAIN):
        raise ValueError("what another lab computed again")
    if table is _CHECKPOINTS:
        path = PurePosixPath(row["path"])
        if path.parts[0] != run_id or ".." in path.parts:
            raise ValueError("a checkpoint outside the run's folder")


def _renumbered(
    session: Session, table: Table, row: dict[str, Any], run_id: str, numbers: Numbers
) -> dict[str, Any]:
    """A row as this lab has it; LookupError or ValueError where it belongs to something else than the run."""
    counted = table.autoincrement_column
    if counted is not None and numbers[table.name]:
        row[counted.name] = numbers[table.name][row[counted.name]]
    for key in table.foreign_keys:
        name, other = key.parent.name, key.column.table
        if row[name] is None:
            continue
        if table is _RUN:
            row[name] = row[name] if _is_here(session, key, row[name]) else None
        elif other is not _RUN:
            row[name] = numbers[other.name][row[name]]
        elif row[name] != run_id:
            raise ValueError(f"a row of {table.name} of another run")
    for name in ("data", "judgement", "evaluations"):  # JSON that names evaluations
        if row.get(name):
            row[name] = _with_evaluations(row[name], numbers[Evaluation.__tablename__])
    return row


def _is_here(session: Session, key: ForeignKey, value: Any) -> bool:
    return session.scalar(select(key.column).where(key.column == value)) is not None


def _with_evaluations(value: Any, numbers: Mapping[int, int]) -> Any:
    """JSON in which `evaluation` is a number, with that of this lab."""
    if isinstance(value, dict):
        return {
            key: numbers.get(each, each)
            if key == "evaluation" and isinstance(each, int)
            else _with_evaluations(each, numbers)
            for key, each in value.items()
        }
    return [_with_evaluations(each, numbers) for each in value] if isinstance(value, list) else value
