"""The scores that a hypothesis is judged by: those of the evaluation its config asks for, and no other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from sqlalchemy.orm import Session

from backend.domain.config.problems import parse_experiment
from backend.domain.experiment import BaselineHypothesis, ExperimentConfig
from backend.domain.experiment.hypothesis_rules import first_held_out
from backend.domain.hypothesis.judge import Paired, Scored
from backend.domain.measurement import protocol_of
from backend.domain.records import Score
from backend.kit.errors import Conflict, InvalidConfig
from backend.kit.format import interval, solved
from backend.run_view.facts import Facts
from backend.run_view.headline import own_results
from backend.run_view.views import ResultView
from backend.runs import queries as runs
from backend.runs.tables import Run
from backend.scores import queries as rows
from backend.scores.paired import ComparisonView, SideView, compared, obstacles
from backend.scores.tables import Evaluation


def default_set(config: Mapping[str, Any]) -> str:
    """The set of pass@k where a hypothesis names none; empty without one."""
    parsed = _parsed(config)
    if parsed is None:
        return ""
    return first_held_out(parsed.data.training_sets, [each.name for each in parsed.evaluation.sets])


def scores_of(config: Mapping[str, Any], results: Sequence[ResultView]) -> dict[tuple[str, int], Scored]:
    """(set, k) -> the score of the last step, measured as the config says."""
    return {
        (result.set, each.k): Scored(
            Score(each.solved, each.n), result.step, result.weights, result.views, result.id
        )
        for result in _asked_for(config, results).values()
        for each in result.passes
    }


def paired_with(session: Session, run: Run, hypothesis: BaselineHypothesis) -> tuple[Paired | None, str]:
    """The run against its baseline on the same tasks; None and the reason where that cannot be."""
    name = hypothesis.set_name or default_set(run.config)
    results = Facts(session, [run], metrics=()).view(run).results
    own = _asked_for(run.config, results).get(name)
    mine = rows.get(session, own.id) if own else None
    if mine is None:
        return None, f"The run has no finished evaluation on {name} by the protocol of its config."
    baseline = runs.get(session, hypothesis.run_id)
    if baseline is None:
        return None, f"The baseline, run {hypothesis.run_id}, is no longer there."
    theirs = _comparable(session, baseline, mine)
    if isinstance(theirs, str):
        return None, theirs
    try:
        return _paired(compared(session, mine, theirs, hypothesis.k), baseline.name), ""
    except Conflict as error:
        return None, error.message


def _asked_for(config: Mapping[str, Any], results: Sequence[ResultView]) -> dict[str, ResultView]:
    """Set -> the evaluation that the config asks for."""
    return own_results(_parsed(config), results)


def _comparable(session: Session, baseline: Run, mine: Evaluation) -> Evaluation | str:
    """The baseline's newest evaluation by the protocol of `mine`; without one, its newest that shares tasks
    with `mine` and nothing forbids to pair. Else why there is none."""
    protocol = protocol_of(mine)
    evaluated = [each for each, _ in rows.of_run(session, baseline.id) if each.is_result]
    on_set = [each for each in evaluated if each.set_name == mine.set_name]
    on_set.sort(key=lambda each: (protocol_of(each) == protocol, each.step, each.id), reverse=True)
    for each in on_set:
        if not obstacles(mine, each):
            return each
    if on_set:
        reasons = "; ".join(obstacles(mine, on_set[0]))
        return f"Not comparable with the baseline, run {baseline.id}: {reasons}."
    return f"The baseline, run {baseline.id}, has no evaluation on {mine.set_name}."


def _paired(found: ComparisonView, baseline: str) -> Paired:
    difference = found.difference
    significant = "not significant" if found.verdict == "undecided" else "significant"
    words = (
        f"{_told(found.a)} against {_told(found.b)} of {baseline} on the same tasks of {found.set}: "
        f"{difference.mean * 100:+.0f} points {interval(difference.low, difference.high)}, "
        f"p = {found.p_value:.2g}, {significant}."
    )
    words = f"{words} {found.note}".rstrip()
    better: dict[str, Literal["run", "baseline", "undecided"]] = {"a": "run", "b": "baseline"}
    return Paired(
        better=better.get(found.verdict, "undecided"),
        words=words,
        run=_scored(found, found.a),
        baseline=_scored(found, found.b),
        difference=difference.mean,
        low=difference.low,
        high=difference.high,
    )


def _scored(found: ComparisonView, side: SideView) -> Scored:
    score = Score(side.score.solved, side.score.n)
    return Scored(score, side.step, found.weights, found.views, side.evaluation)


def _told(side: SideView) -> str:
    return f"{solved(side.score.solved)}/{side.score.n}"


def _parsed(config: Mapping[str, Any]) -> ExperimentConfig | None:
    try:
        return parse_experiment(config)
    except InvalidConfig:  # of an external run, or of another version
        return None
