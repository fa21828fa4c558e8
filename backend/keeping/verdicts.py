"""The verdict on every checkpoint of a run: does it stay, why, and how good is it?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy.orm import Session

from backend.domain.experiment import ExperimentConfig
from backend.domain.experiment.identity import read_stored
from backend.domain.hypothesis.measure import Term
from backend.domain.retention import Policy, Verdict, decide
from backend.keeping.uses import uses_of
from backend.run_view.facts import Facts
from backend.run_view.headline import own_results
from backend.run_view.views import ResultView
from backend.runs import journal_queries as journal
from backend.runs.tables import Checkpoint, Run


def verdicts_of(session: Session, runs: Sequence[Run], newest: int | None = None) -> dict[str, list[Verdict]]:
    """By run, newest checkpoint first; of each run the `newest` stay, None: as many as its config says."""
    ids = [run.id for run in runs]
    held = defaultdict(list)
    for row in journal.checkpoints_of_runs(session, ids):
        held[row.run_id].append(row)
    facts, uses = Facts(session, runs, metrics=()), uses_of(session, ids)
    found = {}
    for run in runs:
        policy = policy_of(run.config)
        scores = _scores(run, policy.goal.term, facts.view(run).results, held[run.id])
        policy = policy if newest is None else replace(policy, newest=newest)
        found[run.id] = decide([each.step for each in held[run.id]], policy, scores, uses[run.id])
    return found


def policy_of(config: Mapping[str, Any]) -> Policy:
    """How many a run keeps; as by default where its config cannot be read."""
    return (read_stored(config) or ExperimentConfig()).training.retention


def _scores(
    run: Run, term: Term, results: Sequence[ResultView], held: Sequence[Checkpoint]
) -> Mapping[int, float]:
    """Step -> what the run's best are chosen by: only what was measured alike."""
    if term.series:
        return {each.step: each.measured[term.series] for each in held if term.series in each.measured}
    config = read_stored(run.config)
    own = own_results(config, results).get(config.set_of(term)) if config else None
    alike = [each for each in results if own and each.status == "finished" and each.protocol == own.protocol]
    passes = {each.step: each.pass_at(term.k) for each in sorted(alike, key=lambda each: each.id)}
    return {step: score.share for step, score in passes.items() if score and score.share is not None}
