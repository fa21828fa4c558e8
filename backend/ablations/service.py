"""Ablations as a user meets them: ask for one, read it, take its card, verify one. Nothing here commits."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from pydantic import ValidationError
from sqlalchemy.orm import Session

from backend.ablations import queries as rows
from backend.ablations.measured import Measured, config_of, done_words, ids_of, status_of
from backend.ablations.tables import Ablation
from backend.ablations.views import (
    AblationEstimate,
    AblationLine,
    AblationView,
    VerificationView,
)
from backend.audit import service as audit
from backend.audit.actions import Action, Subject
from backend.data import service as datasets
from backend.domain.ablation import card as cards
from backend.domain.ablation import checking, planning
from backend.domain.ablation.card import Card, LeftOut
from backend.domain.ablation.checking import Finding
from backend.domain.ablation.planning import AblationRequest
from backend.domain.config.problems import differences, parse_experiment
from backend.evaluation import service as evaluations
from backend.evaluation.speed import expected_seconds
from backend.keeping import service as keeping
from backend.kit.errors import Conflict, InvalidInput, NotFound
from backend.kit.format import counted
from backend.lifecycle import service as runs
from backend.runs import checkpoint_files
from backend.runs import queries as run_rows
from backend.runs.tables import Checkpoint, Run
from backend.scores import queries as scores
from backend.scores.tables import Evaluation
from backend.settings import Settings

Started = list[tuple[int, int]]  # (evaluation, workers) to send to the workers after the commit


def request(
    session: Session, settings: Settings, run_id: str, asked: AblationRequest
) -> tuple[AblationView, Started]:
    """Start the ablation of a checkpoint; an evaluation that exists already is taken as it is.

    Asked for again, it is the same ablation; those of its evaluations that failed or were cancelled resume.
    Errors as of `evaluations.queue`; Conflict where the weights are not on this server.
    """
    ablation, started = _started(session, settings, run_id, asked, is_again=False)
    return _view(session, ablation), started


def estimate(session: Session, run_id: str, asked: AblationRequest) -> AblationEstimate:
    """What `request` would queue, and about how long that takes; errors as of it."""
    _, asked, plan = _planned(session, run_id, asked, is_again=False)
    foreseen = evaluations.foresee(session, run_id, [row.asked for row in plan.rows])
    new = [(row.name, each) for row, each in zip(plan.rows, foreseen, strict=True) if each.evaluation is None]
    times = expected_seconds(session, run_id, [each for _, each in new])
    known = [seconds for seconds in times if seconds is not None]
    return AblationEstimate(
        rows=[row.name for row in plan.rows],
        left_out=[LeftOut(name=row.name, why=row.why) for row in plan.skipped],
        reused=len(plan.rows) - len(new),
        seconds=sum(known) if known else None,
        unknown=[name for (name, _), seconds in zip(new, times, strict=True) if seconds is None],
    )


def resume(session: Session, settings: Settings, ablation_id: int) -> tuple[AblationView, Started]:
    """Queue again what of it failed or was cancelled; NotFound, errors as of `request`."""
    kept = _existing(session, ablation_id)
    asked = AblationRequest.model_validate(kept.asked)
    ablation, started = _started(session, settings, kept.run_id, asked, kept.is_again)
    if started:
        audit.note(session, Action.RESUMED, _subject(ablation))
    return _view(session, ablation), started


def cancel(session: Session, ablation_id: int) -> AblationView:
    """Stop those of its evaluations that wait or run, but for what was under way before it; NotFound. Nothing
    is lost: resumed, they continue where they stopped."""
    ablation = _existing(session, ablation_id)
    measured, stopped = Measured.of(session, ablation), 0
    for name, view in measured.views.items():
        if view.is_active and name not in measured.reused:
            with suppress(Conflict):  # it ended this moment
                stopped += evaluations.stop(session, view.id)
    if stopped:
        audit.note(session, Action.CANCELLED, _subject(ablation), counted(stopped, "evaluation"))
    return _view(session, ablation)


def get(session: Session, ablation_id: int) -> AblationView:
    """One ablation with what is known so far; NotFound."""
    return _view(session, _existing(session, ablation_id))


def of_run(session: Session, run_id: str) -> list[AblationLine]:
    """The ablations of a run in short, newest first; NotFound."""
    runs.check_exists(session, run_id)
    listed = rows.of_run(session, run_id)
    evaluated = rows.evaluations(session, {at for row in listed for at in ids_of(row).values()})
    return [_line(row, [evaluated[at] for at in ids_of(row).values() if at in evaluated]) for row in listed]


def _line(ablation: Ablation, evaluated: Sequence[Evaluation]) -> AblationLine:
    states = [evaluation.status for evaluation in evaluated]
    return AblationLine(
        id=ablation.id,
        step=ablation.step,
        set=evaluated[0].set_name,
        n=len(ablation.tasks),
        status=status_of(states),
        words=done_words(states),
        verifies=ablation.is_again,
        evaluations=[evaluation.id for evaluation in evaluated],
        created_at=ablation.created_at,
    )


def card(session: Session, ablation_id: int) -> Card:
    """The card of a finished ablation; NotFound, Conflict until all its evaluations are finished."""
    ablation = _existing(session, ablation_id)
    measured = Measured.of(session, ablation)
    if measured.status != "finished":
        raise Conflict(
            f"Ablation {ablation_id} has no card yet: {measured.words}",
            "Wait until all are finished. Asked for again, it resumes those that failed.",
        )
    return measured.card()


def verify(session: Session, settings: Settings, raw: Any) -> tuple[VerificationView, Started]:
    """Hold a card against itself, against the checkpoint and tasks of this lab, and against what this lab
    computes again: that is started here, and asked for later it is the same. Where it failed it stays so
    until it is resumed. InvalidInput for no card."""
    stated = checking.read(raw)
    findings = checking.against_itself(stated)
    findings += checking.of_writer(stated)
    checkpoint = rows.with_manifest(session, stated.checkpoint.manifest)
    findings += checking.of_weights(stated, _weights(settings, checkpoint) if checkpoint else None)
    if checkpoint is not None:
        run = run_rows.get(session, checkpoint.run_id)
        assert run is not None
        findings += checking.of_checkpoint(stated, run.id, checkpoint.step)
        findings += [_config(stated, run), _tasks(session, stated)]
    if checkpoint is None or any(finding.is_bad for finding in findings):
        return _verification("not confirmed", findings), []
    asked = _asked_of(stated).model_copy(update={"step": checkpoint.step})
    if (before := _same(session, checkpoint.run_id, asked, is_again=True)) is not None:
        measured = Measured.of(session, before)
        if measured.status == "failed":
            return _verification("failed", findings, before.id, measured.words), []
    ablation, started = _started(session, settings, checkpoint.run_id, asked, is_again=True)
    measured = Measured.of(session, ablation)
    if measured.status != "finished":
        return _verification(measured.status, findings, ablation.id, measured.words), started
    again = measured.card()
    findings += checking.of_rows(stated, again)
    pairs = zip(stated.rows, again.rows, strict=False)
    exact = all(checking.is_exact(one, other) for one, other in pairs)
    status = "not confirmed" if any(finding.is_bad for finding in findings) else "confirmed"
    return _verification(status, findings, ablation.id, exact=exact), started


def _verification(
    status: Any, findings: list[Finding], ablation: int | None = None, words: str = "", exact: bool = False
) -> VerificationView:
    verdicts = [finding.verdict for finding in findings]
    bad, unchecked = verdicts.count("not confirmed"), verdicts.count("not compared")
    besides = f" {unchecked:,} could not be compared." if unchecked else ""
    text = {
        "confirmed": f"Confirmed: {counted(verdicts.count('confirmed'), 'field')} hold.{besides}",
        "not confirmed": f"Not confirmed: {counted(bad, 'field')} of {len(findings) - unchecked:,} "
        f"do not hold.{besides}",
        "running": f"Computing it again. {words}",
        "failed": f"Computing it again failed. {words} Resume ablation {ablation} to try again.",
    }
    return VerificationView(
        status=status, words=text[status], ablation=ablation, exact=exact, findings=findings
    )


def _asked_of(stated: Card) -> AblationRequest:
    try:
        return AblationRequest.model_validate(stated.asked)
    except ValidationError as error:
        name = ".".join(map(str, error.errors()[0]["loc"]))
        raise InvalidInput(
            f"The card asks for what this lab does not know: asked.{name}.",
            f"Verify it with version {stated.lab} of the lab.",
        ) from None


def _config(stated: Card, run: Run) -> Finding:
    return checking.of_config(list(differences(stated.config, config_of(run))))


def _tasks(session: Session, stated: Card) -> Finding:
    try:
        tasks = datasets.tasks(session, stated.set, pools=False)
    except NotFound:
        tasks = ()
    return checking.of_tasks(stated, {task.id: cards.task_digest(task) for task in tasks})


def _planned(
    session: Session, run_id: str, asked: AblationRequest, is_again: bool
) -> tuple[Checkpoint, AblationRequest, planning.Ablation]:
    """The checkpoint, what is asked with its step as a number, and the rows; NotFound, Conflict,
    InvalidInput."""
    runs.check_exists(session, run_id)
    run = run_rows.get(session, run_id)
    assert run is not None
    if run.origin == "external":
        raise Conflict(f"Run {run.id} is an external run: it has no checkpoint to ablate.")
    checkpoint = keeping.find(session, run_id, asked.step)
    asked = asked.model_copy(update={"step": checkpoint.step})
    return checkpoint, asked, planning.plan(asked, parse_experiment(run.config), is_again)


def _started(
    session: Session, settings: Settings, run_id: str, asked: AblationRequest, is_again: bool
) -> tuple[Ablation, Started]:
    runs.check_exists(session, run_id)
    run_rows.hold(session, run_id)
    checkpoint, asked, plan = _planned(session, run_id, asked, is_again)
    kept = asked.model_dump(mode="json")
    ablation = _same(session, run_id, asked, is_again)
    before = {row["evaluation"]: row.get("reused") for row in ablation.evaluations} if ablation else {}
    ids: list[dict[str, Any]] = []
    started: Started = []
    ensured = evaluations.ensure(session, run_id, [row.asked for row in plan.rows], results=1)
    for row, (evaluation, is_new) in zip(plan.rows, ensured, strict=True):
        started += [(evaluation, row.asked.workers)] * is_new
        reused = False if is_new else before.get(evaluation, True)
        ids.append({"name": row.name, "evaluation": evaluation, "reused": reused})
    if ablation is not None:
        ablation.evaluations = ids
        session.flush()
        return ablation, started
    ablation = Ablation(
        run_id=run_id,
        step=checkpoint.step,
        asked=kept,
        is_again=is_again,
        manifest=checkpoint.sha256,
        weights=_weights_or_conflict(settings, checkpoint),
        tasks=_digests(session, ids[0]["evaluation"]),
        evaluations=ids,
        created_at=time.time(),
    )
    rows.add(session, ablation)
    audit.note(session, Action.LAUNCHED, _subject(ablation))
    return ablation, started


def _same(session: Session, run_id: str, asked: AblationRequest, is_again: bool) -> Ablation | None:
    """The ablation of a run that was asked just this, its step a number."""
    kept = asked.model_dump(mode="json")
    others = rows.of_run(session, run_id)
    return next((row for row in others if (row.asked, row.is_again) == (kept, is_again)), None)


def _subject(ablation: Ablation) -> Subject:
    return Subject("ablation", str(ablation.id), f"step {ablation.step} of run {ablation.run_id}")


def _weights(settings: Settings, checkpoint: Checkpoint) -> dict[str, str]:
    """SHA-256 by ema and raw, of the files as they are; empty where they are not on this server."""
    files = checkpoint_files.of(settings, checkpoint)
    return {file.weights: checkpoint_files.get(settings, checkpoint, file.weights).sha256 for file in files}


def _weights_or_conflict(settings: Settings, checkpoint: Checkpoint) -> dict[str, Any]:
    weights = _weights(settings, checkpoint)
    if not weights:
        raise Conflict(
            f"The weights of step {checkpoint.step} of run {checkpoint.run_id} are not on this server: its "
            "card could not name them.",
            "Share the artifacts folder (ETRM_ARTIFACTS), or use an object store (ETRM_ARTIFACTS_URL).",
        )
    return dict(weights)


def _digests(session: Session, evaluation_id: int) -> dict[str, Any]:
    evaluation = scores.get(session, evaluation_id)
    assert evaluation is not None
    wanted = set(evaluation.task_ids)
    tasks = datasets.tasks(session, evaluation.set_name, pools=False)
    return {task.id: cards.task_digest(task) for task in tasks if task.id in wanted}


def _existing(session: Session, ablation_id: int) -> Ablation:
    ablation = rows.get(session, ablation_id)
    if ablation is None:
        raise NotFound(f"Ablation {ablation_id} not found.", "GET /api/v1/runs/{id}/ablations lists them.")
    return ablation


def _view(session: Session, ablation: Ablation) -> AblationView:
    return Measured.of(session, ablation).view()
