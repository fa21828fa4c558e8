"""Which checkpoints stay: the newest, the best, and what something needs. Nothing else goes by chance."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.domain.config.problems import parse_experiment
from backend.domain.experiment import ExperimentConfig
from backend.domain.experiment.identity import configuration_key
from backend.domain.experiment.training import TrainingConfig
from backend.domain.retention import NAME, Goal, Policy, decide, goal_of
from backend.kit.errors import InvalidConfig

STEPS = st.integers(0, 40)
VALUES = st.floats(-5, 5) | st.just(math.nan) | st.just(math.inf)


def policy(newest: int, best: int, measure: str = "pass@1") -> Policy:
    return Policy(newest, best, goal_of(measure))


def test_a_run_that_fell_from_8_to_2_percent_still_has_its_8_percent() -> None:
    scores = {300: 0.04, 600: 0.08, 900: 0.05, 1200: 0.03, 1500: 0.02}
    verdicts = decide(scores, policy(2, 1), scores, {})
    assert [(each.step, each.reasons) for each in verdicts] == [
        (1500, ("one of the 2 newest",)),
        (1200, ("one of the 2 newest",)),
        (900, ()),
        (600, ("best by pass@1: 8.0 %",)),
        (300, ()),
    ]
    assert [each.step for each in verdicts if each.is_best] == [600]


def test_of_a_loss_the_lowest_is_the_best_and_of_equal_ones_the_newest() -> None:
    scores = {1: 0.5, 2: 0.25, 3: 0.25, 4: math.nan, 5: -math.inf}
    by_step = {each.step: each for each in decide(scores, policy(1, 1, "loss"), scores, {})}
    assert [step for step, each in by_step.items() if each.is_best] == [3]
    assert by_step[4].score is by_step[5].score is None
    assert by_step[3].reasons == ("best by loss: 0.25",)


def test_what_something_needs_stays_and_says_so() -> None:
    uses = {1: ["alias paper", "fork k3v9x0q2ab"], 9: ["evaluation 3"]}
    verdicts = {each.step: each.reasons for each in decide([1, 2, 3], policy(1, 0), {}, uses)}
    assert verdicts == {3: ("newest",), 2: (), 1: ("alias paper", "fork k3v9x0q2ab")}


@given(
    steps=st.sets(STEPS, max_size=15),
    newest=st.integers(1, 5),
    best=st.integers(0, 5),
    scores=st.dictionaries(STEPS, VALUES),
    needed=st.sets(STEPS),
    measure=st.sampled_from(["pass@2", "loss", "accuracy/token"]),
)
def test_nothing_that_stays_for_a_reason_goes_and_nothing_stays_without(
    steps: set[int],
    newest: int,
    best: int,
    scores: dict[int, float],
    needed: set[int],
    measure: str,
) -> None:
    rule = policy(newest, best, measure)
    verdicts = decide(steps, rule, scores, {step: ["alias x"] for step in needed})
    assert [each.step for each in verdicts] == sorted(steps, reverse=True)
    stay = {each.step for each in verdicts if each.stays}
    scored = {step: scores[step] for step in steps if math.isfinite(scores.get(step, math.nan))}
    assert set(sorted(steps)[-newest:]) <= stay
    assert needed & steps <= stay
    assert len(stay - needed) <= newest + best
    sign = 1 if rule.goal.higher else -1
    gone = [sign * scored[step] for step in scored.keys() - stay]
    kept_as_best = [
        sign * scored[each.step]
        for each in verdicts
        if any(reason.startswith(("best", "one of the")) and " by " in reason for reason in each.reasons)
    ]
    assert len(kept_as_best) == min(best, len(scored))
    assert not gone or not kept_as_best or max(gone) <= min(kept_as_best)
    (first,) = [each for each in verdicts if each.is_best] or [None]
    assert (first is None) == (not scored)
    assert first is None or (
        first.score is not None and sign * first.score == max(sign * v for v in scored.values())
    )
    # It depends on nothing but its arguments, and what was let go before changes nothing for what stays.
    again = decide(stay, rule, scores, {step: ["alias x"] for step in needed})
    assert {each.step for each in again} == {each.step for each in again if each.stays}


def test_a_measure_has_a_direction_or_is_given_one() -> None:
    assert goal_of("loss") == Goal(goal_of("loss").term, higher=False)
    assert goal_of("pass@2 on arc-agi-2/evaluation").higher
    assert goal_of("learning_rate", "higher").higher
    with pytest.raises(ValueError, match="good in neither direction"):
        goal_of("learning_rate")
    with pytest.raises(ValueError, match="did you mean 'accuracy/token'"):
        goal_of("accuracy/tokens")
    with pytest.raises(ValueError, match="one measure at one step"):
        goal_of("loss:min")
    with pytest.raises(InvalidConfig, match="best_by"):
        parse_experiment({"training": {"best_by": "pass@1 - loss"}})


def test_the_fields_change_no_older_configuration() -> None:
    named = {name: getattr(TrainingConfig(), name) for name in ("keep_best", "best_by", "best_is")}
    assert named == {"keep_best": 1, "best_by": "pass@1", "best_is": "auto"}
    older = ExperimentConfig().model_dump(mode="json")
    for name in named:
        del older["training"][name]
    assert (
        configuration_key(parse_experiment(older)) == configuration_key(ExperimentConfig()) == "212764b7e2d5"
    )


def test_no_alias_is_taken_for_a_step() -> None:
    names = ("paper", "v1.0", "600", "", "Paper", "a b", "x" * 41)
    assert [name for name in names if NAME.fullmatch(name)] == ["paper", "v1.0"]
