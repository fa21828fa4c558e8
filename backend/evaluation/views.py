"""EvaluationView: everything an evaluation says, for its page, the API and the command line alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from pydantic import Field, computed_field
from sqlalchemy.orm import Session

from backend.domain.arc.votes import DIHEDRAL_NAMES
from backend.domain.measurement import protocol_of
from backend.domain.records import TRUTH_UNKNOWN
from backend.domain.statistics import pass_curve
from backend.domain.trained_on import Standing
from backend.evaluation.gap import GapView, gap
from backend.kit.model import Model
from backend.runs import queries as run_rows
from backend.runs.status import RunStatus
from backend.runs.tables import Run
from backend.scores import job_queries as jobs
from backend.scores import queries as rows
from backend.scores.measured import (
    Measured,
    PassView,
    embedding_fields,
    passed,
    passes_of,
    standing_fields,
    view_fields,
)
from backend.scores.oracle import OracleView, oracle_of
from backend.scores.standing import standings
from backend.scores.tables import Evaluation, EvaluationJob
from backend.workers import waiting
from backend.workers.tables import EvaluationShare


class ShareView(Model):
    """One worker's part in an evaluation."""

    worker_id: str
    device_name: str
    active: bool
    views: int = Field(description="Distinct views it computed.")
    seconds: float = Field(description="It computed.")


class EvaluationProgress(Model):
    """How far an evaluation is."""

    scored: int = Field(description="Test inputs that have their outcome.")
    test_inputs: int | None = Field(description="null until that is known.")
    views_done: int = Field(description="Distinct views computed so far.")
    views: int | None = Field(description="Distinct views in all: equal ones are computed once.")
    batches_done: int
    batches: int | None
    share: float | None = Field(description="Of the work, 0 to 1, by views and size of their canvas.")
    seconds_left: float | None = Field(description="With as many workers as now.")


class ComputeView(Model):
    """What it cost."""

    seconds: float = Field(description="Of computing, summed over workers.")
    views: int = Field(description="Distinct views computed.")
    act_steps: int = Field(description="ACT steps of them all.")
    views_per_second: float | None
    search_decodes: int | None = Field(
        description="Decodes spent in searches: passes of a demonstration through the core; null without one."
    )
    adapted_tasks: int | None = Field(
        description="Tasks that a copy of the model learned before it answered; null without an adaptation. "
        "Of TRM each of them has an embedding."
    )
    adaptation_decodes: int | None = Field(
        description="Demonstrations decoded while learning them; a way back counts as two more."
    )
    adaptation_seconds: float | None = Field(description="Of `seconds`, those spent on learning them.")
    workers: list[ShareView]


class SymmetryView(Model):
    """How the views of one symmetry vote, over all test inputs scored."""

    name: str = Field(examples=["quarter turn left"])
    votes: int
    agree: int = Field(description="Votes for the first candidate.")
    correct: int = Field(description="Votes for the truth.")


class EvaluationView(Measured):
    """One scoring of one checkpoint. Until `status` is finished, scores are of the tasks scored so far:
    `passes` at 1, 2, 5 and 10 attempts."""

    run_id: str
    run_name: str
    variant: str
    status_cause: str
    waiting_reasons: list[str] = Field(
        description="All that keeps a queued job from starting, the most decisive first; else empty."
    )
    traceback: str
    is_job: bool = Field(description="It came through the queue; otherwise it is part of the training.")
    is_result: bool = Field(
        description="It says how good its run is; else only an ablation or a study asked for it."
    )
    options: dict[str, Any]
    max_workers: int | None
    progress: EvaluationProgress
    curve: list[PassView] = Field(
        description="pass@k where it rises; flat in between. Of one evaluation only."
    )
    oracle: OracleView | None = Field(
        description="What all candidates hold, whatever their rank. Of one evaluation only; null until a "
        "task is scored."
    )
    symmetries: list[SymmetryView] = Field(description="Where views disagree; empty for older evaluations.")
    gap: GapView | None = Field(description="null unless both a trained-on and a held-out set were scored.")
    compute: ComputeView
    warning: str = Field(description="What a reader of the numbers must know; else empty.")
    created_at: float
    started_at: float | None

    @computed_field(  # type: ignore[prop-decorator]  # pydantic's own way
        description="`waiting_reasons` in one line."
    )
    @property
    def waiting_reason(self) -> str:
        """All reasons in one line, for commands."""
        return "; ".join(self.waiting_reasons)

    @property
    def is_active(self) -> bool:
        return self.status in ("queued", "running", "cancelling")


class TestInputView(Model):
    """What an evaluation made of one test input, in short."""

    __test__ = False  # not a pytest class

    task_id: str
    test_index: int
    views: int = Field(description="Votes cast.")
    truth_rank: int | None = Field(description="Among all candidates; null without a vote.")
    votes: int | None = Field(description="Of the first candidate; null without one.")
    confidence: float | None = Field(description="Mean halting probability of its votes.")
    correct: bool | None = Field(description="null where the truth is not known.")
    cell_accuracy: float | None
    failure_mode: str | None
    note: str


def test_inputs(session: Session, evaluation_id: int) -> list[TestInputView]:
    """Everything scored so far, by task and test input."""
    return [
        TestInputView(
            task_id=outcome.task_id,
            test_index=outcome.test_index,
            views=outcome.views,
            truth_rank=outcome.truth_rank,
            votes=first.votes if first else None,
            confidence=first.confidence if first else None,
            correct=None if outcome.note == TRUTH_UNKNOWN else outcome.truth_rank == 1,
            cell_accuracy=first.cell_accuracy if first else None,
            failure_mode=first.failure_mode if first else None,
            note=outcome.note,
        )
        for outcome, first in rows.outcomes_with_first(session, evaluation_id)
    ]


def views_of(
    session: Session, evaluations: Sequence[Evaluation], whole: bool = False
) -> list[EvaluationView]:
    """Views in the given order; `whole` adds what takes a query per evaluation: curve, gap."""
    ids = [each.id for each in evaluations]
    found_jobs, scored = jobs.jobs_of(session, ids), rows.scored(session, ids)
    shares: dict[int, list[EvaluationShare]] = defaultdict(list)
    for share in jobs.shares_of(session, ids):
        shares[share.evaluation_id].append(share)
    runs = {run_id: run_rows.get(session, run_id) for run_id in {each.run_id for each in evaluations}}
    reasons = _waiting_reasons(session, [each for each in evaluations if each.id in found_jobs])
    standing = standings(session, [run for run in runs.values() if run], evaluations)
    return [
        _view(
            session, each, runs[each.run_id], standing[each.id], found_jobs.get(each.id), shares[each.id],
            scored.get(each.id, 0), reasons.get(each.id, []), whole,
        )
        for each in evaluations
    ]  # fmt: skip


def _waiting_reasons(session: Session, evaluations: Sequence[Evaluation]) -> dict[int, list[str]]:
    """Evaluation id -> why it has not started, of those that are queued."""
    queued = {each.id for each in evaluations if each.status == RunStatus.QUEUED}
    if not queued:
        return {}
    fleet = waiting.fleet_of(session)
    return {
        evaluation_id: waiting.reasons_for(waiting.Job(ahead), fleet)
        for ahead, evaluation_id in enumerate(jobs.queued_ids(session))
        if evaluation_id in queued
    }


def _view(
    session: Session,
    row: Evaluation,
    run: Run | None,
    standing: Standing,
    job: EvaluationJob | None,
    shares: Sequence[EvaluationShare],
    scored: int,
    waiting_reasons: Sequence[str],
    whole: bool,
) -> EvaluationView:
    assert run is not None  # an evaluation goes with its run
    ranks = rows.truth_ranks(session, row.id) if whole else {}
    over = row.status == "finished"
    curve = pass_curve(ranks) if whole else {}
    return EvaluationView(
        id=row.id,
        run_id=row.run_id,
        run_name=run.name,
        variant=run.variant,
        **view_fields(protocol_of(row)),
        **standing_fields(standing),
        **embedding_fields(row),
        step=row.step,
        status=row.status,
        status_cause=job.status_cause if job else "",
        waiting_reasons=list(waiting_reasons),
        traceback=job.traceback if job and whole else "",
        is_job=job is not None,
        is_result=row.is_result,
        options=job.options if job else {},
        max_workers=job.workers if job else None,
        progress=_progress(row, job, shares, scored),
        passes=_stored(row) if over or not whole else passes_of(ranks),
        curve=[passed(k, score.solved, score.n) for k, score in curve.items()],
        oracle=oracle_of(ranks, row.views),
        failure_modes=row.failure_modes if over or not whole else rows.first_attempts(session, row.id),
        symmetries=[
            SymmetryView(name=name, votes=votes, agree=agree, correct=correct)
            for name, (votes, agree, correct) in zip(
                DIHEDRAL_NAMES, row.extras.get("by_dihedral", ()), strict=False
            )
        ],
        gap=gap(session, row, run) if whole and over else None,
        compute=_compute(row, job, shares),
        warning=str(row.extras.get("warning", "")),
        created_at=row.created_at,
        started_at=job.started_at if job else row.created_at,
        finished_at=row.finished_at,
    )


def _stored(row: Evaluation) -> list[PassView]:
    return [passed(int(k), *score) for k, score in sorted(row.passes.items(), key=lambda each: int(each[0]))]


def _progress(
    row: Evaluation, job: EvaluationJob | None, shares: Sequence[EvaluationShare], scored: int
) -> EvaluationProgress:
    if job is None:
        share = 1.0 if row.status == "finished" else None
        return EvaluationProgress(
            scored=scored, test_inputs=None, views_done=0, views=None, batches_done=0, batches=None,
            share=share, seconds_left=None,
        )  # fmt: skip
    share = job.cells_done / job.cells if job.cells else (1.0 if job.batches == 0 else None)
    active = sum(each.lease_until is not None for each in shares)
    left = None
    if job.cells and job.cells_done and active and row.status == "running":
        left = row.seconds / job.cells_done * (job.cells - job.cells_done) / active
    return EvaluationProgress(
        scored=scored,
        test_inputs=row.extras.get("test_inputs"),
        views_done=job.views_done,
        views=job.views,
        batches_done=job.batches_done,
        batches=job.batches,
        share=share,
        seconds_left=left,
    )


def _compute(row: Evaluation, job: EvaluationJob | None, shares: Sequence[EvaluationShare]) -> ComputeView:
    views = job.views_done if job else 0
    return ComputeView(
        seconds=row.seconds,
        views=views,
        act_steps=views * row.act_steps,
        views_per_second=views / row.seconds if views and row.seconds else None,
        search_decodes=row.extras.get("search_decodes"),
        adapted_tasks=row.extras.get("adapted_tasks"),
        adaptation_decodes=row.extras.get("adaptation_decodes"),
        adaptation_seconds=row.extras.get("adaptation_seconds"),
        workers=[
            ShareView(
                worker_id=each.worker_id,
                device_name=each.device_name,
                active=each.lease_until is not None,
                views=each.views,
                seconds=each.seconds,
            )
            for each in shares
        ],
    )
