"""The verdict on the hypothesis of a training outside the lab: from its own points and evaluations."""

from __future__ import annotations

from collections.abc import Mapping

from backend.domain.experiment import BaselineHypothesis, ExperimentConfig, NoHypothesis
from backend.domain.experiment.hypothesis_rules import first_held_out
from backend.domain.hypothesis.judge import Findings, Judgement, Recorded, Scored, judge
from worker.training.trainer import TrainingResult

ELSEWHERE = "The baseline is a run of the lab: queue this one there to have the two compared."


def verdict(
    config: ExperimentConfig, result: TrainingResult, series: Mapping[str, Recorded]
) -> Judgement | None:
    """Of a training that came to its end; None where it was to show nothing."""
    hypothesis = config.hypothesis
    if isinstance(hypothesis, NoHypothesis):
        return None
    sets = [each.name for each in config.evaluation.sets]
    scores = {
        (summary.key.set_name, k): Scored(score, summary.key.step, summary.key.weights, summary.key.views)
        for summary in result.evaluations
        for k, score in summary.passes.items()
    }
    findings = Findings(
        default_set=first_held_out(config.data.training_sets, sets),
        series=series,
        scores=scores,
        unpaired=ELSEWHERE if isinstance(hypothesis, BaselineHypothesis) else "",
        ruling=result.ruling,
    )
    return judge(hypothesis, findings)
