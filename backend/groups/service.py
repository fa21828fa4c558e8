"""Groups of runs: make one from a sweep, find, read, cancel. Nothing here commits or sends a message."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy.orm import Session

from backend.audit import service as audit
from backend.audit.actions import Action, Subject
from backend.domain.experiment import ExperimentConfig
from backend.domain.sweeps import Sweep, Variation, confounds, expand, parse_sweep, sweep_label
from backend.groups import stats as group_stats
from backend.groups.views import GroupPlace, GroupSummary, GroupView, Statuses
from backend.kit import cursors
from backend.kit.errors import Conflict
from backend.kit.format import counted
from backend.kit.problems import invalid, invalid_query, unknown_id
from backend.kit.text import trimmed
from backend.lifecycle import limits
from backend.lifecycle import service as runs
from backend.lifecycle.input import MAX_NAME_LENGTH, check_names, checked_project, hold_starts
from backend.parameter_search import service as searches
from backend.people import service as accounts
from backend.run_view import learning
from backend.run_view.facts import Facts
from backend.run_view.views import RunView
from backend.runs import events
from backend.runs import group_queries as rows
from backend.runs.group_tables import RunGroup
from backend.runs.status import RunStatus
from backend.runs.tables import Run
from backend.web.visitor import who

__all__ = ["GroupList", "GroupView", "cancel", "create", "find", "get", "place", "planned", "summary"]

BETWEEN_RUNS = 1e-6  # seconds between the times of two runs of a group: the queue and every table go by them
NOT_CREATED = "The group was not created."
MAX_LIMIT = 200  # groups of one page


@dataclass(frozen=True)
class GroupList:
    """Groups in order, and the cursor of the next page (None: this was the last)."""

    groups: list[GroupSummary]
    next_cursor: str | None


def planned(session: Session, config: ExperimentConfig, sweep: Sweep) -> tuple[Variation, ...]:
    """The runs that `create` would make; InvalidInput with everything that stands against it."""
    variations = expand(config, sweep)
    hold_starts(session, *(variation.config for variation in variations))
    check_names(session, *(variation.config for variation in variations))
    return variations


def create(
    session: Session,
    config: ExperimentConfig,
    sweep: Sweep,
    name: str = "",
    parent_id: str | None = None,
    project: str = "",
) -> GroupView:
    """Queue every run of a sweep as one group of whoever asks, all or none. InvalidInput as `planned` and for
    the project, Conflict where more of their runs would wait than may, Unauthorised where they were removed
    meanwhile.

    An empty name is made from the config's and from what varies. `parent_id`: the run that all are clones of.
    """
    accounts.hold(session, who.get())
    variations = planned(session, config, sweep)
    common = {"parent_id": parent_id, "project": checked_project(project, NOT_CREATED)}
    limits.check_queued(session, who.get().person_id, len(variations))
    now = time.time()
    group = RunGroup(
        id=runs.new_id(),
        name=_checked_name(name) or _name(config, sweep),
        sweep=sweep.model_dump(mode="json"),
        config=config.model_dump(mode="json"),
        created_at=now,
    )
    rows.add(session, group)
    made = [
        runs.new_run(each.config, group_id=group.id, created_at=now + at * BETWEEN_RUNS, **common)
        for at, each in enumerate(variations)
    ]
    rows.add_runs(session, made)
    for run in made:
        events.add(session, run.id, "queued", f"Queued in group {group.id}.", audit.actor())
    audit.note(session, Action.LAUNCHED, _subject(group), counted(len(made), "run"))
    return _view(session, group)


def get(session: Session, group_id: str) -> GroupView:
    """One group with its variations and their results over seeds; NotFound suggests the nearest ids."""
    return _view(session, _row(session, group_id))


def run_ids(session: Session, text: str) -> list[str]:
    """The runs of the group with this id or name, in the order in which they were made.

    NotFound suggests the nearest ids and names; Conflict where several groups have the name.
    """
    group = rows.get(session, text)
    if group is None:
        named = rows.named(session, text)
        if not named:
            known = [*rows.all_ids(session), *rows.all_names(session)]
            raise unknown_id("group", text, known, "GET /api/v1/groups lists them.")
        if len(named) > 1:
            ids = ", ".join(each.id for each in named)
            raise Conflict(f"{len(named)} groups are called {text!r}.", f"Give the id of one of them: {ids}.")
        (group,) = named
    found = [run.id for run in rows.runs_of(session, group.id)]
    if not found:
        raise Conflict(f"Group {text!r} has no runs left.", "Give another group, or ids of runs.")
    return found


def find(session: Session, limit: int = 50, cursor: str | None = None) -> GroupList:
    """Groups, newest first."""
    if not 1 <= limit <= MAX_LIMIT:
        raise invalid_query("limit", f"must be 1 to {MAX_LIMIT}, not {limit}.")
    found = rows.newest(session, limit + 1, cursors.read(cursor, float, str))
    shown, more = cursors.cut(found, limit, lambda group: (group.created_at, group.id))
    counts = rows.statuses(session, [group.id for group in shown])
    return GroupList([_summary(group, counts.get(group.id, {})) for group in shown], more)


def summary(session: Session, group_id: str) -> GroupSummary | None:
    """One group in short, or None."""
    group = rows.get(session, group_id)
    if group is None:
        return None
    return _summary(group, rows.statuses(session, [group_id]).get(group_id, {}))


def cancel(session: Session, group_id: str) -> GroupView:
    """Stop every run that is not over: a queued one at once, a running one as soon as its process is gone.
    A parameter search adds no further ones."""
    group, stopped = _row(session, group_id), 0
    searches.stop_if_any(session, group_id)
    for run in rows.runs_of(session, group_id):
        if not RunStatus(run.status).is_over:
            with suppress(Conflict):  # it ended this moment
                stopped += runs.stop(session, run)
    if stopped:
        audit.note(session, Action.CANCELLED, _subject(group), counted(stopped, "run"))
    return _view(session, group)


def place(session: Session, run: RunView) -> GroupPlace | None:
    """Where a run stands among those of its group that differ in their seed alone; None without a group."""
    group = rows.get(session, run.group.id) if run.group else None
    if group is None:
        return None
    siblings = [each for each in rows.runs_of(session, group.id) if each.variation == run.variation]
    return GroupPlace(
        id=group.id,
        name=group.name,
        variation=group_stats.variation_name(run.config, parse_sweep(group.sweep)),
        position=[each.id for each in siblings].index(run.id) + 1,
        siblings=[group_stats.short(view) for view in _views(session, siblings)],
    )


def _view(session: Session, group: RunGroup) -> GroupView:
    found, sweep = _views(session, rows.runs_of(session, group.id)), parse_sweep(group.sweep)
    return GroupView(
        id=group.id,
        name=group.name,
        created_at=group.created_at,
        statuses=group_stats.statuses(found),
        sweep=group.sweep,
        config=group.config,
        variations=group_stats.variations(found, sweep),
        also_differs=confounds(
            [run.config for run in {each.variation: each for each in found}.values()], sweep
        ),
    )


def _subject(group: RunGroup) -> Subject:
    return Subject("group", group.id, group.name)


def _summary(group: RunGroup, statuses: Statuses) -> GroupSummary:
    return GroupSummary(id=group.id, name=group.name, created_at=group.created_at, statuses=statuses)


def _views(session: Session, found: Sequence[Run]) -> list[RunView]:
    return Facts(session, found, metrics=learning.METRICS).views()


def _row(session: Session, group_id: str) -> RunGroup:
    group = rows.get(session, group_id)
    if group is None:
        raise unknown_id("group", group_id, rows.all_ids(session), "GET /api/v1/groups lists them.")
    return group


def _checked_name(name: str) -> str:
    if name and not trimmed(name):
        message = "must have a character that can be seen."
        raise invalid(NOT_CREATED, "name", message)
    name = trimmed(name)
    if len(name) > MAX_NAME_LENGTH:
        message = f"must be at most {MAX_NAME_LENGTH} characters long."
        raise invalid(NOT_CREATED, "name", message)
    return name


def _name(config: ExperimentConfig, sweep: Sweep) -> str:
    name = f"{config.name or config.variant} · {sweep_label(sweep)}"
    return name if len(name) <= MAX_NAME_LENGTH else f"{name[: MAX_NAME_LENGTH - 1]}…"
