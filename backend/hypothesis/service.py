"""Hypotheses of runs: what stop rules decided, and the verdict once a run is over. Nothing here commits.

A verdict rests on the evaluation that the config asked for before the run began. One that was not there in
time is judged when it comes; none that was there is judged again by other views, weights or tasks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy.orm import Session

from backend.alerts import service as alerts
from backend.domain.alerts import Event
from backend.domain.experiment import BaselineHypothesis, Hypothesis
from backend.domain.hypothesis.judge import Findings, Recorded, judge
from backend.domain.hypothesis.measure import parse
from backend.domain.hypothesis.reading import hypothesis_of
from backend.domain.records import Ruling
from backend.hypothesis.scores import default_set, paired_with, scores_of
from backend.run_view.facts import Facts
from backend.runs import events
from backend.runs import journal_queries as journal
from backend.runs import queries as rows
from backend.runs.status import RunStatus
from backend.runs.tables import Run

RULED = "stop rule"  # kind of the event


def opened(config: Mapping[str, Any]) -> str:
    """The verdict column of a run that is not over: `open`, or empty without a hypothesis."""
    return "open" if hypothesis_of(config) else ""


def note_ruling(session: Session, run_id: str, attempt: int, ruling: Ruling) -> None:
    """Keep what the stop rule decided; the words become the run's cause when it ends."""
    text = f"{ruling.text[:1].upper()}{ruling.text[1:]}."
    events.add(session, run_id, RULED, text, {**asdict(ruling), "attempt": attempt})


def ruling_of(session: Session, run_id: str, attempt: int) -> Ruling | None:
    """What the stop rule decided in this attempt; an earlier one may have been lost with its checkpoint."""
    for event in journal.events_of_kinds(session, run_id, (RULED,)):
        if event.data.get("attempt") == attempt:
            return Ruling(**{key: value for key, value in event.data.items() if key != "attempt"})
    return None


def settle(session: Session, run_id: str) -> None:
    """Judge a run that is over, and those that are undecided because they waited for it. Else nothing."""
    run = rows.get(session, run_id)
    if run is None or not RunStatus(run.status).is_over:
        return
    _judge(session, run)
    for follower in rows.undecided_against(session, run_id):
        _judge(session, follower)


def _judge(session: Session, run: Run) -> None:
    hypothesis = hypothesis_of(run.config)
    if hypothesis is None:
        return
    judgement = judge(hypothesis, _findings(session, run, hypothesis))
    before, run.verdict = run.verdict, judgement.verdict
    run.judgement = judgement.model_dump(mode="json")
    session.flush()
    if judgement.verdict != before:
        alerts.tell(session, Event.JUDGED, run.id, f"{judgement.verdict.capitalize()}: {judgement.reason}")


def _findings(session: Session, run: Run, hypothesis: Hypothesis) -> Findings:
    if run.status != RunStatus.FINISHED:
        cause = f": {run.status_cause}" if run.status_cause else ""
        return Findings(failed=f"The run {_WORDS[RunStatus(run.status)]}{cause}.")
    ruling = ruling_of(session, run.id, run.attempt)
    if isinstance(hypothesis, BaselineHypothesis):
        paired, unpaired = paired_with(session, run, hypothesis)
        return Findings(paired=paired, unpaired=unpaired, ruling=ruling)
    view = Facts(session, [run], metrics=parse(hypothesis.measure).series).view(run)
    return Findings(
        default_set=default_set(run.config),
        series={
            name: Recorded(each.last, each.min, each.max, each.step) for name, each in view.metrics.items()
        },
        scores=scores_of(run.config, view.results),
        ruling=ruling,
    )


_WORDS = {RunStatus.FAILED: "failed", RunStatus.CANCELLED: "was cancelled"}
