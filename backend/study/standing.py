"""Where a study stands: its runs and evaluations with what they came to, read from the rows."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from backend.domain.hypothesis.measure import Term
from backend.domain.statistics import Ranks
from backend.domain.study import Design, Known, Sample, Scored, Scoring, Trained, Training, parse_study
from backend.domain.study.known import State
from backend.run_view.facts import Facts
from backend.run_view.views import RunView
from backend.runs import queries as run_rows
from backend.runs.status import RunStatus
from backend.runs.tables import Run
from backend.scores.tables import Evaluation, EvaluationJob
from backend.study import queries as rows
from backend.study.tables import StudyEvaluation, StudyRow, StudyRun
from backend.workers import service as workers

MAX_GAP = (
    60.0  # seconds between two looks that count in full: where nobody looked for longer, the lab was off
)
_DELETED = "it was deleted"


@dataclass(frozen=True)
class Standing:
    """A study as it stands now."""

    row: StudyRow
    design: Design
    known: Known


def load(session: Session, study_id: str) -> Standing | None:
    """The study with this id; None without it."""
    row = rows.get(session, study_id)
    if row is None:
        return None
    design = Design(parse_study(row.definition), row.scale)
    own_runs, own_evaluations = rows.runs(session, study_id), rows.evaluations(session, study_id)
    known = Known(
        trainings=_trainings(session, design, own_runs),
        scorings=_scorings(session, own_evaluations),
        spent=spent(row, time.time()),
        workers=sum(worker.alive and not worker.is_out for worker in workers.listed(session)),
    )
    return Standing(row, design, known)


def spent(row: StudyRow, now: float) -> float:
    """Seconds by the clock in which the study was worked on, up to now."""
    if row.status != "running" or row.looked_at is None:
        return row.spent
    return row.spent + min(max(0.0, now - row.looked_at), MAX_GAP)


def _trainings(session: Session, design: Design, own: Sequence[StudyRun]) -> dict[Training, Trained]:
    ids = [each.run_id for each in own if each.run_id]
    found = run_rows.several(session, ids) if ids else {}
    series = _series(session, design, own, found)
    return {
        Training(each.configuration, each.seed): _trained(found.get(each.run_id or ""), series)
        for each in own
    }


def _trained(run: Run | None, series: Mapping[str, Mapping[str, float]]) -> Trained:
    if run is None:
        return Trained("failed", None, cause=_DELETED)
    cause = run.status_cause or run.status
    return Trained(_state(run.status), run.id, run.step, _seconds(run), cause, series.get(run.id, {}))


def _series(
    session: Session, design: Design, own: Sequence[StudyRun], found: Mapping[str, Run]
) -> dict[str, dict[str, float]]:
    """Run id -> measure -> value, of the finished runs that a test by a recorded series asks for."""
    tests = [test for claim in design.study.claims for test in claim.tests if not test.is_score]
    asked = {name for test in tests for name in test.samples}
    wanted = [
        run
        for each in own
        if each.configuration in asked
        and (run := found.get(each.run_id or ""))
        and _state(run.status) == "finished"
    ]
    terms = {test.measure: test.measured.first for test in tests}
    views = Facts(session, wanted, {term.series for term in terms.values()}).views() if wanted else []
    return {
        view.id: {
            measure: value
            for measure, term in terms.items()
            if (value := _summary(view, term)) is not None and math.isfinite(value)
        }
        for view in views
    }


def _scorings(session: Session, own: Sequence[StudyEvaluation]) -> dict[Scoring, Scored]:
    ids = [each.evaluation_id for each in own if each.evaluation_id is not None]
    found = rows.scored(session, ids)
    finished = [each for each, (row, _) in found.items() if row.status == RunStatus.FINISHED]
    ranks = rows.ranks(session, finished)
    return {_scoring(each): _scored(each.evaluation_id, found, ranks) for each in own}


def _scoring(row: StudyEvaluation) -> Scoring:
    sample = Sample(row.configuration, row.measurement, row.set_name)
    return Scoring(sample, row.seed, row.tasks or None)


def _scored(
    evaluation_id: int | None,
    found: Mapping[int, tuple[Evaluation, EvaluationJob | None]],
    ranks: Mapping[int, Ranks],
) -> Scored:
    if evaluation_id is None or evaluation_id not in found:
        return Scored("failed", None, cause=_DELETED)
    row, job = found[evaluation_id]
    state = _state(row.status)
    seconds = row.seconds
    if state == "active":
        seconds = time.time() - job.started_at if job and job.started_at else 0.0
    cause = (job.status_cause if job else "") or row.status
    if state == "finished" and evaluation_id not in ranks:
        return Scored("failed", evaluation_id, seconds, "no task has a known truth")
    return Scored(state, evaluation_id, seconds, cause, ranks.get(evaluation_id, {}))


def _state(status: str) -> State:
    if status == RunStatus.FINISHED:
        return "finished"
    return "failed" if status in (RunStatus.FAILED, RunStatus.CANCELLED) else "active"


def _seconds(run: Run) -> float:
    """Of its newest attempt, so far."""
    start = run.claimed_at or run.started_at
    if start is None or run.status == RunStatus.QUEUED:
        return 0.0
    return max(0.0, (run.finished_at or time.time()) - start)


def _summary(view: RunView, term: Term) -> float | None:
    """The last, least or greatest value of a series; None without one."""
    recorded = view.metrics.get(term.series)
    if recorded is None:
        return None
    return {"last": recorded.last, "min": recorded.min, "max": recorded.max}[term.summary]
