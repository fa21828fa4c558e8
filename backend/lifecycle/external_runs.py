"""Runs that a script of the user's own logs: start, end, start again. Nothing here commits."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from backend.alerts import service as alerts
from backend.audit import service as audit
from backend.audit.actions import Action
from backend.db import clock
from backend.domain.experiment import BarHypothesis
from backend.domain.experiment.identity import key_of_json
from backend.domain.histograms import Counted
from backend.domain.records import LOST, Alarm, LogLine
from backend.histograms import service as histograms
from backend.hypothesis import service as hypotheses
from backend.kit.errors import Conflict
from backend.kit.problems import invalid
from backend.lifecycle import heartbeat
from backend.lifecycle.end import end
from backend.lifecycle.input import (
    checked_config,
    checked_hypothesis,
    checked_name,
    checked_notes,
    checked_project,
    checked_tags,
)
from backend.lifecycle.service import (
    ID_LENGTH,
    NOT_CREATED,
    OVER,
    fresh_run,
    row_of,
    subject,
    view_of,
    wrong_state,
)
from backend.metrics import service as series
from backend.people import service as accounts
from backend.run_view.views import RunView
from backend.runs import events, logs
from backend.runs import queries as rows
from backend.runs.status import LOGGING, RunStatus
from backend.runs.tables import Run
from backend.runs.transition import transition_run
from backend.web.visitor import who

ID = re.compile(rf"[a-z0-9]{{{ID_LENGTH}}}")
HYPOTHESIS = "hypothesis"  # the key of the config that holds it


def create(
    session: Session,
    name: str,
    config: Mapping[str, Any],
    hypothesis: BarHypothesis | None = None,
    beat_seconds: float = heartbeat.DEFAULT_SECONDS,
    project: str = "",
    run_id: str = "",
    tags: Sequence[str] = (),
    notes: str = "",
) -> RunView:
    """A run that a script of the user's own logs into; it runs until the script says that it ended, and is
    lost where the script is not heard at least every `beat_seconds`.

    A script that chose the `run_id` itself may ask again: it gets the run that it has, which is running again
    if it was over, with the tags and notes that it has. A hypothesis is kept in its config. InvalidInput
    where it asks for what a script cannot log, for an id of another form, for tags and notes that cannot be,
    and for a config that goes too deep or is too large; Conflict where the id is that of a run of the lab's
    own; Unauthorised as `service.create`.
    """
    accounts.hold(session, who.get())
    stated = {HYPOTHESIS: checked_hypothesis(hypothesis)} if hypothesis else {}
    stored = {**checked_config(config), **stated}
    if run_id and not ID.fullmatch(run_id):
        text = f"must be {ID_LENGTH} lower-case letters and digits, not {run_id!r}."
        raise invalid(NOT_CREATED, "id", text)
    if run_id and rows.known_ids(session, [run_id]):
        return _continue(session, run_id, beat_seconds)
    run = fresh_run(
        **({"id": run_id} if run_id else {}),
        name=checked_name(name),
        project=checked_project(project, NOT_CREATED),
        tags=checked_tags(tags),
        notes=checked_notes(notes),
        origin="external",
        status=RunStatus.RUNNING,
        phase="training",
        config=stored,
        variation=key_of_json(stored),
        started_at=clock.now(),
        **heartbeat.promised(beat_seconds),
    )
    if not rows.add_unless_known(session, run):  # it asked twice, and the other request was first
        return _continue(session, run_id, beat_seconds)
    events.add(session, run.id, "started", "Logging from outside.", audit.actor())
    audit.note(session, Action.EXTERNAL_STARTED, subject(run))
    return view_of(session, run)


def _continue(session: Session, run_id: str, beat_seconds: float) -> RunView:
    """The script of a run is heard again, with a new promise; one that was over is running again."""
    run = row_of(session, run_id)
    _check_external(run)
    logged = series.version(session, run_id)
    again = transition_run(
        session,
        run_id,
        OVER,
        RunStatus.RUNNING,
        events.BY_SCRIPT,
        kind="resumed",
        data={**audit.actor(), events.LOGGED: logged},
        origin="external",
        status_cause="",
        finished_at=None,
        verdict=hypotheses.opened(run.config),
        judgement={},
        **heartbeat.promised(beat_seconds),
    )
    if again:
        audit.note(session, Action.EXTERNAL_STARTED, subject(run), "again")
    else:
        run.beat_seconds = beat_seconds
        heartbeat.hear(session, run)
        events.note_restart(session, run.id, logged)
    session.refresh(run)
    return view_of(session, run)


def finish(session: Session, run_id: str, status: RunStatus = RunStatus.FINISHED, cause: str = "") -> RunView:
    """The script that logs an external run says how it ended."""
    run = row_of(session, run_id)
    if run.origin != "external":
        raise Conflict(f"Run {run_id} is trained by the lab and ends on its own.", "To stop it, cancel it.")
    if not status.is_over:
        message = f"must be one of {', '.join(OVER)}, not {status.value}."
        raise invalid("The run was not ended.", "status", message)
    text = cause or "Reported by the script."
    if not end(session, run_id, LOGGING, status, text, origin="external", status_cause=cause):
        raise wrong_state(run, "ended")
    audit.note(session, Action.EXTERNAL_ENDED, subject(run), f"as {status.value}")
    return view_of(session, row_of(session, run_id))


def set_config(session: Session, run_id: str, config: Mapping[str, Any]) -> RunView:
    """Replace the config of a run that is being logged; its hypothesis stays. Errors as `create`."""
    check_logs_here(session, run_id)
    run = row_of(session, run_id)
    stated = {HYPOTHESIS: run.config[HYPOTHESIS]} if HYPOTHESIS in run.config else {}
    run.config = {**checked_config(config), **stated}
    run.variation, run.verdict = key_of_json(run.config), hypotheses.opened(run.config)
    hear(session, run_id)
    return view_of(session, run)


def add_log_lines(session: Session, run_id: str, lines: Sequence[LogLine]) -> int:
    """Add lines to the log, each once: one that has the time and the text of a line among the newest is that
    line, sent again. How many were new."""
    check_logs_here(session, run_id)
    added = logs.append_once(session, run_id, lines)  # first: it takes the run's cursor, as points do
    hear(session, run_id)
    return added


def add_histograms(session: Session, run_id: str, counted: Sequence[Counted]) -> None:
    """Add histograms; one of the same name and step is replaced. Errors as `histograms.service.append`."""
    check_logs_here(session, run_id)
    histograms.append(session, run_id, counted)
    hear(session, run_id, step=max((each.step for each in counted), default=0))


def raise_alarm(session: Session, run_id: str, alarm: Alarm) -> bool:
    """Raise an alarm of the script's own, once per name; whether it is new."""
    check_logs_here(session, run_id)
    if alarm.name == LOST:
        raise invalid("The alarm was not raised.", "name", f"{LOST!r} is raised by the lab alone.")
    hear(session, run_id)
    return alerts.raise_once(session, run_id, alarm)


def check_logs_here(session: Session, run_id: str) -> None:
    """Conflict unless the run is an external one that has not ended."""
    run = row_of(session, run_id)
    _check_external(run)
    if run.status not in LOGGING:
        raise wrong_state(run, "logged to", "Create a new run: POST /api/v1/runs/external.")


def hear(session: Session, run_id: str, within: float | None = None, step: int = 0) -> float:
    """A sign of life from the script of an external run; by when the next is due (`heartbeat.hear`)."""
    check_logs_here(session, run_id)
    return heartbeat.hear(session, row_of(session, run_id), within, step)


def _check_external(run: Run) -> None:
    if run.origin != "external":
        raise Conflict(
            f"Run {run.id} is trained by the lab; its worker records its metrics.",
            "Create an external run: POST /api/v1/runs/external.",
        )
