"""Verdicts: pure functions of what a run left behind."""

from __future__ import annotations

from typing import Any

import pytest

from backend.domain.experiment import BarHypothesis, BaselineHypothesis
from backend.domain.hypothesis.judge import Findings, Judgement, Paired, Recorded, Scored, judge
from backend.domain.records import Ruling, Score

SET = "arc-agi-1/evaluation"
ZEROS = dict.fromkeys(("loss", "act_steps"), Recorded(0, 0, 0, 9))


def bar(measure: str = "pass@1", value: float = 0.1, comparison: str = ">=") -> BarHypothesis:
    stated = {"claim": "It is so.", "measure": measure, "value": value, "comparison": comparison}
    return BarHypothesis.model_validate(stated)


def judged(
    hypothesis: Any, scores: dict[tuple[str, int], tuple[float, int]] | None = None, **found: Any
) -> Judgement:
    scored = {key: Scored(Score(*score), 600, "ema", 32, 7) for key, score in (scores or {}).items()}
    return judge(hypothesis, Findings(default_set=SET, scores=scored, **found))


@pytest.mark.parametrize(
    ("solved", "verdict", "met", "excludes"),
    [
        (20, "supported", True, True),  # 50 % [35 to 65]: all of it above 10 %
        (6, "undecided", True, False),  # 15 % [7 to 29]
        (3, "undecided", False, False),  # 7.5 % [3 to 20]
        (0, "refuted", False, True),  # 0 % [0 to 8.8]
    ],
)
def test_a_score_is_held_against_the_bar_with_its_whole_interval(
    solved: int, verdict: str, met: bool, excludes: bool
) -> None:
    found = judged(bar(), {(SET, 1): (solved, 40)})
    assert (found.verdict, found.met, found.excludes_bar) == (verdict, met, excludes)
    (evidence,) = found.evidence
    assert (evidence.solved, evidence.n, evidence.step, evidence.weights, evidence.evaluation) == (
        solved, 40, 600, "ema", 7,
    )  # fmt: skip
    assert (found.low, found.high) == Score(solved, 40).interval


def test_an_upper_bound_is_supported_by_an_interval_below_it() -> None:
    assert judged(bar(comparison="<="), {(SET, 1): (0, 40)}).verdict == "supported"
    assert judged(bar(comparison="<="), {(SET, 1): (20, 40)}).verdict == "refuted"


def test_a_series_has_no_interval_and_its_value_decides() -> None:
    series = {"loss": Recorded(1.4, 0.9, 2.4, 600)}
    last = judged(bar("loss", 1.0, "<="), series=series)
    least = judged(bar("loss:min", 1.0, "<="), series=series)
    assert (last.verdict, last.met, last.excludes_bar, last.low) == ("refuted", False, None, None)
    assert (least.verdict, least.value) == ("supported", 0.9)
    assert "loss is 1.40: the bar" in last.reason


def test_a_difference_of_scores_has_the_interval_of_both() -> None:
    scores = {(SET, 1): (30.0, 100), ("arc-agi-1/training", 1): (60.0, 100)}
    gap = bar("pass@1 on arc-agi-1/training - pass@1", 0.1)
    found = judged(gap, scores)
    assert found.verdict == "supported"
    assert 0.1 < (found.low or 0) < 0.3 < (found.high or 0) < 0.5
    with_series = judged(
        bar("accuracy/exact - pass@1", 0.5), scores, series={"accuracy/exact": Recorded(0.9, 0, 0.9, 600)}
    )
    low, high = Score(30, 100).interval
    assert (with_series.low, with_series.high) == pytest.approx((0.9 - high, 0.9 - low))
    assert (
        judged(
            bar("pass@1 / accuracy/exact", 0.1), scores, series={"accuracy/exact": Recorded(0.5, 0, 1, 600)}
        ).verdict
        == "supported"
    )


@pytest.mark.parametrize(
    ("hypothesis", "found", "said"),
    [
        (bar(), {}, "No finished evaluation of pass@1 on arc-agi-1/evaluation"),
        (bar("reliance/cost"), {}, "recorded no series reliance/cost"),
        (bar("loss"), {"series": {"loss": Recorded(None, 1, 2, 600)}}, "loss is not finite at step 600"),
        (bar("loss / act_steps"), {"series": ZEROS}, "not a number"),
        (bar(), {"failed": "The run failed: out of memory."}, "out of memory"),
        (BaselineHypothesis(claim="x", run_id="a" * 10), {"unpaired": "Not alike."}, "Not alike."),
    ],
)  # fmt: skip
def test_without_anything_to_judge_it_is_undecided_and_says_why(
    hypothesis: Any, found: Any, said: str
) -> None:
    judgement = judged(hypothesis, **found)
    assert judgement.verdict == "undecided"
    assert said in judgement.reason
    assert judgement.met is None


def test_a_hopeless_ruling_refutes_whatever_was_scored_and_a_reached_one_leaves_it_to_the_bar() -> None:
    scores: dict[tuple[str, int], tuple[float, int]] = {(SET, 1): (40, 40)}
    hopeless = Ruling(200, "refuted", "accuracy/token", 0.1, "stopped at step 200 by its stop rule: x")
    found = judged(bar(), scores, ruling=hopeless)
    assert (found.verdict, found.reason) == ("refuted", "Stopped at step 200 by its stop rule: x.")
    reached = Ruling(200, "reached", "loss", 0.1, "stopped")
    assert judged(bar(), scores, ruling=reached).verdict == "supported"


@pytest.mark.parametrize(
    ("better", "verdict"), [("run", "supported"), ("baseline", "refuted"), ("undecided", "undecided")]
)
def test_a_baseline_is_beaten_as_the_paired_tests_say(better: Any, verdict: str) -> None:
    side = Scored(Score(5, 40), 600, "ema", 32)
    paired = Paired(better, "Words.", side, side, 0.0, -0.1, 0.1)
    found = judged(BaselineHypothesis(claim="x", run_id="a" * 10), paired=paired)
    assert (found.verdict, found.reason, len(found.evidence)) == (verdict, "Words.", 2)
