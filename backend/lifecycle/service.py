"""Runs: make, find, cancel, clone, resume, name and delete them. Nothing here commits or sends a message."""

from __future__ import annotations

import logging
import secrets
import shutil
import string
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from backend.artifacts import service as objects
from backend.artifacts.bucket import StoreAway
from backend.audit import service as audit
from backend.audit.actions import Action, Subject
from backend.domain.config.problems import apply_overrides, assignments, parse_experiment
from backend.domain.experiment import ExperimentConfig, RunStart
from backend.domain.experiment.identity import configuration_key
from backend.hypothesis import service as hypotheses
from backend.keeping import service as keeping
from backend.keeping.service import Ref
from backend.keeping.uses import from_outside
from backend.kit.errors import Conflict, FieldProblem, InvalidInput, NotFound
from backend.kit.format import first_of
from backend.kit.problems import nearest_ids, unknown_id
from backend.lifecycle import edits, limits
from backend.lifecycle.end import end
from backend.lifecycle.input import (
    LISTED_BY,
    check_names,
    checked_name,
    checked_notes,
    checked_project,
    checked_tags,
    hold_starts,
)
from backend.lifecycle.start_files import START
from backend.people import service as accounts
from backend.run_view import queries as facts_rows
from backend.run_view.facts import Facts
from backend.run_view.views import RunView
from backend.runs import checkpoints, events
from backend.runs import queries as rows
from backend.runs.status import LOGGING, RunStatus
from backend.runs.tables import Run
from backend.runs.transition import transition_run
from backend.scores import job_queries as jobs
from backend.settings import Settings
from backend.web.visitor import who

log = logging.getLogger(__name__)
ID_LETTERS = string.ascii_lowercase + string.digits
ID_LENGTH = 10
MAX_LISTED = 5  # ids in a message
NOT_CREATED = "The run was not created."
OVER = tuple(status for status in RunStatus if status.is_over)
ENDED_EARLY = (RunStatus.FAILED, RunStatus.CANCELLED)


def create(
    session: Session, config: ExperimentConfig, parent_id: str | None = None, project: str = ""
) -> RunView:
    """Queue a run of whoever asks. InvalidConfig where it names a task set, run or checkpoint that does not
    exist, InvalidInput for the project, Conflict where as many of their runs wait as may, Unauthorised where
    they were removed meanwhile."""
    accounts.hold(session, who.get())
    hold_starts(session, config)
    check_names(session, config)
    run = new_run(config, parent_id=parent_id, project=checked_project(project, NOT_CREATED))
    limits.check_queued(session, run.owner_id)
    rows.add(session, run)
    said = "Queued." if parent_id is None else f"Cloned from {parent_id}."
    events.add(session, run.id, "queued", said, audit.actor())
    audit.note(session, Action.LAUNCHED, subject(run), f"cloned from {parent_id}" if parent_id else "")
    return view_of(session, run)


def new_run(config: ExperimentConfig, **columns: Any) -> Run:
    """A queued run of a config whose sets were checked; not added yet."""
    start = config.training.initialise_from
    forked_from = {"fork_of": start.run, "fork_step": start.step} if isinstance(start, RunStart) else {}
    return fresh_run(
        **forked_from,
        name=config.name or f"{config.variant}-seed{config.seed}",
        variant=config.variant,
        seed=config.seed,
        status=RunStatus.QUEUED,
        config=config.model_dump(mode="json"),
        variation=configuration_key(config),
        total=config.training.steps,
        **columns,
    )


def get(session: Session, run_id: str) -> RunView:
    """One run; NotFound suggests the nearest ids."""
    return view_of(session, row_of(session, run_id))


def called(session: Session, text: str, summary: str, field: str = "run") -> Run:
    """The run with this id, or the only one with this name.

    NotFound suggests the nearest ids and names, Conflict lists those that share the name; both name `field`
    and begin with `summary`, which says what did not happen.
    """
    if (run := rows.get(session, text)) is not None:
        return run
    named = rows.named(session, text)
    if len(named) == 1:
        return named[0]
    if named:
        ids = ", ".join(run.id for run in named[:MAX_LISTED])
        hint = f"Give the id of one of them: {ids}{', …' if len(named) > MAX_LISTED else '.'}"
        message = f"{text!r} is the name of {len(named)} runs."
        raise Conflict(summary, problems=[FieldProblem(field, message, hint)])
    hint = nearest_ids(text, [*facts_rows.all_ids(session), *rows.all_names(session)], LISTED_BY)
    message = f"{text!r} is neither the id nor the name of a run."
    raise NotFound(summary, problems=[FieldProblem(field, message, hint)])


def several(
    session: Session, run_ids: Sequence[str], metrics: Collection[str] | None = None
) -> list[RunView]:
    """Runs in the given order, with the metrics called `metrics` (None: all); NotFound as `get`."""
    found = rows.several(session, run_ids)
    listed = [found.get(run_id) or row_of(session, run_id) for run_id in run_ids]
    return Facts(session, listed, metrics).views()


def existing(session: Session, run_ids: Sequence[str]) -> list[RunView]:
    """Those of the runs that there are, in the given order, with all their metrics."""
    found = rows.several(session, run_ids)
    return Facts(session, [found[run_id] for run_id in run_ids if run_id in found]).views()


def check_exists(session: Session, *run_ids: str) -> None:
    """NotFound, with the nearest ids, if there is no such run."""
    known = rows.known_ids(session, run_ids)
    for run_id in run_ids:
        if run_id not in known:
            raise _unknown(session, run_id)


def request_cancel(session: Session, run_id: str) -> RunView:
    """Stop a run: a queued one at once, a running one as soon as its process and memory are gone."""
    run = row_of(session, run_id)
    if stop(session, run):
        audit.note(session, Action.CANCELLED, subject(run))
    return get(session, run_id)


def stop(session: Session, run: Run, reason: str = "") -> bool:
    """As `request_cancel`, for a run at hand, unrecorded; False if it was being cancelled already. `reason`:
    why the lab itself stops it, which becomes its cause; empty: a person asked."""
    waiting = LOGGING if run.origin == "external" else (RunStatus.QUEUED,)
    text = f"Cancelled: {reason}" if reason else "Cancelled by the user."
    data = {events.REASON: reason} if reason else audit.actor()
    by = {"status_cause": reason or events.BY_USER, "data": data}
    if end(session, run.id, waiting, RunStatus.CANCELLED, text, run.origin, **by):
        return True
    text = f"Stops: {reason}" if reason else "The user requested cancellation."
    cancelling = RunStatus.CANCELLING
    if transition_run(session, run.id, (RunStatus.RUNNING,), cancelling, text, data=data):
        return True
    now = row_of(session, run.id)
    if now.status != RunStatus.CANCELLING:
        raise wrong_state(now, "cancelled", "To run it again, resume or clone it.")
    return False


def clone(
    session: Session, run_id: str, overrides: Mapping[str, Any] | None = None, project: str | None = None
) -> RunView:
    """Queue a new run with the config of another, changed by `overrides`: nested, or by dotted paths; it
    belongs to `project`, or (None) to that of the other. Errors as `create`."""
    parent = row_of(session, run_id)
    if parent.origin == "external":
        raise Conflict(f"Run {run_id} is an external run and cannot be trained by the lab.")
    config = parse_experiment(apply_overrides(parent.config, list(assignments(overrides or {}))))
    return create(session, config, run_id, parent.project if project is None else project)


def fork(
    session: Session,
    run_id: str,
    ref: Ref,
    weights: str = "ema",
    part: str = "all",
    overrides: Mapping[str, Any] | None = None,
    project: str | None = None,
) -> RunView:
    """Queue a clone whose first weights are those of a checkpoint of its parent, named by its step or an
    alias; errors as `clone`, and NotFound."""
    check_exists(session, run_id)
    step = keeping.step_of(session, run_id, ref)
    return clone(session, run_id, _start(run_id, step, weights, part) | dict(overrides or {}), project)


def forked(
    run_id: str, config: Mapping[str, Any], step: int, weights: str = "ema", part: str = "all"
) -> dict[str, Any]:
    """The config of a run as a fork from its checkpoint has it; still to be parsed."""
    return apply_overrides(config, list(assignments(_start(run_id, step, weights, part))))


def _start(run_id: str, step: int, weights: str, part: str) -> dict[str, Any]:
    """How a fork differs from its parent."""
    return {START: {"kind": "run", "run": run_id, "step": step, "weights": weights, "part": part}}


def resume(session: Session, run_id: str, ref: Ref | None = None) -> RunView:
    """Queue a failed or cancelled run again; it resumes from its newest checkpoint if it has one.

    With `ref`, a step or an alias, it resumes from that checkpoint and those after it are discarded: the
    worker removes the files of checkpoints that the database does not know. Conflict where something needs
    one of them, and where as many runs of its owner wait as may. `status_cause` of the result says from
    which step.
    """
    run = row_of(session, run_id)
    if run.origin == "external":
        raise Conflict(f"Run {run_id} is an external run and cannot be trained by the lab.")
    kept = checkpoints.latest(session, run_id) if ref is None else keeping.find(session, run_id, ref)
    if ref is not None and kept is not None:
        keeping.check_not_needed_after(session, run_id, kept.step)
    if run.status in ENDED_EARLY:  # else its status, and not a limit, is why it stays as it is
        limits.check_queued(session, run.owner_id)
    where = f"resumes from step {kept.step}" if kept else "no checkpoint, starts at step 0"
    resumed = transition_run(
        session,
        run_id,
        ENDED_EARLY,
        RunStatus.QUEUED,
        f"Resumed by the user; {where}.",
        kind="resumed",
        data=audit.actor(),
        status_cause=f"resumed by the user; {where}",
        traceback="",
        verdict=hypotheses.opened(run.config),
        judgement={},
    )
    if not resumed:
        raise wrong_state(run, "resumed", "Only a failed or cancelled run can; clone it to run it again.")
    if ref is not None and kept is not None:
        checkpoints.forget_after(session, run_id, kept.step)
    audit.note(session, Action.RESUMED, subject(run), where)
    return get(session, run_id)


def edit(
    session: Session,
    run_id: str,
    name: str | None = None,
    tags: Sequence[str] | None = None,
    notes: str | None = None,
    archived: bool | None = None,
    base: edits.Base = edits.Base(),  # noqa: B008 — it is immutable
    project: str | None = None,
) -> RunView:
    """Change what people wrote about a run, or put it away; None leaves a field as it is.

    Conflict, with both texts, where a field is no longer what the change builds on.
    """
    run = row_of(session, run_id)
    session.refresh(run, with_for_update=True)  # two at once: the second one sees what the first one wrote
    changes = {"name": name, "tags": tags, "notes": notes, "archived": archived, "project": project}
    before = written(run)
    edits.check(before, {key: each for key, each in changes.items() if each is not None}, base)
    if name is not None:
        run.name = checked_name(name)
    if tags is not None:
        run.tags = checked_tags(tags)
    if notes is not None:
        run.notes = checked_notes(notes)
    if project is not None:
        run.project = checked_project(project)
    if archived is not None:
        run.archived_at = (run.archived_at or time.time()) if archived else None
    session.flush()
    if changed := [field for field, text in written(run).items() if text != before[field]]:
        audit.note(session, Action.EDITED, subject(run), ", ".join(changed))
    return view_of(session, run)


def written(run: Run) -> dict[str, Any]:
    """The fields that `edit` changes."""
    archived = run.archived_at is not None
    return {
        "name": run.name,
        "tags": list(run.tags),
        "notes": run.notes,
        "archived": archived,
        "project": run.project,
    }


def text_version(session: Session, run_id: str) -> str:
    """The version of what people wrote about a run; NotFound."""
    return edits.version_of(written(row_of(session, run_id)))


def delete(session: Session, run_id: str) -> None:
    """Delete a run that is over, with all that was recorded. Its files: `remove_artifacts`, afterwards."""
    rows.hold(session, run_id)
    run = row_of(session, run_id)
    if not RunStatus(run.status).is_over:
        raise wrong_state(run, "deleted", "Cancel it first.")
    if (active := jobs.active_of(session, run_id)) is not None:
        raise Conflict(
            f"Run {run_id} is being evaluated: evaluation {active}.", "Cancel the evaluation first."
        )
    if needs := from_outside(session, run_id):
        raise Conflict(
            f"Run {run_id} was not deleted: its checkpoints are needed by {first_of(needs, 5)}.",
            "First take aliases away, delete the forks, or take the run from the dashboards. "
            "To put it out of sight, archive it.",
        )
    session.delete(run)
    session.flush()
    audit.note(session, Action.DELETED, subject(run))


def remove_artifacts(settings: Settings, run_id: str) -> None:
    """Remove the files of a run whose row is gone (and committed)."""
    shutil.rmtree(settings.artifacts / run_id, ignore_errors=True)
    try:
        if store := objects.of(settings):
            store.remove_run(run_id)
    except (StoreAway, InvalidInput) as error:
        log.warning("The objects of run %s stay in the object store: %s", run_id, error)


def subject(run: Run) -> Subject:
    """A run, for the audit trail."""
    return Subject("run", run.id, run.name)


def new_id() -> str:
    """An id of a run or a group."""
    return "".join(secrets.choice(ID_LETTERS) for _ in range(ID_LENGTH))


def fresh_run(**values: Any) -> Run:
    """A run of whoever asks, with an id unless `values` has one; not added yet."""
    own = {
        "id": new_id(),
        "created_at": time.time(),
        "owner_id": who.get().person_id,
        "verdict": hypotheses.opened(values["config"]),
    }
    return Run(**(own | values))


def row_of(session: Session, run_id: str) -> Run:
    """The run; NotFound suggests the nearest ids."""
    run = rows.get(session, run_id)
    if run is None:
        raise _unknown(session, run_id)
    return run


def _unknown(session: Session, run_id: str) -> NotFound:
    return unknown_id("run", run_id, facts_rows.all_ids(session), LISTED_BY)


def view_of(session: Session, run: Run) -> RunView:
    """The run as people see it."""
    return Facts(session, [run]).view(run)


def wrong_state(run: Run, what: str, hint: str = "") -> Conflict:
    """`Run k3v9x0q2ab is finished and cannot be resumed.`"""
    return Conflict(f"Run {run.id} is {run.status} and cannot be {what}.", hint)
