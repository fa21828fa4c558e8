"""Parameter searches without any rows: definitions, intervals, and what is due, on cases made by hand."""

from __future__ import annotations

from typing import Any

import pytest

from backend.domain.config.presets import quick
from backend.domain.intervals import SHARE, wilson_interval
from backend.domain.parameter_search import (
    Estimate,
    ParameterSearch,
    Plan,
    Report,
    Seed,
    Trial,
    Value,
    best_of,
    check_fields,
    estimate,
    experiment_of,
    is_worse,
    parse_search,
    plan,
)
from backend.domain.statistics import mean_of_shares
from backend.kit.errors import InvalidInput

WIDTH, RATE = "model.core.width", "optimisation.learning_rate"
FIELDS = {WIDTH: [64, 128], RATE: {"low": 1e-4, "high": 1e-2, "log": True}}


def search(**changes: Any) -> ParameterSearch:
    return parse_search({"fields": FIELDS, "trials": 4, "seeds": 3, "at_once": 2} | changes)


def refused(**changes: Any) -> list[str]:
    with pytest.raises(InvalidInput) as error:
        search(**changes)
    return [str(problem) for problem in error.value.problems]


def score(solved: int, n: int = 100) -> Seed:
    return Seed(f"run{solved}", "finished", Value(solved / n, n))


def trial(number: int, *seeds: Seed, **more: Any) -> Trial:
    return Trial(number, more.pop("status", "running"), seeds, **more)


ACTIVE = Seed("active", "active")
BEST = trial(1, score(50), score(52), score(51))  # 51 of 100, thrice: about 45 % to 57 %


def due(*trials: Trial, active: int = 0, asks: bool = True, **changes: Any) -> Plan:
    return plan(trials, search(**changes), active, asks)


def ended(planned: Plan) -> dict[int, str]:
    return {each.number: each.status for each in planned.endings}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fields": {}}, "search.fields: must name at least one field"),
        ({"fields": {WIDTH: []}}, f"search.fields.{WIDTH}: has no value."),
        ({"fields": {WIDTH: [64, 64]}}, f"search.fields.{WIDTH}: has a choice twice."),
        ({"fields": {RATE: {"low": 0, "high": 1, "log": True}}}, f"search.fields.{RATE}: cannot start at 0"),
        ({"fields": {RATE: {"low": 1}}}, f"search.fields.{RATE}.high: is missing."),
        ({"fields": {"seed": [1, 2]}}, "search.fields.seed: is what seeds repeats."),
        ({"trials": 100}, "search.trials: makes up to 300 runs (100 trials × 3 seeds); at most 256."),
        ({"trials": "many"}, "search.trials: must be a whole number"),
        ({"at_once": 0}, "search.at_once: must be a whole number from 1 to 64, not 0."),
        ({"sampler": "grid"}, "search.sampler: must be tpe or random"),
        ({"objective": "pass@3"}, "search.objective: asks for pass@3"),
        ({"objective": "accuracy/tokn"}, "did you mean 'accuracy/token'?"),
        ({"objective": "loss / act_steps"}, "search.objective: has two terms."),
        ({"objective": "learning_rate"}, "is neither better when higher nor when lower."),
        ({"trails": 3}, "search.trails: unknown field. Did you mean 'trials'?"),
    ],
)
def test_a_wrong_search_names_its_field_and_the_way_out(changes: dict[str, Any], said: str) -> None:
    assert said in "\n".join(refused(**changes))


def test_the_direction_is_that_of_the_metric() -> None:
    assert [search(objective=each).better for each in ("pass@2", "accuracy/token:max", "loss:min")] == [
        "higher",
        "higher",
        "lower",
    ]


def test_fields_that_the_config_does_not_have_and_ends_out_of_bounds_are_refused() -> None:
    fields = {"model.core.widht": [64], WIDTH: {"low": 4, "high": 64}, RATE: {"low": 1e-4, "high": 1e-2}}
    wrong = search(fields=fields)
    with pytest.raises(InvalidInput) as error:
        check_fields(quick(), wrong)
    problems = {each.field: each.message for each in error.value.problems}
    assert set(problems) == {"search.fields.model.core.widht", f"search.fields.{WIDTH}"}
    assert problems[f"search.fields.{WIDTH}"] == "4: must be at least 8 and at most 4096, not 4."


def test_runs_of_a_trial_differ_in_seed_and_name_alone() -> None:
    base = quick().model_dump(mode="json")
    first, second = (experiment_of(base, search(), {WIDTH: 64, RATE: 0.002}, 3, at) for at in range(2))
    assert (first.name, first.seed, second.seed) == (
        "quick · trial 3 · width 64 · learning rate 0.002 · seed 0",
        0,
        1,
    )
    assert (first.model.core.width, first.optimisation.learning_rate) == (64, 0.002)
    assert second.model_copy(update={"name": first.name, "seed": 0}) == first


def test_a_score_has_the_interval_of_its_tasks_and_several_that_of_the_groups_page() -> None:
    one = estimate([Value(0.25, 32)], SHARE)
    assert one
    assert (one.low, one.high) == wilson_interval(8, 32)
    two = estimate([Value(0.25, 32), Value(0.5, 32)], SHARE)
    pooled = mean_of_shares([0.25, 0.5], 32)
    assert two
    assert pooled
    assert (two.mean, two.low, two.high) == (pooled.mean, pooled.low, pooled.high)


def test_what_says_nothing_of_its_scatter_has_no_interval() -> None:
    for values in ([0.4], [0.4, 0.4]):
        found = estimate([Value(each) for each in values], SHARE)
        assert found == Estimate(len(values), 0.4, None, None)
    assert estimate([], SHARE) is None


@pytest.mark.parametrize(
    ("one", "other", "better", "worse"),
    [
        ((0.1, 0.2), (0.3, 0.4), "higher", True),
        ((0.1, 0.2), (0.3, 0.4), "lower", False),
        ((0.3, 0.4), (0.1, 0.2), "lower", True),
        ((0.1, 0.3), (0.3, 0.4), "higher", False),  # they touch
        ((0.1, 0.35), (0.3, 0.4), "higher", False),
        ((None, None), (0.3, 0.4), "higher", False),
        ((0.1, 0.2), (None, None), "higher", False),
    ],
)
def test_only_whole_intervals_apart_are_worse(one: Any, other: Any, better: Any, worse: bool) -> None:
    # The means say the opposite of the intervals: they must not matter.
    a, b = Estimate(3, 9.0, *one), Estimate(3, -9.0, *other)
    assert is_worse(a, b, better) is worse


def test_a_trial_gets_its_next_seed_only_while_it_overlaps_the_best() -> None:
    weak, near = trial(2, score(20)), trial(3, score(42))
    planned = due(BEST, weak, near, trials=3)
    assert ended(planned) == {1: "complete", 2: "pruned"}
    assert planned.next_seeds == [3]
    (pruned,) = (each for each in planned.endings if each.number == 2)
    assert pruned.reason.replace("\u202f", " ").startswith(
        "pass@1 is 20.0 % [13.3 % to 28.9 %] over 1 seed, "
    )
    assert "wholly below that of trial 1: 51.0 %" in pruned.reason.replace("\u202f", " ")
    assert pruned.result == estimate([Value(0.2, 100)], SHARE)


def test_fewer_tasks_leave_the_same_share_undecided() -> None:
    assert ended(due(BEST, trial(2, score(2, 10)))) == {1: "complete"}


def test_series_are_pruned_from_the_second_seed_on() -> None:
    def seeds(*values: float) -> list[Seed]:
        return [Seed(f"run{value}", "finished", Value(value)) for value in values]

    best = trial(1, *seeds(0.90, 0.91, 0.92))
    changes = {"objective": "accuracy/token", "trials": 2}
    assert due(best, trial(2, *seeds(0.1)), **changes).next_seeds == [2]
    assert ended(due(best, trial(2, *seeds(0.100, 0.101)), **changes)) == {1: "complete", 2: "pruned"}
    lower = {"objective": "loss", "trials": 2}
    assert ended(due(best, trial(2, *seeds(2.0, 2.01)), **lower)) == {1: "complete", 2: "pruned"}


def test_within_a_run_both_trials_are_compared_at_the_same_step() -> None:
    low, high = Estimate(1, 0.1, 0.05, 0.2), Estimate(3, 0.5, 0.4, 0.6)
    running = trial(2, ACTIVE, report=Report(300, low, high))
    (pruned,) = due(trial(1, *BEST.seeds, status="complete", result=high), running, active=1).endings
    assert (pruned.number, pruned.status, pruned.result) == (2, "pruned", None)
    assert pruned.report == running.report
    assert pruned.reason.startswith("At step 300: pass@1 is 10.0")
    for report in (None, Report(300, high, low), Report(300, low, None), Report(300, None, high)):
        assert not due(BEST, trial(2, ACTIVE, report=report), active=1, trials=2, seeds=3).endings[1:]


def test_how_runs_end_their_trial() -> None:
    failed = Seed("aaaaaaaaaa", "failed", cause="out of memory")
    without = Seed("bbbbbbbbbb", "finished", None, "it has no pass@1 that its config asks for")
    planned = due(
        trial(1, score(50), failed),
        trial(2, without),
        trial(3, Seed("cccccccccc", "cancelled")),
        trial(4, Seed(None, "cancelled")),
    )
    assert {each.number: (each.status, each.reason) for each in planned.endings} == {
        1: ("failed", "Run aaaaaaaaaa: out of memory."),
        2: ("failed", "Run bbbbbbbbbb: it has no pass@1 that its config asks for."),
        3: ("cancelled", "Run cccccccccc was cancelled."),
        4: ("cancelled", "A run of it was deleted."),
    }


def test_budget_and_slots_bound_what_is_added() -> None:
    assert due() == Plan([], [], 2)
    assert due(active=1).new_trials == 1
    assert due(active=2) == Plan([], [], 0)
    assert due(active=5).new_trials == 0
    assert due(asks=False) == Plan([])
    # Seeds of trials that continue come before new trials.
    assert due(trial(1, score(50)), trial(2, ACTIVE), active=1) == Plan([], [1], 0)
    done = [trial(number, status="complete", result=Estimate(3, 0.5, 0.4, 0.6)) for number in range(1, 5)]
    assert due(*done) == Plan([], [], 0)


def test_the_best_was_neither_pruned_nor_ended_early() -> None:
    good, better = Estimate(3, 0.5, 0.4, 0.6), Estimate(1, 0.9, None, None)
    trials = [
        trial(1, status="complete", result=good),
        trial(2, status="complete", result=better),
        trial(3, status="cancelled", result=Estimate(1, 0.95, 0.9, 1.0)),
        trial(4, ACTIVE),
    ]
    best, sure = best_of(trials, search()), best_of(trials, search(), sure=True)
    assert (best and best.number, sure and sure.number) == (2, 1)
    assert best_of(trials[2:], search()) is None
