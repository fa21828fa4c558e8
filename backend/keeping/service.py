"""Checkpoints by name, and letting them go: never one that something needs. Nothing here commits."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from backend.audit import service as audit
from backend.audit.actions import Action, Subject
from backend.domain.retention import BEST, NAME, Goal, Verdict
from backend.keeping import queries as rows
from backend.keeping.uses import uses_of
from backend.keeping.verdicts import policy_of, verdicts_of
from backend.kit.errors import Conflict, NotFound
from backend.kit.problems import invalid
from backend.runs import checkpoints, events
from backend.runs import queries as run_rows
from backend.runs.status import RunStatus
from backend.runs.tables import Checkpoint, Run
from backend.web.visitor import who

Ref = int | str  # a step, or an alias


@dataclass(frozen=True)
class Alias:
    """A name of a checkpoint. `best` is derived: nobody has set it."""

    name: str
    step: int
    set_by: str = ""
    set_at: float | None = None


@dataclass(frozen=True)
class Kept:
    """A checkpoint with its names, its score, and why it stays."""

    row: Checkpoint
    aliases: tuple[str, ...]
    verdict: Verdict
    score_text: str  # `8.0 %`; empty without one


def kept_of(session: Session, run_id: str) -> list[Kept]:
    """Every checkpoint of a run, newest first."""
    run = run_rows.get(session, run_id)
    if run is None:
        return []
    verdicts = {each.step: each for each in verdicts_of(session, [run])[run_id]}
    goal, named = goal_of(run.config), _names(session, run_id, verdicts.values())
    found = []
    for row in checkpoints.list(session, run_id):
        verdict = verdicts[row.step]
        aliases = tuple(alias.name for alias in named if alias.step == row.step)
        text = "" if verdict.score is None else goal.said(verdict.score)
        found.append(Kept(row, aliases, verdict, text))
    return found


def goal_of(config: Mapping[str, Any]) -> Goal:
    """What the best checkpoints of a run are best at, from its stored config."""
    return policy_of(config).goal


def aliases_of(session: Session, run_id: str) -> list[Alias]:
    """The aliases of a run: `best` first where a checkpoint has a score, the others by name."""
    run = run_rows.get(session, run_id)
    return _names(session, run_id, verdicts_of(session, [run])[run_id]) if run else []


def find(session: Session, run_id: str, ref: Ref | None = None) -> Checkpoint:
    """The checkpoint of a step or an alias, the newest for None; NotFound says which there are."""
    if ref is None:
        newest = checkpoints.latest(session, run_id)
        if newest is None:
            raise NotFound(f"Run {run_id} has no checkpoint yet.", "Wait for its first checkpoint.")
        return newest
    if (step := step_of_number(ref)) is not None:
        return checkpoints.get(session, run_id, step)
    aliases = aliases_of(session, run_id)
    found = next((each for each in aliases if each.name == ref), None)
    if found is None:
        raise _unknown(session, run_id, str(ref), aliases)
    return checkpoints.get(session, run_id, found.step)


def step_of(session: Session, run_id: str, ref: Ref) -> int:
    """The step that is meant, whether there is a checkpoint of it or not; NotFound for an unknown alias."""
    step = step_of_number(ref)
    return find(session, run_id, ref).step if step is None else step


def step_of_number(ref: Ref) -> int | None:
    """A step that is written as one; None for an alias."""
    if isinstance(ref, int):
        return ref
    return int(ref[:20]) if ref.isascii() and ref.isdecimal() else None


def set_alias(session: Session, run_id: str, name: str, ref: Ref) -> Alias:
    """Call a checkpoint by a name, which may have been another's. InvalidInput, NotFound."""
    run = _held(session, run_id)
    if name == BEST:
        raise invalid(
            "The alias was not set.", "name", "best moves by itself.", "Choose another name, such as paper."
        )
    if not NAME.fullmatch(name):
        message = f"{name!r} must begin with a letter and have at most 40 of a to z, 0 to 9, dot, dash and _."
        raise invalid("The alias was not set.", "name", message, "For example paper.")
    found = find(session, run_id, ref)
    before = {alias.name: step for alias, step in rows.aliases_of(session, [run_id])}.get(name)
    rows.put_alias(session, run_id, name, found.id, who.get().name, time.time())
    if before != found.step:
        moved = "" if before is None else f", before: step {before:,}"
        _note(session, run, Action.ALIAS_SET, f"{name}: step {found.step:,}{moved}")
    return next(each for each in aliases_of(session, run_id) if each.name == name)


def remove_alias(session: Session, run_id: str, name: str) -> None:
    """Take a name away; the checkpoint stays until the run keeps it no longer. NotFound, Conflict."""
    run = _held(session, run_id)
    if name == BEST:
        raise Conflict("best moves by itself and cannot be removed.")
    if not rows.delete_alias(session, run_id, name):
        raise _unknown(session, run_id, name, aliases_of(session, run_id))
    _note(session, run, Action.ALIAS_REMOVED, name)


def note_dashboard(
    session: Session, dashboard_id: int, name: str, run_ids: Sequence[str], every: bool
) -> None:
    """A dashboard shows scores of these runs, and of no others: of `every` checkpoint, or of the newest."""
    rows.replace_runs_of_dashboard(session, dashboard_id, name, run_ids, every)


def release(session: Session, run_id: str, paths: Collection[str]) -> list[str]:
    """Drop the rows of what a training keeps no longer; the paths, of those given, that nothing needs.

    The caller holds the run. Files without a row are needed by nothing: what is needed has a row.
    """
    needed = uses_of(session, [run_id])[run_id].keys()
    listed = {row.path: row.step for row in checkpoints.list(session, run_id)}
    going = [path for path in paths if listed.get(path) not in needed]
    checkpoints.forget(session, run_id, [listed[path] for path in going if path in listed])
    return going


def spare(session: Session, run_id: str) -> list[Checkpoint]:
    """What a run that is over can do without: neither its newest, nor its best, nor needed by anything."""
    run = _held(session, run_id)
    _check_over(run)
    gone = spare_steps(session, [run])[run_id]
    return [row for row in checkpoints.list(session, run_id) if row.step in gone]


def spare_steps(session: Session, runs: Sequence[Run]) -> dict[str, list[int]]:
    """The same by run, as steps, of runs that are over."""
    verdicts = verdicts_of(session, runs, newest=1)
    return {run_id: [each.step for each in of_run if not each.stays] for run_id, of_run in verdicts.items()}


def remove(session: Session, run_id: str, ref: Ref) -> str:
    """Drop one checkpoint of a run that is over; the path of its files, to be removed after the commit.

    Conflict names what needs it.
    """
    run = _held(session, run_id)
    _check_over(run)
    found = find(session, run_id, ref)
    needs = [*uses_of(session, [run_id])[run_id].get(found.step, ())]
    newest, *_ = verdicts = verdicts_of(session, [run])[run_id]
    needs += ["alias best"] * any(each.is_best and each.step == found.step for each in verdicts)
    needs += ["resuming: it is the newest"] * (newest.step == found.step)
    if needs:
        raise Conflict(f"The checkpoint of step {found.step:,} is needed by {', '.join(needs)}.", _HINT)
    checkpoints.forget(session, run_id, [found.step])
    _note(session, run, Action.CHECKPOINTS_REMOVED, f"step {found.step:,}")
    return found.path


def check_not_needed_after(session: Session, run_id: str, step: int) -> None:
    """Conflict where something needs a checkpoint of a later step, which resuming would give up."""
    run_rows.hold(session, run_id)
    uses = uses_of(session, [run_id])[run_id]
    later = [row.step for row in checkpoints.list(session, run_id) if row.step > step and row.step in uses]
    if later:
        said = "; ".join(f"step {each:,} is needed by {', '.join(uses[each])}" for each in later[:5])
        raise Conflict(
            f"Run {run_id} was not resumed from step {step:,}: later ones would be given up, and {said}.",
            f"Fork from step {step:,} instead: that keeps them.",
        )


_HINT = "What nothing needs can be removed; an alias can be taken away."


def _held(session: Session, run_id: str) -> Run:
    run_rows.hold(session, run_id)
    run = run_rows.get(session, run_id)
    if run is None:
        raise NotFound(f"Run {run_id!r} not found.")
    return run


def _check_over(run: Run) -> None:
    if not RunStatus(run.status).is_over:
        raise Conflict(f"Run {run.id} is {run.status} and needs its checkpoints.", "Wait until it is over.")


def _names(session: Session, run_id: str, verdicts: Collection[Verdict]) -> list[Alias]:
    best = [Alias(BEST, each.step) for each in verdicts if each.is_best]
    return best + [
        Alias(alias.name, step, alias.set_by, alias.set_at)
        for alias, step in rows.aliases_of(session, [run_id])
    ]


def _unknown(session: Session, run_id: str, name: str, aliases: Sequence[Alias]) -> NotFound:
    kept = [row.step for row in checkpoints.list(session, run_id)]
    steps = f"checkpoints of steps {', '.join(map(str, kept[:8]))}" if kept else "no checkpoint"
    named = ", ".join(f"{each.name} (step {each.step})" for each in aliases)
    if name == BEST:
        message = f"Run {run_id} has no best checkpoint yet: none has a score."
    else:
        message = f"Run {run_id} has no checkpoint called {name!r}."
    return NotFound(message, f"It has {steps} and {f'the aliases {named}' if named else 'no alias'}.")


def _note(session: Session, run: Run, action: Action, detail: str) -> None:
    events.add(session, run.id, "checkpoint", f"{action[:1].upper()}{action[1:]}: {detail}.", audit.actor())
    audit.note(session, action, Subject("run", run.id, run.name), detail)
