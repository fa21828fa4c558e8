"""Studies: start, read, stop, continue, and take the next step. Nothing here sends a message.

Whatever is due follows from the rows (`backend.domain.study.plan`), so a step may be tried at any time by any
web server: it locks the row of the study, looks, and does all of it or nothing.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from dataclasses import dataclass, field

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from backend.audit import service as audit
from backend.audit.actions import Action, Subject
from backend.db.session import reading_scope, session_scope
from backend.domain.experiment import SeededStart
from backend.domain.study import Design, Scoring, Study, Training, check, plan
from backend.domain.study.definition import MAX_HOURS, NOT_VALID
from backend.evaluation import service as evaluations
from backend.kit.errors import Conflict, EtrmError, FieldProblem, InvalidInput, Unavailable
from backend.kit.problems import invalid, one_of, unknown_id
from backend.lifecycle import limits
from backend.lifecycle import service as runs
from backend.lifecycle.input import check_names, checked_project, hold_starts
from backend.people import service as accounts
from backend.runs import checkpoints, events
from backend.runs import queries as run_rows
from backend.study import queries as rows
from backend.study import shown, standing
from backend.study.standing import Standing
from backend.study.tables import StudyEvaluation, StudyRow, StudyRun
from backend.study.views import Status, StudyOutline, StudySummary, StudyView
from backend.web.visitor import who

log = logging.getLogger(__name__)
NOT_STARTED = "The study was not started."
STOPPED = "Stopped by the user."
BEAT = 15.0  # seconds after which the time that was spent is written down, though nothing else is due
MAX_LIMIT = 200


@dataclass
class Step:
    """What was done: runs and evaluations that workers are to hear of, and runs that were cancelled."""

    queued: list[str] = field(default_factory=list)
    evaluations: list[int] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)


def create(
    session: Session, study: Study, name: str, scale: str, hours: float | None = None, project: str = ""
) -> StudyView:
    """Start a study of whoever asks; its first runs come with the next `advance`.

    InvalidInput names the field of the study, or the scale, hours or project; Unauthorised where they were
    removed meanwhile.
    """
    accounts.hold(session, who.get())
    design = _design(study, scale)
    _check_sets(session, design)
    now = time.time()
    row = StudyRow(
        id=runs.new_id(),
        name=name,
        definition=study.model_dump(mode="json"),
        scale=scale,
        hours=_checked_hours(hours if hours is not None else design.scale.hours),
        spent=0.0,
        looked_at=now,
        status="running",
        cause="",
        owner_id=who.get().person_id,
        project=checked_project(project, NOT_STARTED),
        revision=0,
        created_at=now,
        ended_at=None,
    )
    session.add(row)
    session.flush()
    audit.note(session, Action.LAUNCHED, _subject(row), f"{scale}, {row.hours:g} hours")
    return get(session, row.id)


def outline(study: Study, name: str, scale: str = "") -> StudyOutline:
    """A study before it is started, at a scale, empty: its first. InvalidInput as `create`."""
    design = _design(study, scale or next(iter(study.scales)))
    return shown.outline(design, name)


def _design(study: Study, scale: str) -> Design:
    if scale not in study.scales:
        raise invalid(NOT_STARTED, "scale", f"unknown scale {scale!r}.", one_of(scale, study.scales))
    design = Design(study, scale)
    check(design)
    _check_measurements(design)
    return design


def get(session: Session, study_id: str) -> StudyView:
    """A study with its verdicts; NotFound suggests the nearest ids."""
    found = standing.load(session, study_id)
    if found is None:
        raise unknown_id("study", study_id, rows.all_ids(session), "etrm study list shows all.")
    return shown.view(found)


def find(session: Session, limit: int = 50) -> list[StudySummary]:
    """Studies, newest first."""
    now = time.time()
    return [
        shown.summary(row, str(row.definition.get("title", row.name)), standing.spent(row, now))
        for row in rows.newest(session, limit)
    ]


def stop(session: Session, study_id: str) -> StudyView:
    """Queue nothing further; what waits or runs continues to its end."""
    row = _held(session, study_id)
    if row.status == "running":
        _end(row, "stopped", STOPPED)
        audit.note(session, Action.CANCELLED, _subject(row))
        session.flush()
    return get(session, study_id)


def resume(session: Session, study_id: str, hours: float | None = None) -> StudyView:
    """Continue a study that is not running, with another budget where `hours` are given: what it stopped
    itself as they were spent is resumed. Conflict where it runs, or as many runs wait as may."""
    row = _held(session, study_id)
    if row.status == "running":
        raise Conflict(f"Study {study_id} is running.", "Stop it first to give it another budget.")
    if hours is not None:
        row.hours = _checked_hours(hours)
    row.status, row.cause, row.ended_at = "running", "", None
    row.looked_at, row.revision = time.time(), row.revision + 1
    session.flush()
    found = standing.load(session, study_id)
    if found and row.hours * 3600 > row.spent:
        _resume_stopped(session, found)
    audit.note(session, Action.RESUMED, _subject(row))
    session.flush()
    return get(session, study_id)


def advance(engine: Engine) -> Step:
    """Do what is due in every running study. One that fails is logged, and holds up no other. Without one it
    is a single query."""
    with reading_scope(engine) as session:
        ids = rows.running_ids(session)
    done = Step()
    for study_id in ids:
        try:
            advance_one(engine, study_id, done)
        except Unavailable as error:
            log.warning("Study %s waits for the database: %s", study_id, error)
        except Exception:
            log.exception("study %s was not continued", study_id)
    return done


def advance_one(engine: Engine, study_id: str, done: Step) -> None:
    """The same of one study; what was done is added to `done`."""
    with reading_scope(engine) as session:
        found = standing.load(session, study_id)
        if found is None or found.row.status != "running":
            return
        due = plan(found.design, found.known, found.row.hours)
        is_idle = not (due.work or due.cancel or due.over)
        if is_idle and 0 <= time.time() - (found.row.looked_at or 0.0) < BEAT:  # a clock may be set back
            return
    own = Step()
    with session_scope(engine) as session:
        step(session, study_id, own)
    done.queued += own.queued
    done.evaluations += own.evaluations
    done.stopped += own.stopped


def step(session: Session, study_id: str, done: Step) -> None:
    """Do what is due in a study; nothing where somebody else changes it."""
    row = rows.hold(session, study_id, wait=False)
    found = standing.load(session, study_id) if row else None
    if row is None or found is None or row.status != "running":
        return
    row.spent, row.looked_at = found.known.spent, time.time()
    due = plan(found.design, found.known, row.hours)
    try:
        for work in due.work:
            if isinstance(work, Training):
                _queue_run(session, found, work, done)
            else:
                _queue_evaluation(session, found, work, done)
    except Conflict:  # as many runs of its owner wait as may, or a checkpoint is still on its way
        pass
    except EtrmError as error:
        _end(row, "stopped", f"It could not continue: {error.causes}")
    if due.cancel:
        _cancel(session, found, due.over, done)
    if due.over and row.status == "running":
        _end(row, "finished", due.over)
    row.revision += 1
    session.flush()


def _queue_run(session: Session, found: Standing, work: Training, done: Step) -> None:
    design, row = found.design, found.row
    limits.check_queued(session, row.owner_id)
    start: tuple[str, int] | None = None
    before = design.start_of(work.configuration)
    if before is not None:
        trained = found.known.trainings[Training(before, work.seed)]
        assert trained.run_id
        kept = checkpoints.list(session, trained.run_id)
        if not kept:
            raise InvalidInput(f"Run {trained.run_id} has no checkpoint to start from.")
        start = (trained.run_id, kept[0].step)
    config = design.config(work.configuration, work.seed, start)
    config = config.model_copy(update={"name": f"{row.name} · {work.configuration} · seed {work.seed}"})
    hold_starts(session, config)
    check_names(session, config)
    run = runs.new_run(config, owner_id=row.owner_id, project=row.project)
    run_rows.add(session, run)
    session.add(StudyRun(study_id=row.id, configuration=work.configuration, seed=work.seed, run_id=run.id))
    events.add(session, run.id, "queued", f"Queued by study {row.id}, seed {work.seed}.")
    session.flush()
    done.queued.append(run.id)


def _queue_evaluation(session: Session, found: Standing, work: Scoring, done: Step) -> None:
    """The evaluation, or the one like it that there is already: often that of the training itself."""
    sample, row = work.sample, found.row
    run_id = found.known.trainings[Training(sample.configuration, work.seed)].run_id
    assert run_id
    asked = found.design.request(sample, work.tasks)
    is_measured = bool(sample.measurement)  # by another protocol: it says nothing of how good the run is
    [(evaluation_id, is_new)] = evaluations.ensure(session, run_id, [asked], results=0 if is_measured else 1)
    if is_new:
        done.evaluations.append(evaluation_id)
    session.add(
        StudyEvaluation(
            study_id=row.id,
            configuration=sample.configuration,
            measurement=sample.measurement,
            set_name=sample.set_name,
            seed=work.seed,
            tasks=work.tasks or 0,
            evaluation_id=evaluation_id,
        )
    )
    session.flush()


def _cancel(session: Session, found: Standing, reason: str, done: Step) -> None:
    """Stop what still runs of it."""
    for trained in found.known.trainings.values():
        run = run_rows.get(session, trained.run_id) if trained.run_id else None
        if trained.state == "active" and run:
            with suppress(Conflict):  # it ended this moment
                runs.stop(session, run, f"{_own(found.row)}{reason}")
                done.stopped.append(run.id)
    for scored in found.known.scorings.values():
        if scored.state == "active" and scored.evaluation is not None:
            with suppress(Conflict):
                evaluations.stop(session, scored.evaluation, f"{_own(found.row)}{reason}")


def _resume_stopped(session: Session, found: Standing) -> None:
    """Queue again what the study itself stopped as its hours were spent; the sweep tells workers of it."""
    own = _own(found.row)
    for trained in found.known.trainings.values():
        if trained.state == "failed" and trained.run_id and trained.cause.startswith(own):
            runs.resume(session, trained.run_id)
    for scored in found.known.scorings.values():
        if scored.state == "failed" and scored.evaluation is not None and scored.cause.startswith(own):
            evaluations.resume(session, scored.evaluation)


def _own(row: StudyRow) -> str:
    """What the cause begins with of what the study itself stopped."""
    return f"study {row.id}: "


def _check_measurements(design: Design) -> None:
    """InvalidInput for options with which the weights cannot be evaluated, before hours are spent on them."""
    problems: list[FieldProblem] = []
    for sample in design.measured:
        asked = design.request(sample, design.scale.rounds[0].tasks)
        try:
            evaluations.checked(design.configs[sample.configuration], asked, sample.set_name)
        except InvalidInput as error:
            for each in error.problems:
                path = each.field.removeprefix("evaluation.")
                field = f"measurements.{sample.measurement}.options.{path}".rstrip(".")
                problems.append(FieldProblem(field, f"for {sample.configuration}: {each.message}", each.hint))
    if problems:
        raise InvalidInput(NOT_VALID, problems=problems)


def _check_sets(session: Session, design: Design) -> None:
    """InvalidInput where a config names a set that does not exist."""
    problems: list[FieldProblem] = []
    for name, config in design.configs.items():
        if design.start_of(name) is not None:  # the run that it starts from does not exist yet
            training = config.training.model_copy(update={"initialise_from": SeededStart()})
            config = config.model_copy(update={"training": training})
        try:
            check_names(session, config)
        except InvalidInput as error:
            problems += [
                FieldProblem(f"configurations.{name}", f"{each.field}: {each.message}", each.hint)
                for each in error.problems
            ]
    if problems:
        raise InvalidInput(NOT_VALID, problems=problems)


def _checked_hours(hours: float) -> float:
    if not 0 < hours <= MAX_HOURS:
        raise invalid(NOT_STARTED, "hours", f"must be above 0 and at most {MAX_HOURS:,.0f}, not {hours:g}.")
    return hours


def _held(session: Session, study_id: str) -> StudyRow:
    row = rows.hold(session, study_id)
    if row is None:
        raise unknown_id("study", study_id, rows.all_ids(session), "etrm study list shows all.")
    return row


def _end(row: StudyRow, status: Status, cause: str) -> None:
    now = time.time()
    row.spent = standing.spent(row, now)
    row.status, row.cause, row.ended_at, row.revision = status, cause, now, row.revision + 1


def _subject(row: StudyRow) -> Subject:
    return Subject("study", row.id, row.name)
