"""Evaluations as a user meets them: ask for one, watch it, cancel it. Nothing here commits or sends."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from typing import Any

from sqlalchemy.orm import Session

from backend.audit import service as audit
from backend.audit.actions import Action, Subject
from backend.data import service as datasets
from backend.db import clock
from backend.domain.arc.task import Task, choose_canvas
from backend.domain.config.problems import parse_experiment
from backend.domain.evaluation_request import EvaluationRequest
from backend.domain.experiment import GENERATED_SETS, ExperimentConfig, TrmModel, augmentation_problems
from backend.domain.interventions import OF_DEMONSTRATIONS, Intervention
from backend.domain.measurement import Settings, digest_of, settings_of
from backend.evaluation import views as evaluation_view
from backend.evaluation.views import EvaluationView, TestInputView, views_of
from backend.hypothesis import service as hypotheses
from backend.keeping import service as keeping
from backend.keeping.service import Ref
from backend.kit.errors import Conflict, InvalidInput, NotFound
from backend.kit.problems import did_you_mean, invalid, invalid_query, not_valid
from backend.lifecycle import service as runs
from backend.run_view import scores as run_scores
from backend.runs import checkpoints
from backend.runs import queries as run_rows
from backend.runs.events import BY_USER
from backend.runs.status import RunStatus
from backend.runs.tables import Run
from backend.scores import job_queries as jobs
from backend.scores import queries as rows
from backend.scores.tables import Evaluation, EvaluationJob
from backend.scores.transition import note_evaluation, transition_evaluation

_invalid = partial(invalid, "The evaluation was not started.")

MAX_LIMIT = 200  # evaluations of one list
ACTIVE = (RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.CANCELLING)
AGAIN = (RunStatus.FAILED, RunStatus.CANCELLED)
Chosen = dict[tuple[object, ...], tuple[str, list[Task]]]  # what a request asks for -> the set, its tasks


def queue(session: Session, run_id: str, asked: EvaluationRequest) -> EvaluationView:
    """Queue the evaluation of a checkpoint. One that failed or was cancelled resumes where it stopped; one
    that only an ablation or a study asked for is taken as it is, and is a result of the run from now on.

    Conflict where it is done or under way already, or the run has no checkpoint; InvalidInput names the
    field that cannot be used; NotFound.
    """
    run_rows.hold(session, run_id)  # so that the checkpoint is still there when the evaluation is
    run, tasks, key = _asked(session, run_id, asked)
    there = rows.of_key(session, **key)
    if there and there.status in (RunStatus.FINISHED, *jobs.OPEN) and _adopted(session, there):
        return get(session, there.id)
    return get(session, _queued(session, asked, run, tasks, key))


def ensure(
    session: Session, run_id: str, requests: Sequence[EvaluationRequest], results: int | None = None
) -> list[tuple[int, bool]]:
    """Of each request the id of just this evaluation, and whether it had to be queued: one that is finished
    or under way is taken as it is. The first `results` (None: all) are asked for as results of the run; what
    nobody but this asks of the others is set aside (`Evaluation.is_result`). Errors as `queue`."""
    run_rows.hold(session, run_id)
    chosen: Chosen = {}
    ensured = []
    for place, asked in enumerate(requests):
        is_result = results is None or place < results
        run, tasks, key = _asked(session, run_id, asked, chosen)
        there = rows.of_key(session, **key)
        if there and there.status in (RunStatus.FINISHED, *ACTIVE):
            if is_result:
                _adopted(session, there)
            ensured.append((there.id, False))
        else:
            ensured.append((_queued(session, asked, run, tasks, key, is_result), True))
    return ensured


@dataclass(frozen=True)
class Foreseen:
    """What a request would come to. Nothing is queued."""

    evaluation: int | None  # just this one, where it is finished or under way
    test_inputs: int
    settings: Settings


def foresee(session: Session, run_id: str, requests: Sequence[EvaluationRequest]) -> list[Foreseen]:
    """What `ensure` would do with each request; errors as `queue`."""
    chosen: Chosen = {}
    foreseen = []
    for asked in requests:
        _, tasks, key = _asked(session, run_id, asked, chosen)
        there = rows.of_key(session, **key)
        is_there = there is not None and there.status in (RunStatus.FINISHED, *ACTIVE)
        settings = Settings(**{each.name: key[each.name] for each in fields(Settings)})
        inputs = sum(len(task.tests) for task in tasks)
        foreseen.append(Foreseen(there.id if there and is_there else None, inputs, settings))
    return foreseen


def request(session: Session, run_id: str, asked: EvaluationRequest) -> EvaluationView:
    """As `queue`, because a person asks for it."""
    view = queue(session, run_id, asked)
    audit.note(session, Action.LAUNCHED, _subject(_existing(session, view.id)))
    return view


def get(session: Session, evaluation_id: int) -> EvaluationView:
    """One evaluation with everything it found so far; NotFound."""
    return views_of(session, [_existing(session, evaluation_id)], whole=True)[0]


def test_inputs(session: Session, evaluation_id: int) -> list[TestInputView]:
    """Every test input scored so far, by task; NotFound."""
    _existing(session, evaluation_id)
    return evaluation_view.test_inputs(session, evaluation_id)


def find(
    session: Session, run_id: str | None = None, status: Sequence[str] | None = None, limit: int = 50
) -> list[EvaluationView]:
    """Evaluations, newest first: of one run, or all that were queued as jobs. Without their curves."""
    if not 1 <= limit <= MAX_LIMIT:
        raise invalid_query("limit", f"must lie in 1 to {MAX_LIMIT}, not {limit}.")
    unknown = [each for each in status or () if each not in list(RunStatus)]
    if unknown:
        raise InvalidInput("Invalid query.", problems=[not_valid("status", unknown[0], RunStatus)])
    if run_id is None:
        return views_of(session, jobs.newest(session, limit, status))
    runs.check_exists(session, run_id)
    found = [row for row, _ in rows.of_run(session, run_id) if status is None or row.status in status]
    return views_of(session, found[:limit])


def cancel(session: Session, evaluation_id: int) -> EvaluationView:
    """Stop a job: a queued one at once, a running one as soon as its processes are gone. Nothing is lost:
    asked for again, it resumes where it stopped. NotFound, Conflict."""
    evaluation = _existing(session, evaluation_id)
    if stop(session, evaluation_id):
        audit.note(session, Action.CANCELLED, _subject(evaluation))
    return get(session, evaluation_id)


def stop(session: Session, evaluation_id: int, reason: str = "") -> bool:
    """The same, without a trace of who asked for it; whether nobody had before. `reason`: why the lab itself
    stops it, which becomes its cause; empty: a person asked."""
    found = jobs.lock(session, evaluation_id)
    if found is None:
        raise Conflict(
            f"Evaluation {evaluation_id} is part of its run's training and ends with it.", "Cancel the run."
        )
    evaluation, job = found
    if evaluation.status not in ACTIVE:
        raise Conflict(f"Evaluation {evaluation_id} is {evaluation.status} and cannot be cancelled.")
    is_first = evaluation.status != RunStatus.CANCELLING
    text = f"is to be cancelled: {reason}" if reason else "is to be cancelled by the user"
    transition_evaluation(session, evaluation, (RunStatus.RUNNING,), RunStatus.CANCELLING, text)
    if is_first:
        job.status_cause = reason or BY_USER
    if not jobs.live_shares(session, evaluation_id):
        waiting = (RunStatus.QUEUED, RunStatus.CANCELLING)
        transition_evaluation(session, evaluation, waiting, RunStatus.CANCELLED, job.status_cause)
    session.flush()
    return is_first


def resume(session: Session, evaluation_id: int) -> EvaluationView:
    """Queue a failed or cancelled job again; it resumes where it stopped."""
    evaluation = _existing(session, evaluation_id)
    found = jobs.lock(session, evaluation_id)
    if found is None or evaluation.status not in AGAIN:
        raise Conflict(
            f"Evaluation {evaluation_id} is {evaluation.status} and cannot be resumed.",
            "Only a failed or cancelled job can.",
        )
    _queue(session, evaluation, found[1].options, found[1].workers)
    audit.note(session, Action.RESUMED, _subject(evaluation))
    return get(session, evaluation_id)


def _existing(session: Session, evaluation_id: int) -> Evaluation:
    found = rows.get(session, evaluation_id)
    if found is None:
        raise NotFound(f"Evaluation {evaluation_id} not found.", "etrm evaluation list shows all.")
    return found


def _subject(evaluation: Evaluation) -> Subject:
    name = f"{evaluation.set_name}, step {evaluation.step} of run {evaluation.run_id}"
    return Subject("evaluation", str(evaluation.id), name)


def _checkpoint(session: Session, run: Run, ref: Ref | None) -> int:
    if run.origin == "external":
        raise Conflict(f"Run {run.id} is an external run: it has no checkpoint to evaluate.")
    kept = [each.step for each in checkpoints.list(session, run.id)]
    if not kept:
        raise Conflict(f"Run {run.id} has no checkpoint yet.", "Wait for its first checkpoint.")
    if ref is None:
        return kept[0]
    try:
        step = keeping.step_of(session, run.id, ref)
    except NotFound as missing:
        raise _invalid("step", missing.message, missing.hint) from None
    if step not in kept:
        known = ", ".join(map(str, kept[:8]))
        raise _invalid("step", f"run {run.id} has no checkpoint of step {step}.", f"It has {known}.")
    return step


def _tasks(session: Session, run: Run, asked: EvaluationRequest) -> tuple[str, list[Task]]:
    """The set's name and the tasks that are asked for, in id order."""
    config = parse_experiment(run.config)
    name = asked.set or next((each.name for each in config.evaluation.sets), "")
    if not name:
        raise _invalid("set", "is missing, and the run's config evaluates none.")
    known = [each.name for each in datasets.sets(session)]
    if name in GENERATED_SETS and name not in known:
        raise _invalid("set", f"{name} has not been generated yet.", "A run that uses it generates it.")
    if name not in known:
        raise _invalid("set", f"unknown task set {name!r}.", did_you_mean(name, known))
    tasks = sorted(datasets.tasks(session, name, pools=False), key=lambda task: task.id)
    if asked.that_fit:
        sizes = config.data.canvas_sizes
        tasks = [task for task in tasks if choose_canvas(task, sizes) is not None]
    if asked.tasks:
        tasks = _named(asked.tasks, tasks, name)
    tasks = tasks[: asked.first_tasks]
    if not tasks:
        raise _invalid("set", f"{name} has no task that fits the run's canvas.")
    return name, tasks


def _named(names: Collection[str], tasks: Sequence[Task], set_name: str) -> list[Task]:
    ids = [task.id for task in tasks]
    missing = [each for each in names if each not in ids]
    if missing:
        text = f"{set_name} has no task {missing[0]!r}."
        raise _invalid("tasks", text, did_you_mean(missing[0], ids) if len(ids) < 2000 else "")
    return [task for task in tasks if task.id in names]


def _asked(
    session: Session, run_id: str, asked: EvaluationRequest, chosen: Chosen | None = None
) -> tuple[Run, list[Task], dict[str, Any]]:
    """The run, the tasks in id order, and the key of the evaluation (`evaluations.KEY`).

    `chosen` keeps the tasks from one request of a run to the next.
    """
    chosen = {} if chosen is None else chosen
    runs.check_exists(session, run_id)
    run = run_rows.get(session, run_id)
    assert run is not None
    step = _checkpoint(session, run, asked.step)
    choice = (asked.set, asked.that_fit, asked.tasks, asked.first_tasks)
    if choice not in chosen:
        chosen[choice] = _tasks(session, run, asked)
    set_name, tasks = chosen[choice]
    config = checked(parse_experiment(run.config), asked, set_name)
    if asked.intervention == Intervention.SWAPPED and len(tasks) < 2:
        raise _invalid("intervention", "a swapped context needs at least two tasks.")
    key = {
        "run_id": run.id,
        "set_name": set_name,
        "step": step,
        "tasks_digest": digest_of(task.id for task in tasks),
        **asdict(replace(settings_of(config), intervention=asked.intervened)),
    }
    return run, tasks, key


def _adopted(session: Session, evaluation: Evaluation) -> bool:
    """Whether it had been set aside: from now on it is a result of its run."""
    if not evaluation.set_aside:
        return False
    evaluation.set_aside = False
    session.flush()
    if evaluation.status == RunStatus.FINISHED:
        run_scores.keep(session, evaluation.run_id)
        hypotheses.settle(session, evaluation.run_id)
    return True


def _queued(
    session: Session,
    asked: EvaluationRequest,
    run: Run,
    tasks: Sequence[Task],
    key: dict[str, Any],
    is_result: bool = True,
) -> int:
    """The id of the evaluation, now a job that waits."""
    evaluation = _row(session, run, key, [task.id for task in tasks], is_result)
    if is_result:
        _adopted(session, evaluation)
    options: dict[str, object] = {
        "batch_size": asked.batch_size,
        "keep_candidates": asked.keep_candidates,
        "trace_steps": asked.trace_steps,
    }
    if asked.search is not None:
        options["search"] = asked.search
    if asked.adaptation is not None:
        options["adaptation"] = asked.adaptation
    if asked.trim is not None:
        options["trim"] = asked.trim
    evaluation.extras = evaluation.extras | {"test_inputs": sum(len(task.tests) for task in tasks)}
    _queue(session, evaluation, options, asked.workers)
    return evaluation.id


def checked(config: ExperimentConfig, asked: EvaluationRequest, set_name: str) -> ExperimentConfig:
    """The config of a run with what is asked of it in its evaluation section. InvalidInput names the field
    that cannot be used with such weights, whichever they are."""
    section = asked.section(config) | {"sets": [{"name": set_name}]}
    evaluated = parse_experiment(config.model_dump(mode="json") | {"evaluation": section})
    _check_rules(evaluated)
    if asked.intervention in OF_DEMONSTRATIONS and isinstance(evaluated.model, TrmModel):
        raise _invalid("intervention", "TRM reads no demonstrations.", "Choose one of its context.")
    return evaluated


def _check_rules(config: ExperimentConfig) -> None:
    """InvalidInput where views, or the training's augmentations, turn trained rules into those evaluated."""
    problems = [
        replace(problem, field=problem.field.removeprefix("evaluation."))
        for problem in augmentation_problems(config)
    ]
    if problems:
        raise InvalidInput("The evaluation was not started.", problems=problems)


def _row(session: Session, run: Run, key: dict[str, Any], task_ids: list[str], is_result: bool) -> Evaluation:
    """A new row, or that of an earlier one of the same key that did not come to its end."""
    found = rows.of_key(session, **key)
    if found is None:
        return rows.add(
            session,
            **key,
            set_aside=not is_result,
            task_ids=task_ids,
            status=RunStatus.QUEUED,
            extras={},
            created_at=time.time(),
        )
    if found.status == RunStatus.FINISHED:
        raise Conflict(f"This evaluation already exists ({found.id}).", f"See /evaluations/{found.id}.")
    if jobs.get(session, found.id) is not None:
        if found.status in ACTIVE:
            raise Conflict(f"Evaluation {found.id} of just this is {found.status}.")
    elif not RunStatus(run.status).is_over:
        raise Conflict(f"The run's training is scoring just this now: evaluation {found.id}.")
    return found


def _queue(session: Session, evaluation: Evaluation, options: dict[str, object], workers: int) -> None:
    """Make it a job that workers find. What other options had computed is not mixed with these."""
    found = jobs.lock(session, evaluation.id)
    text = f"of step {evaluation.step} queued"
    before = (RunStatus.RUNNING, *AGAIN)
    if not transition_evaluation(session, evaluation, before, RunStatus.QUEUED, f"{text} again"):
        note_evaluation(session, evaluation, text)
    if found is None:
        rows.delete_outcomes(session, evaluation.id)
        job = EvaluationJob(
            evaluation_id=evaluation.id, options=options, workers=workers, dispatched_at=clock.now()
        )
        jobs.add(session, job)
        return
    # Those of an attempt that failed may not write any more.
    jobs.end_shares(session, jobs.shares_in(evaluation.id))
    job = found[1]
    if job.options != options:
        rows.delete_outcomes(session, evaluation.id)
        jobs.forget_batches(session, evaluation.id)
        jobs.forget_shares(session, evaluation.id)
        job.batches = job.views = job.cells = None
        job.next_batch = job.batches_done = job.views_done = job.cells_done = 0
        evaluation.seconds = 0.0
        evaluation.extras = {"test_inputs": evaluation.extras["test_inputs"]}
    job.options, job.workers = options, workers
    job.status_cause = job.traceback = ""
    job.failed_attempts, job.dispatched_at = 0, clock.now()
    session.flush()
