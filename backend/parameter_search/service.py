"""Parameter searches: start, read, stop, continue, and take the next step. Nothing here sends a message.

Whatever is due follows from the rows (`backend.domain.parameter_search.plan`), so a step may be tried at any
time by any web server: it locks the row of the search, looks again, and does all of it or nothing. What is
slow, asking Optuna, happens before that; where the search has changed since, the answer is thrown away.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, cast

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from backend.audit import service as audit
from backend.audit.actions import Action, Subject
from backend.db.session import reading_scope, session_scope
from backend.domain.experiment import ExperimentConfig
from backend.domain.experiment.hypothesis_rules import first_held_out
from backend.domain.parameter_search import (
    Configuration,
    Ending,
    Estimate,
    ParameterSearch,
    Plan,
    best_of,
    check_fields,
    experiment_of,
    plan,
    words,
)
from backend.domain.parameter_search.definition import invalid
from backend.domain.sweeps import variation_label
from backend.domain.sweeps.labels import path_labels
from backend.kit.errors import Conflict, FieldProblem, InvalidInput, Unavailable
from backend.kit.format import counted
from backend.kit.problems import unknown_id
from backend.kit.text import trimmed
from backend.lifecycle import limits
from backend.lifecycle import service as runs
from backend.lifecycle.input import MAX_NAME_LENGTH, check_names, checked_project, hold_starts
from backend.parameter_search import asking, standing
from backend.parameter_search import queries as rows
from backend.parameter_search.standing import Standing
from backend.parameter_search.tables import SearchRow, TrialRow, TrialRun
from backend.parameter_search.views import (
    EstimateView,
    ParameterSearchView,
    SearchStatus,
    TrialRunView,
    TrialView,
)
from backend.people import service as accounts
from backend.runs import events
from backend.runs import group_queries as group_rows
from backend.runs import queries as run_rows
from backend.runs.group_tables import RunGroup
from backend.web.visitor import who

log = logging.getLogger(__name__)
NOT_CREATED = "The parameter search was not started."
STOPPED = "Stopped by the user."
EQUAL_FAILURES = 3  # after so many, with nothing else, a search stops
ALL_FAILED = "Stopped, since every trial failed, the last ones for the same cause:"
ALL_TRIED = "Every configuration that its fields allow was tried."


@dataclass(frozen=True)
class Step:
    """What was done: runs that workers are to hear of, and runs that were cancelled."""

    queued: tuple[str, ...] = ()
    stopped: tuple[str, ...] = ()


NOTHING = Step()


def check(session: Session, config: ExperimentConfig, search: ParameterSearch) -> None:
    """InvalidInput with everything that stands against the search; Conflict where Optuna is missing."""
    asking.check_installed()
    check_fields(config, search)
    term, sets = search.measure.first, [each.name for each in config.evaluation.sets]
    if term.k:
        name = term.set_name or first_held_out(config.data.training_sets, sets)
        if name not in sets:
            known = f"It evaluates {', '.join(sets)}." if sets else "Choose a recorded series."
            message = f"the config does not evaluate {name or 'any set'}."
            raise invalid(FieldProblem("search.objective", message, known))
    check_names(session, config)


def create(
    session: Session,
    config: ExperimentConfig,
    search: ParameterSearch,
    name: str = "",
    parent_id: str | None = None,
    project: str = "",
) -> ParameterSearchView:
    """Start a search of whoever asks; its first runs come with the next `advance`. Errors as `check`,
    InvalidInput for name and project, Unauthorised where they were removed meanwhile."""
    accounts.hold(session, who.get())
    hold_starts(session, config)
    check(session, config, search)
    if len(trimmed(name)) > MAX_NAME_LENGTH or (name and not trimmed(name)):
        message = f"must be 1 to {MAX_NAME_LENGTH} characters that can be seen, or empty."
        raise invalid(FieldProblem("name", message))
    varied = " × ".join(path_labels(tuple(search.fields)).values())
    usual = f"{config.name or config.variant} · parameter search over {varied}"
    group = RunGroup(
        id=runs.new_id(),
        name=trimmed(name)
        or (usual if len(usual) <= MAX_NAME_LENGTH else f"{usual[: MAX_NAME_LENGTH - 1]}…"),
        sweep=search.sweep.model_dump(mode="json"),
        config=config.model_dump(mode="json"),
        created_at=time.time(),
    )
    group_rows.add(session, group)
    row = SearchRow(
        group_id=group.id,
        definition=search.model_dump(mode="json"),
        status="running",
        owner_id=who.get().person_id,
        project=checked_project(project, NOT_CREATED),
        parent_id=parent_id,
    )
    session.add(row)
    session.flush()
    audit.note(session, Action.LAUNCHED, _subject(group), f"up to {counted(search.runs, 'run')}")
    return get(session, group.id)


def get(session: Session, group_id: str) -> ParameterSearchView:
    """A search with its trials; NotFound suggests the nearest ids."""
    found = of_group(session, group_id)
    if found is None:
        hint = "The page of a parameter search has its id."
        raise unknown_id("parameter search", group_id, rows.all_ids(session), hint)
    return found


def of_group(session: Session, group_id: str) -> ParameterSearchView | None:
    """The search whose runs a group has; None where its runs were not searched for."""
    found, group = standing.load(session, group_id, whole=True), group_rows.get(session, group_id)
    if found is None or group is None:
        return None
    search, best = found.search, best_of(found.trials, found.search)
    cause = found.row.cause
    if found.row.status == "running" and not asking.is_installed():
        cause = f"{asking.NOT_INSTALLED} No trial is added until it is. {asking.HOW_TO_INSTALL}"
    return ParameterSearchView(
        id=group_id,
        name=group.name,
        status=cast(SearchStatus, found.row.status),
        cause=cause,
        definition=search,
        better=search.better,
        steps=group.config["training"]["steps"],
        best=best.number if best else None,
        trials=[_trial(found, at, group.config["seed"]) for at in range(len(found.trials))],
        runs_made=sum(len(trial.seeds) for trial in found.trials),
        active=found.active,
        created_at=group.created_at,
    )


def stop(session: Session, group_id: str) -> ParameterSearchView:
    """Add no further run; those that wait or run continue to their end. Nothing where it is not running."""
    stop_if_any(session, group_id)
    return get(session, group_id)


def stop_if_any(session: Session, group_id: str) -> None:
    """The same of a group that may have no search."""
    row = rows.hold(session, group_id)
    if row is not None and row.status == "running":
        _change(row, "stopped", STOPPED)
        session.flush()
        audit.note(session, Action.CANCELLED, Subject("group", group_id), "parameter search stopped")


def resume(session: Session, group_id: str) -> ParameterSearchView:
    """Continue a search that was stopped. Conflict where it has finished."""
    row = rows.hold(session, group_id)
    if row is not None and row.status == "finished":
        raise Conflict(f"Parameter search {group_id} has finished.", "Start another one to try more.")
    if row is not None and row.status == "stopped":
        _change(row, "running")
        session.flush()
        audit.note(session, Action.RESUMED, Subject("group", group_id), "parameter search continued")
    return get(session, group_id)


def advance(engine: Engine) -> Step:
    """Do what is due in every search that is not over. One that fails is logged, and holds up no other."""
    with reading_scope(engine) as session:
        group_ids = rows.open_ids(session)
    steps = []
    for group_id in group_ids:
        try:
            steps.append(advance_one(engine, group_id))
        except Unavailable as error:
            log.warning("Parameter search %s waits for the database: %s", group_id, error)
        except Exception:
            log.exception("parameter search %s was not continued", group_id)
    return Step(
        tuple(run_id for each in steps for run_id in each.queued),
        tuple(run_id for each in steps for run_id in each.stopped),
    )


def advance_one(engine: Engine, group_id: str) -> Step:
    """The same of one search."""
    with reading_scope(engine) as session:
        found = standing.load(session, group_id)
    if found is None:
        return NOTHING
    due = plan(found.trials, found.search, found.active, found.row.status == "running")
    asked: Sequence[Configuration] | None = None
    if due.new_trials and asking.is_installed():
        asked = asking.ask(found.search, found.tried(), due.new_trials)
    if not (due.endings or due.next_seeds or asked or _is_over(found, asked)):
        return NOTHING
    with session_scope(engine) as session:
        return step(session, group_id, found.row.revision, asked)


def step(session: Session, group_id: str, revision: int, asked: Sequence[Configuration] | None) -> Step:
    """Do what is due in a search, with the configurations that were `asked` for when it was at `revision`
    (None: nobody could ask); nothing where somebody else changes it, or has changed it since."""
    row = rows.hold(session, group_id, wait=False)
    found = standing.load(session, group_id) if row and row.revision == revision else None
    if row is None or found is None:
        return NOTHING
    due = plan(found.trials, found.search, found.active, row.status == "running")
    stopped = [run_id for ending in due.endings for run_id in _end_trial(session, found, ending)]
    failure = _common_failure(found.trial_rows) if due.endings else ""
    queued = [] if failure else _queue(session, found, due, asked or ())
    if not queued and len(found.trial_rows) > len(found.trials):  # what was new was refused
        failure = _common_failure(found.trial_rows)
    session.flush()
    now = standing.load(session, group_id)
    if now and _is_over(now, asked):
        _change(row, "finished", ALL_TRIED if len(now.trials) < now.search.trials else "")
    elif failure and row.status == "running":
        _change(row, "stopped", f"{ALL_FAILED} {failure}")
    row.revision = revision + 1
    session.flush()
    return Step(tuple(queued), tuple(stopped))


def _queue(session: Session, found: Standing, due: Plan, asked: Sequence[Configuration]) -> list[str]:
    """Queue the seeds and trials that are due; the ids of their runs."""
    queued: list[str] = []
    with suppress(Conflict):  # as many runs of its owner wait as may: the next step tries again
        for number in due.next_seeds:
            queued += _queue_seed(session, found, number)
        for values in asked[: due.new_trials]:
            queued += _start_trial(session, found, values)
    return queued


def _common_failure(trials: Sequence[TrialRow]) -> str:
    """Why all trials that are over failed, where the last few did for the same cause; else empty. A task set
    that is missing, say, would fail all others as well."""
    over = [row for row in trials if row.status != "running"]
    causes = {re.sub(r"^Run \w+: ", "", row.reason) for row in over[-EQUAL_FAILURES:]}
    has_worked = any(row.status != "failed" for row in over)
    return "" if has_worked or len(over) < EQUAL_FAILURES or len(causes) > 1 else causes.pop()


def _is_over(found: Standing, asked: Sequence[Configuration] | None) -> bool:
    """Whether a running search has nothing left to do: no budget, or nothing new to try."""
    if found.row.status != "running" or any(trial.status == "running" for trial in found.trials):
        return False
    return len(found.trials) >= found.search.trials or (asked is not None and not asked)


def _end_trial(session: Session, found: Standing, ending: Ending) -> list[str]:
    """Keep how a trial ended, and cancel what still runs of one that was pruned."""
    row = found.trial_rows[ending.number - 1]
    row.status, row.reason, row.ended_at = ending.status, ending.reason, time.time()
    report = ending.report
    row.outcome = {
        "result": asdict(ending.result) if ending.result else None,
        "report": {"step": report.step, "own": asdict(report.own)} if report and report.own else None,
    }
    stopped = []
    for seed in found.trials[ending.number - 1].seeds:
        if seed.state == "active" and seed.run_id and (run := run_rows.get(session, seed.run_id)):
            reason = f"trial {ending.number} {_WORDS[ending.status]}: {ending.reason}"
            try:
                runs.stop(session, run, reason)
            except Conflict:  # it ended this moment
                continue
            stopped.append(run.id)
    return stopped


_WORDS = {"pruned": "was pruned", "failed": "failed", "cancelled": "was cancelled", "complete": "is complete"}


def _start_trial(session: Session, found: Standing, values: Configuration) -> list[str]:
    """A new trial with the run of its first seed."""
    limits.check_queued(session, found.row.owner_id)
    row = TrialRow(
        group_id=found.row.group_id,
        number=len(found.trial_rows) + 1,
        parameters=dict(values),
        status="running",
        reason="",
        outcome={},
        created_at=time.time(),
    )
    session.add(row)
    session.flush()
    found.trial_rows.append(row)
    return _queue_seed(session, found, row.number)


def _queue_seed(session: Session, found: Standing, number: int) -> list[str]:
    """Queue the next seed of a trial; its run's id. Where its config is refused, the trial has failed."""
    row, at = found.trial_rows[number - 1], found.seeds_of(number)
    limits.check_queued(session, found.row.owner_id)
    try:
        config = experiment_of(found.config, found.search, row.parameters, number, at)
        hold_starts(session, config)
        check_names(session, config)
    except InvalidInput as error:
        row.status, row.ended_at = "failed", time.time()
        row.reason = f"The configuration is not valid: {error.causes}"
        return []
    run = runs.new_run(
        config,
        group_id=found.row.group_id,
        owner_id=found.row.owner_id,
        project=found.row.project,
        parent_id=found.row.parent_id,
    )
    run_rows.add(session, run)
    session.add(TrialRun(group_id=found.row.group_id, number=number, at=at, run_id=run.id))
    text = f"Queued as trial {number} of parameter search {found.row.group_id}, seed {config.seed}."
    events.add(session, run.id, "queued", text)
    return [run.id]


def _change(row: SearchRow, status: SearchStatus, cause: str = "") -> None:
    row.status, row.cause, row.revision = status, cause, row.revision + 1


def _subject(group: RunGroup) -> Subject:
    return Subject("group", group.id, group.name)


def _trial(found: Standing, at: int, first_seed: int) -> TrialView:
    row, trial, search = found.trial_rows[at], found.trials[at], found.search
    reached, report = trial.estimate(search.bounds), row.outcome.get("report")
    estimate = _estimate(reached, search) if reached else None
    if estimate is None and report:
        estimate = _estimate(Estimate(**report["own"]), search, report["step"])
    return TrialView(
        number=row.number,
        parameters=row.parameters,
        label=variation_label(row.parameters, search.sweep),
        status=trial.status,
        reason=row.reason,
        estimate=estimate,
        runs=[
            TrialRunView(
                run_id=seed.run_id,
                seed=row.parameters.get("seed", first_seed) + number,
                state=seed.state,
                value=seed.value.value if seed.value else None,
            )
            for number, seed in enumerate(trial.seeds)
        ],
        created_at=row.created_at,
        ended_at=row.ended_at,
    )


def _estimate(reached: Estimate, search: ParameterSearch, step: int | None = None) -> EstimateView:
    said: dict[str, Any] = asdict(reached)
    at = f" at step {step:,}" if step is not None else ""
    return EstimateView(**said, step=step, words=f"{words(reached, search)}{at}")
