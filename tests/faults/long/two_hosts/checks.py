"""What is to be true once every run is over; what is not is told in words."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sqlalchemy import select

from backend.artifacts import service as objects
from backend.db.session import reading_scope
from backend.kit.errors import EtrmError
from backend.runs import checkpoints
from backend.runs.status import RunStatus
from backend.runs.tables import Checkpoint, Run, RunEvent
from backend.settings import Settings
from tests.faults.long.trial import CAUSES, Content, content_of
from tests.faults.long.two_hosts import fair_order
from tests.faults.long.two_hosts.fair_order import Happening, Judgement
from tests.faults.long.two_hosts.lab import TwoHosts
from tests.faults.long.two_hosts.scenario import STEPS, Course, Cut, unlisted
from tests.support.records.tiny import numbers

SILENT = "has not answered"  # of the event that puts a run back
QUEUED, CLAIMED = "queued", "claimed"


def events(lab: TwoHosts) -> Sequence[RunEvent]:
    """Everything that happened to runs, oldest first."""
    with reading_scope(lab.engine) as session:
        return session.scalars(select(RunEvent).order_by(RunEvent.id)).all()


def ended_once(lab: TwoHosts, course: Course, noted: Sequence[RunEvent]) -> Iterator[str]:
    """Every run finished exactly once, and took a second attempt only where its host was cut off."""
    cut = Counter(each.run_id for each in course.cuts)
    for run_id in course.owners:
        row = lab.row(run_id)
        kinds = Counter(event.kind for event in noted if event.run_id == run_id)
        ends = {kind: kinds[kind] for kind in RunStatus if kind.is_over and kinds[kind]}
        if row.status != RunStatus.FINISHED or ends != {RunStatus.FINISHED: 1}:
            yield f"run {run_id} is {row.status} ({row.status_cause}) and has ended {ends}"
        if not row.attempt == kinds[CLAIMED] == 1 + cut[run_id]:
            yield (
                f"run {run_id} was claimed {kinds[CLAIMED]} times, is at attempt {row.attempt}, "
                f"and its host was cut off {cut[run_id]} times"
            )
        put_back = [event for event in noted if event.run_id == run_id and event.kind in CAUSES]
        if [event for event in put_back if SILENT not in event.text] or len(put_back) != cut[run_id]:
            yield f"run {run_id} was put back: {[event.text for event in put_back]}"


def recorded_once(lab: TwoHosts, course: Course) -> Iterator[str]:
    """Every run has each step once, and the same numbers, answers and checkpoints as the others.

    They all have one config, so what a zombie had added would be a difference.
    """
    contents = {run_id: content_of(lab, run_id) for run_id in course.owners}
    usual, _ = Counter(_comparable(each) for each in contents.values()).most_common(1)[0]
    for run_id, each in contents.items():
        if list(each.points.get("loss", {})) != list(range(1, STEPS + 1)):
            yield f"run {run_id} has the steps {list(each.points.get('loss', {}))}"
        if _comparable(each) != usual:
            yield f"run {run_id} has other points, answers or checkpoints than most others"


def _comparable(found: Content) -> str:
    points = numbers({name: dict(curve) for name, curve in found.points.items()})
    return json.dumps([points, repr(found.outcomes), found.checkpoints], sort_keys=True)


def kept_out(lab: TwoHosts, cut: Cut, noted: Sequence[RunEvent]) -> Iterator[str]:
    """What the zombie wrote counts for nothing: of its attempt nothing was listed after it was replaced."""
    replaced_at = next(e.wall_time for e in noted if e.run_id == cut.run_id and SILENT in e.text)
    for row in _listed(lab, cut.run_id):
        if "-attempt-" not in row.path and row.created_at > replaced_at:
            yield f"the checkpoint {row.path} was listed by an attempt that had been replaced"
    if not cut.saved:
        yield f"the training of run {cut.run_id} on {cut.host} saved nothing while it was cut off"


def stored(lab: TwoHosts, course: Course, elsewhere: Path) -> Iterator[str]:
    """Every checkpoint that the database lists is in the store and whole, and the store has no other."""
    store = objects.of(Settings.load(), 60.0)
    assert store
    rows = [row for run_id in course.owners for row in _listed(lab, run_id)]
    for row in rows:
        try:
            store.fetch(row.path, row.sha256, elsewhere)
        except EtrmError as error:
            yield str(error)
    if others := unlisted(lab):
        yield f"the store has checkpoints that the database does not list: {others}"


def _listed(lab: TwoHosts, run_id: str) -> Sequence[Checkpoint]:
    with reading_scope(lab.engine) as session:
        return list(checkpoints.list(session, run_id))


def count_listed(lab: TwoHosts, course: Course) -> int:
    """How many checkpoints the database lists."""
    return sum(len(_listed(lab, run_id)) for run_id in course.owners)


def in_turn(lab: TwoHosts, owners: Mapping[str, str], noted: Sequence[RunEvent]) -> Judgement:
    """Whether it was the turn of whoever owned the run, at each claim."""
    rows = {run_id: lab.row(run_id) for run_id in owners}
    places = {run_id: row.queue_position for run_id, row in rows.items()}
    return fair_order.judge(list(_history(noted, rows)), owners, places)


def _history(noted: Sequence[RunEvent], rows: Mapping[str, Run]) -> Iterator[Happening]:
    """What the events tell. A claim is at the time that decides who was served last, where the run still has
    it: its event comes later, and of two claims at once perhaps in the other order."""
    holder: dict[str, str] = {}
    for event in noted:
        if event.kind == QUEUED:
            yield Happening(event.wall_time, fair_order.QUEUED, event.run_id)
        elif event.kind == CLAIMED:
            holder[event.run_id] = event.text.partition(" by ")[2].partition(":")[0]
            row = rows[event.run_id]
            at = row.claimed_at if row.attempt == event.data["attempt"] else event.wall_time
            yield Happening(at or event.wall_time, fair_order.CLAIMED, event.run_id, holder[event.run_id])
        elif event.kind in CAUSES:
            yield Happening(event.wall_time, fair_order.LEFT, event.run_id)
        elif event.kind in {status.value for status in RunStatus if status.is_over}:
            yield Happening(event.wall_time, fair_order.ENDED, event.run_id, holder.get(event.run_id, ""))
