"""In which order queued runs are taken: by priority, then by turns of their people, then by a place that
people can change.

The order is that in which the runs would start if workers took them now, one after the other, and none ended.
Of the runs with the highest priority the next one belongs to the person with the fewest runs that run, of
those to the one served longest ago, then to the one whose first run has the first place; it is the first of
that person's own. What stands above a person's limit comes last: it waits until one of their runs ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    Subquery,
    case,
    func,
    literal,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import Session, aliased

from backend.db import clock
from backend.domain.people import OWNER
from backend.people.tables import Person
from backend.runs.status import HELD, RunStatus
from backend.runs.tables import Run
from backend.settings import Settings

OWN_ORDER = (Run.priority.desc(), Run.queue_position, Run.created_at, Run.id)  # of one person's runs
NOBODY = 0  # the person of runs without one
ONE_AT_A_TIME = 0x6574726D << 32  # keys of PostgreSQL's advisory locks: "etrm", then the person

_QUEUED = Run.status == RunStatus.QUEUED
_OWNER = func.coalesce(Run.owner_id, NOBODY)


class Standing(NamedTuple):
    """Where a queued run stands, and what decides it."""

    id: str
    priority: int
    position: float  # among the runs of its person
    owner_id: int
    owner: str  # the person's name
    running: int  # runs of the person that run now
    limit: int | None  # most of them; None: no limit
    nth: int  # of the person's queued runs, 1 being the next

    @property
    def is_held(self) -> bool:
        """Whether it waits for another run of its person to end."""
        return self.limit is not None and self.running + self.nth > self.limit


def queued(session: Session, lock: bool = False) -> list[Standing]:
    """All that wait, the next one first; `lock` keeps others from changing it."""
    turns = _turns()
    name = func.coalesce(select(Person.name).where(Person.id == Run.owner_id).scalar_subquery(), OWNER.name)
    query = _in_order(
        select(
            Run.id,
            Run.priority,
            Run.queue_position,
            _OWNER,
            name,
            turns.c.running,
            turns.c.most,
            turns.c.nth,
        ),
        turns,
    )
    rows = session.execute(query.with_for_update(of=Run) if lock else query)
    return [Standing(*row) for row in rows]


def new(session: Session, owner_id: int | None, name: str, order: Sequence[Standing]) -> Standing:
    """Where one more run of a person would stand, of normal priority, behind their others of it."""
    own = sum(each.owner_id == (owner_id or NOBODY) and each.priority >= 0 for each in order)
    running, most = count(session, owner_id, *HELD), limits_of(session, owner_id)[0]
    return Standing("", 0, clock.read(session), owner_id or NOBODY, name, running, most, own + 1)


def take(session: Session, run_id: str) -> Row[str, int, int | None] | None:
    """(run, its attempt so far, its owner) of a run that waits: passed over by everybody else until this
    transaction ends. None where it does not wait, or its person has as many that run as may.

    What is not taken is let go at once, with the lock of its person: two workers that look at the runs of
    several people in different orders would otherwise wait for each other.
    """
    query = select(Run.id, Run.attempt, Run.owner_id).where(_QUEUED, Run.id == run_id)
    trying = session.begin_nested()
    waiting = session.execute(query.with_for_update(skip_locked=True)).one_or_none()
    if waiting is None or _has_enough(session, waiting.owner_id):
        trying.rollback()
        return None
    trying.commit()
    return waiting


def _has_enough(session: Session, owner_id: int | None) -> bool:
    """Whether as many runs of a person run as may; with a limit nobody else counts them until the savepoint
    is given up or the transaction ends."""
    most = limits_of(session, owner_id)[0]
    if most is None:
        return False
    one_at_a_time(session, owner_id)
    return count(session, owner_id, *HELD) >= most


def asked(session: Session, unsent_for: float | None = None) -> Sequence[Row[str, Any, Any]]:
    """(run, its device, its placement) of all that may start, the next one first, as its config has them.

    With `unsent_for` only those whose message, if any, was sent more than so many seconds ago.
    """
    turns = _turns()
    device = Run.config[("training", "device")].as_string()
    query = _in_order(select(Run.id, device, Run.config["placement"]), turns)
    query = query.where(or_(turns.c.most.is_(None), turns.c.running < turns.c.most))
    if unsent_for is not None:
        query = query.where(_unsent(unsent_for))
    return session.execute(query).all()


def lock(session: Session, run_ids: Sequence[str], unsent_for: float) -> Sequence[Run]:
    """Those of the runs that still wait, unsent for so many seconds, and that nobody else has locked; in the
    given order."""
    query = select(Run).where(Run.id.in_(run_ids), _QUEUED, _unsent(unsent_for))
    found = session.scalars(query.with_for_update(skip_locked=True))
    return sorted(found, key=lambda run: run_ids.index(run.id))


def place(session: Session, places: Iterable[tuple[str, int, float]]) -> None:
    """Give runs that still wait their (run, priority, place)."""
    for run_id, priority, position in places:
        change = update(Run).where(Run.id == run_id, _QUEUED)
        session.execute(change.values(priority=priority, queue_position=position))


def count(session: Session, owner_id: int | None, *statuses: RunStatus) -> int:
    """How many trainings of a person (None: of nobody) have one of the statuses."""
    query = select(func.count()).where(Run.status.in_(statuses), Run.origin == "training")
    return session.scalar(query.where(Run.owner_id.is_not_distinct_from(owner_id))) or 0


def limits_of(session: Session, owner_id: int | None) -> tuple[int | None, int | None]:
    """Most runs of a person that run, and that wait; None: no limit."""
    own = session.get(Person, owner_id) if owner_id is not None else None
    lab = Settings.current()
    running = lab.limit_running if own is None or own.limit_running is None else own.limit_running
    waiting = lab.limit_queued if own is None or own.limit_queued is None else own.limit_queued
    return running or None, waiting or None


def one_at_a_time(session: Session, owner_id: int | None) -> None:
    """Until the transaction ends nobody else counts the runs of this person to add one. SQLite has one writer
    anyway."""
    if session.get_bind().dialect.name == "postgresql":
        key = ONE_AT_A_TIME + (owner_id or NOBODY)
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})


def _unsent(after: float) -> ColumnElement[bool]:
    sent_at = func.coalesce(Run.dispatched_at, Run.created_at)
    put_back = (Run.attempt > 0) & Run.dispatched_at.is_(None)
    return or_(put_back, sent_at < clock.now() - after)


def _turns() -> Subquery:
    """What decides whose turn it is, one row a queued run.

    A person's runs start in their own order, so with the n-th of them as many run as now, and n more
    (`level`): the smallest comes first. Of equal ones the person served last comes last. Whoever was served
    by this very order later than others has more runs of this priority before the run (`same`), else more
    between it and the highest (`between`), else more above (`above`); if none has any, the past decides.
    """
    people = _people()
    nth = func.row_number().over(partition_by=_OWNER, order_by=OWN_ORDER)
    same = func.row_number().over(partition_by=(_OWNER, Run.priority), order_by=OWN_ORDER)
    first = func.first_value(Run.queue_position).over(partition_by=_OWNER, order_by=OWN_ORDER)
    normal = func.sum(case((Run.priority == 0, 1), else_=0)).over(partition_by=_OWNER)
    return (
        select(
            Run.id,
            people.c.running,
            people.c.most,
            people.c.served,
            nth.label("nth"),
            (people.c.running + nth).label("level"),
            same.label("same"),
            case((Run.priority < 0, normal), else_=0).label("between"),
            (nth - same).label("above"),
            first.label("first"),
        )
        .join(people, people.c.owner == _OWNER)
        .where(_QUEUED)
        .subquery("turns")
    )


def _people() -> Subquery:
    """Of everybody who has queued runs: how many run, how many may, and when one was last taken."""
    waiting = select(Run.owner_id).where(_QUEUED).distinct().cte("waiting")
    taken = aliased(Run)
    running = (
        select(func.count())
        .where(taken.status.in_(HELD), taken.origin == "training")
        .where(func.coalesce(taken.owner_id, NOBODY) == func.coalesce(waiting.c.owner_id, NOBODY))
        .scalar_subquery()
    )
    served = select(func.max(taken.claimed_at))  # two of them: an index finds what equals, or what is null
    of_nobody = served.where(taken.owner_id.is_(None)).scalar_subquery()
    of_person = served.where(taken.owner_id == waiting.c.owner_id).scalar_subquery()
    lab_limit = literal(Settings.current().limit_running)
    return (
        select(
            func.coalesce(waiting.c.owner_id, NOBODY).label("owner"),
            running.label("running"),
            func.nullif(func.coalesce(Person.limit_running, lab_limit), 0).label("most"),
            func.coalesce(case((waiting.c.owner_id.is_(None), of_nobody), else_=of_person), 0.0).label(
                "served"
            ),
        )
        .select_from(waiting)
        .outerjoin(Person, Person.id == waiting.c.owner_id)
        .subquery("people")
    )


def _in_order(query: Select[Any], turns: Subquery) -> Select[Any]:
    turn = turns.c
    held = case((turn.level > turn.most, 1), else_=0)
    return query.join(turns, turn.id == Run.id).order_by(
        held,
        Run.priority.desc(),
        turn.level,
        turn.same,
        turn.between,
        turn.above,
        turn.served,
        turn.first,
        _OWNER,
        Run.id,
    )
