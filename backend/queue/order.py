"""The order of the queue: move a waiting run, or give it another priority.

A run's place is a number; moving one puts it between the numbers of its new neighbours, so one row is
written. It decides among the runs of one person: whose turn it is decides `backend.runs.order_queries`. A
worker takes whichever run stands first at that moment, whatever its message said.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy.orm import Session

from backend.audit import service as audit
from backend.audit.actions import Action, Subject
from backend.kit.errors import Conflict, InvalidInput, NotFound
from backend.kit.problems import invalid, not_valid
from backend.runs import events
from backend.runs import order_queries as rows
from backend.runs import queries as run_rows
from backend.runs.order_queries import Standing

PRIORITIES = {"high": 1, "normal": 0, "low": -1}
WORDS = {number: word for word, number in PRIORITIES.items()}
MIN_GAP = 1e-5  # between two places; times have steps of 2.4e-7


class Place(NamedTuple):
    """What is written of a run: priority, the greatest first, then position, the smallest first."""

    run_id: str
    priority: int
    position: float


def move(session: Session, run_id: str, place: int) -> int:
    """Put a waiting run at `place` of the queue, 1 being next; returns the place it got: between runs of the
    same person it is that place, before or behind others' only as far as it is that person's turn.

    Among runs of another priority it takes that of the one before it, or at the top of the one behind.
    Raises NotFound, Conflict (it does not wait) and InvalidInput (place).
    """
    if place < 1:
        raise invalid("The run was not moved.", "position", f"must be at least 1, not {place}.")
    waiting = rows.queued(session, lock=True)
    moved = _waiting(session, waiting, run_id)
    others = [each for each in waiting if each.id != run_id]
    at = min(place - 1, len(others))
    rows.place(session, _placed(moved, others[:at], others[at:]))
    got = 1 + [each.id for each in rows.queued(session)].index(run_id)
    events.add(
        session, run_id, "moved", f"Moved to position {got} of {len(waiting)} in the queue.", audit.actor()
    )
    audit.note(session, Action.MOVED, Subject("run", run_id), f"to position {got}")
    return got


def prioritise(session: Session, run_id: str, priority: str) -> None:
    """Give a waiting run another priority: high, normal or low; it goes behind those that have it already."""
    if priority not in PRIORITIES:
        problem = not_valid("priority", priority, PRIORITIES)
        raise InvalidInput("The priority was not changed.", problems=[problem])
    waiting = rows.queued(session, lock=True)
    moved = _waiting(session, waiting, run_id)
    wanted = PRIORITIES[priority]
    if moved.priority == wanted:
        return
    same = [each.position for each in waiting if each.priority == wanted]
    rows.place(session, [Place(run_id, wanted, max([moved.position, *(each + 1 for each in same)]))])
    events.add(session, run_id, "prioritised", f"Priority {priority}.", audit.actor())
    audit.note(session, Action.MOVED, Subject("run", run_id), f"priority {priority}")


def _waiting(session: Session, waiting: Sequence[Standing], run_id: str) -> Standing:
    found = next((each for each in waiting if each.id == run_id), None)
    if found is not None:
        return found
    run = run_rows.get(session, run_id)
    if run is None:
        raise NotFound(f"Run {run_id!r} not found.", "List queued runs on the queue page or with etrm queue.")
    raise Conflict(f"Run {run_id} is {run.status}: only queued runs have a position in the queue.")


def _placed(moved: Standing, before: Sequence[Standing], behind: Sequence[Standing]) -> list[Place]:
    """What has to be written so that `moved` stands between the runs of its person in the two."""
    priority = _priority(moved, before, behind)
    before, behind = (
        [each for each in part if each.owner_id == moved.owner_id and each.priority == priority]
        for part in (before, behind)
    )
    low, high = [each.position for each in before], [each.position for each in behind]
    if not low and not high:
        return [Place(moved.id, priority, moved.position)]
    if not high:
        return [Place(moved.id, priority, max(low[-1] + 1, moved.position))]
    if not low:
        return [Place(moved.id, priority, high[0] - 1)]
    if high[0] - low[-1] > MIN_GAP:
        return [Place(moved.id, priority, (low[-1] + high[0]) / 2)]
    return _spread(priority, [*before, moved, *behind])


def _priority(moved: Standing, before: Sequence[Standing], behind: Sequence[Standing]) -> int:
    """The moved run's own, unless its neighbours leave no room for it. Runs that a limit holds stand last,
    whatever their priority, so they leave room for others', and others' for them."""
    before, behind = (
        [each for each in part if each.is_held == moved.is_held or each.owner_id == moved.owner_id]
        for part in (before, behind)
    )
    if before and before[-1].priority < moved.priority:
        return before[-1].priority
    if behind and behind[0].priority > moved.priority:
        return behind[0].priority
    return moved.priority


def _spread(priority: int, ordered: Sequence[Standing]) -> list[Place]:
    """New places for all of a person and priority, a second apart and none later than the last was: what is
    queued from now on still comes behind them."""
    last = ordered[-1].position
    return [Place(each.id, priority, last - (len(ordered) - 1 - at)) for at, each in enumerate(ordered)]
