"""Studies without any rows: files, verdicts and what is due, on cases made by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from backend.domain.crossed import crossed_difference
from backend.domain.statistics import mean_of_shares, student_t
from backend.domain.study import (
    ClaimResult,
    Design,
    Known,
    Sample,
    Scored,
    Scoring,
    Trained,
    Training,
    check,
    from_toml,
    judged,
    parse_study,
    plan,
)
from backend.domain.study.planning import ALL_DECIDED, BLOCKED, OUT_OF_TIME, OVER_BUDGET
from backend.kit.errors import InvalidInput
from backend.kit.text import problems
from backend.study import library

SET, TASKS = "arc-agi-1/evaluation", 20
GRADIENT = {
    "title": "gradient",
    "options": {"search": {"kind": "gradient", "steps": 5}},
    "seconds": {"small": 20},
}


def raw(**changes: Any) -> dict[str, Any]:
    """Two configurations, one of them measured in two ways; three claims."""
    return {
        "title": "Two claims",
        "scales": {
            "small": {
                "title": "small",
                "hours": 1,
                "at_once": 2,
                "rounds": [{"seeds": 2, "tasks": TASKS}, {"seeds": 4, "tasks": TASKS}],
            }
        },
        "configurations": {
            "a": {"title": "A", "scales": {"small": {"seconds": 100}}},
            "b": {
                "title": "B",
                "overrides": {"model": {"reencode": False}},
                "scales": {"small": {"seconds": 100}},
            },
        },
        "measurements": {"gradient": GRADIENT},
        "claims": [
            {"name": "better", "claim": "A is better", "tests": [{"of": "a", "minus": "b"}]},
            {"name": "guided", "claim": "Search helps", "tests": [{"of": "a/gradient", "minus": "a"}]},
        ],
    } | changes


def design(**changes: Any) -> Design:
    return Design(parse_study(raw(**changes)), "small")


def refused(**changes: Any) -> list[str]:
    with pytest.raises(InvalidInput) as error:
        parse_study(raw(**changes))
    return [str(problem) for problem in error.value.problems]


def claim(*tests: Mapping[str, Any]) -> dict[str, Any]:
    return {"claims": [{"name": "only", "claim": "Only", "tests": list(tests)}]}


def finished(**series: float) -> Trained:
    return Trained("finished", "run", 600, 100.0, series=series)


def solving(solved: int) -> Scored:
    """An evaluation that solves the first `solved` tasks."""
    ranks = {f"t{number:02}": [1 if number < solved else None] for number in range(TASKS)}
    return Scored("finished", 1, 10.0, ranks=ranks)


def known(solved: Mapping[str, list[int]], spent: float = 0.0, workers: int = 2) -> Known:
    """Sample -> solved by each seed; every run of these is finished."""
    trainings: dict[Training, Trained] = {}
    scorings: dict[Scoring, Scored] = {}
    for name, of_seeds in solved.items():
        configuration, _, measurement = name.partition("/")
        for seed, number in enumerate(of_seeds):
            trainings[Training(configuration, seed)] = finished()
            scorings[Scoring(Sample(configuration, measurement, SET), seed, TASKS)] = solving(number)
    return Known(trainings, scorings, spent, workers)


def only(found: Design, there: Known) -> ClaimResult:
    (result,) = judged(found, there)
    return result


def test_the_study_of_the_discussion_is_valid_at_each_of_its_scales() -> None:
    study = library.study_called("discussion")
    assert {each.section[:3] for each in study.claims} == {"5.1", "5.2", "5.4"}
    for scale in study.scales:
        check(Design(study, scale))
    config = Design(study, "laptop").config("unclipped", 1)
    assert config.optimisation.gradient_clip is None
    assert (config.seed, config.data.augmentations, config.evaluation.views) == (1, 0, 1)


def test_the_first_round_of_the_laptop_fits_into_its_hours() -> None:
    found = Design(library.study_called("discussion"), "laptop")
    seconds = sum(found.seconds(name) for name in found.study.configurations)
    searches = sum(each.seconds["laptop"] for each in found.study.measurements.values())
    first = found.scale.rounds[0]
    assert first.seeds * (seconds + searches) / found.scale.at_once < 0.75 * found.scale.hours * 3600


def test_a_file_says_null_as_text_in_overrides_alone() -> None:
    read = from_toml('title = "null"\n[x.overrides]\nclip = "null"\nlist = ["null", "a"]')
    assert read == {"title": "null", "x": {"overrides": {"clip": None, "list": [None, "a"]}}}
    with pytest.raises(InvalidInput, match="not valid"):
        from_toml("title = ")


@pytest.mark.parametrize(
    ("toml", "problem"),
    [
        ("a.overrides.begin = 2026-01-31", "a.overrides.begin: must not be a date or a time: 2026-01-31."),
        ("a.list = [07:32:00]", "a.list.0: must not be a date or a time: 07:32:00."),
        ('title = "\\u0000"', "title: has a control character (U+0000)."),
        (f"a = {'[' * 40}{']' * 40}", "is nested too deeply: at most 32"),
        (f"a = {'[' * 9000}{']' * 9000}", "is nested too deeply: at most 32"),
    ],
)
def test_what_a_file_can_hold_and_no_study_can_is_refused(toml: str, problem: str) -> None:
    with pytest.raises(InvalidInput) as error:
        from_toml(toml)
    assert problem in str(error.value.problems[0])


def test_texts_of_a_study_may_have_several_lines() -> None:
    """Also where its file goes to a lab elsewhere: `problems` is what looks at a request."""
    read = from_toml('''about = """two\nlines"""\n[[claims]]\nwould_change = "one\\ntwo"''')
    assert read["about"] == "two\nlines"
    assert problems({"study": read}) == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"scale": {}}, "scale: unknown field. Did you mean 'scales'?"),
        (claim({"of": "c"}), "claims.0.tests.0.of: unknown configuration 'c'."),
        (claim({"of": "a/gradeint"}), "claims.0.tests.0.of: unknown measurement 'gradeint'. Did you mean"),
        (claim({"of": "a", "minus": "a"}), "claims.0.tests.0.minus: is the same sample as of."),
        (claim({"of": "a", "measure": "pass@3"}), "claims.0.tests.0.measure: asks for pass@3"),
        (claim({"of": "a", "measure": "los"}), "claims.0.tests.0.measure: names no recorded series 'los'"),
        (
            claim({"of": "a/gradient", "minus": "b", "measure": "loss"}),
            "claims.0.tests.0.measure: is loss, which a training records",
        ),
        (claim({"of": "a", "bar": 1.5}), "claims.0.tests.0.bar: must lie in 0 to 1, not 1.5."),
        (claim({"of": "a", "comparison": ">=", "bar": 0}), "claims.0.tests.0.bar: is met by every value."),
        (claim({"of": "a", "comparison": ">", "bar": 1}), "claims.0.tests.0.bar: is met by no value."),
        (claim(), "claims.0.tests: "),
        ({"measurements": {"gradient": GRADIENT | {"seconds": {}}}}, "measurements.gradient.seconds.small"),
    ],
)
def test_what_is_wrong_with_a_file_names_the_field(changes: dict[str, Any], problem: str) -> None:
    problems = refused(**changes)
    assert any(each.startswith(problem) for each in problems), problems


def test_rounds_ascend_and_starts_lead_to_no_circle() -> None:
    scales = raw()["scales"]
    scales["small"]["rounds"] = [{"seeds": 3}, {"seeds": 2}]
    assert refused(scales=scales)[0].startswith("scales.small.rounds: must ascend")
    configurations = raw()["configurations"]
    configurations["a"]["starts_from"] = {"configuration": "b"}
    configurations["b"]["starts_from"] = {"configuration": "a"}
    problems = refused(configurations=configurations)
    assert (
        problems[0] == "configurations.a.starts_from.configuration: leads back to a. Start from another one."
    )


def test_what_no_run_could_be_is_refused_before_the_first_one() -> None:
    configurations = raw()["configurations"]
    configurations["b"]["overrides"] = {"model": {"core": {"width": 63}}}
    measurements = {"gradient": GRADIENT | {"options": {"set": "x", "views": 0}}}
    with pytest.raises(InvalidInput) as error:
        check(design(configurations=configurations, measurements=measurements))
    fields = [problem.field for problem in error.value.problems]
    assert fields[0] == "configurations.b"
    assert {"measurements.gradient.options.set", "measurements.gradient.options.views"} <= set(fields)


def test_a_test_compares_scores_of_one_set() -> None:
    configurations = raw()["configurations"]
    configurations["b"]["overrides"] = {"evaluation": {"sets": [{"name": "arc-agi-2/evaluation"}]}}
    with pytest.raises(InvalidInput) as error:
        check(design(configurations=configurations, **claim({"of": "a", "minus": "b"})))
    (problem,) = error.value.problems
    assert str(problem) == (
        "claims.0.tests.0.measure: compares scores of different sets: a on arc-agi-1/evaluation and b on "
        "arc-agi-2/evaluation. Name one set: pass@1 on SET."
    )


def test_a_claim_is_judged_when_a_round_is_complete_and_not_before() -> None:
    found = design(**claim({"of": "a", "minus": "b"}))
    there = known({"a": [19, 19], "b": [1, 1]})
    lacking = Known(there.trainings, dict(list(there.scorings.items())[:-1]))
    assert (only(found, lacking).verdict, only(found, lacking).rounds) == ("undecided", 0)
    result = only(found, there)
    assert (result.verdict, result.rounds, result.tests[0].seeds) == ("supported", 1, 2)
    assert result.tests[0].value == pytest.approx(18 / 20)
    assert only(found, known({"a": [1, 1], "b": [19, 19]})).verdict == "refuted"


def test_the_first_round_that_decides_stands() -> None:
    """Later seeds that would say otherwise are not asked for, and are not looked at."""
    found = design(**claim({"of": "a", "minus": "b"}))
    there = known({"a": [19, 19, 0, 0], "b": [1, 1, 20, 20]})
    assert (only(found, there).verdict, only(found, there).rounds) == ("supported", 1)


def test_each_look_and_each_test_widens_the_interval() -> None:
    one = design(**claim({"of": "a", "bar": 0.5}))
    two = design(**claim({"of": "a", "bar": 0.5}, {"of": "b", "bar": 0.5}))
    there = known({"a": [15, 14], "b": [15, 14]})
    assert one.confidence(one.study.claims[0]) == pytest.approx(0.975)
    assert two.confidence(two.study.claims[0]) == pytest.approx(0.9875)
    shares = [15 / TASKS, 14 / TASKS]
    mean = mean_of_shares(shares, TASKS, 0.975)
    assert mean
    result = only(one, there).tests[0]
    assert (result.low, result.high) == (mean.low, mean.high)
    wider = only(two, there).tests[0]
    assert wider.low is not None
    assert result.low is not None
    assert wider.low < result.low
    usual = mean_of_shares(shares, TASKS)
    assert usual
    assert usual.low is not None
    assert result.low < usual.low


def test_a_claim_of_two_tests_needs_both_and_falls_with_one() -> None:
    tests = ({"of": "a", "bar": 0.5}, {"of": "b", "comparison": "<", "bar": 0.5})
    found = design(**claim(*tests))
    assert only(found, known({"a": [20, 20], "b": [0, 0]})).verdict == "supported"
    assert only(found, known({"a": [20, 20], "b": [20, 20]})).verdict == "refuted"
    assert only(found, known({"a": [20, 20], "b": [10, 9]})).verdict == "undecided"


def test_a_series_is_judged_by_its_seeds_and_not_where_they_agree_exactly() -> None:
    found = design(**claim({"of": "a", "minus": "b", "measure": "encoder/cross_sample_variance"}))

    def there(*values: tuple[float, float]) -> Known:
        trainings = {
            Training(name, seed): finished(**{"encoder/cross_sample_variance": value})
            for seed, pair in enumerate(values)
            for name, value in zip("ab", pair, strict=True)
        }
        return Known(trainings)

    assert only(found, there((3.0, 0.30), (3.1, 0.36))).verdict == "supported"
    assert only(found, there((3.0, 0.3), (0.1, 0.4))).verdict == "undecided"
    same = only(found, there((3.0, 1.0), (3.0, 1.0)))
    assert (same.verdict, same.tests[0].low, same.tests[0].value) == ("undecided", None, 2.0)


@pytest.mark.parametrize(
    ("test", "b"),
    [
        ({"of": "a", "measure": "reliance/cost", "bar": 0.05}, 0.0),
        ({"of": "a", "minus": "b", "measure": "accuracy/token"}, 0.1),
    ],
)
def test_an_interval_of_a_difference_of_shares_ends_at_100_percent(test: dict[str, Any], b: float) -> None:
    there = Known(
        {
            Training(name, seed): finished(**{test["measure"]: value})
            for name, values in (("a", (0.72, 0.98)), ("b", (b, b)))
            for seed, value in enumerate(values)
        }
    )
    result = only(design(**claim(test)), there)
    (of_test,) = result.tests
    assert of_test.high == 1.0
    assert result.verdict == "undecided"  # two seeds: the other end is far away
    assert all(sample.mean and (sample.mean.high or 0.0) <= 1.0 for sample in of_test.samples)


def test_a_share_on_which_all_seeds_agree_is_as_sure_as_so_many_trials() -> None:
    found = design(**claim({"of": "a", "measure": "accuracy/exact", "comparison": ">=", "bar": 0.25}))
    there = Known({Training("a", seed): finished(**{"accuracy/exact": 1.0}) for seed in (0, 1)})
    (test,) = only(found, there).tests
    assert test.low is not None
    assert 0.25 < test.low < 0.5
    assert only(found, there).verdict == "supported"


def test_sides_that_no_task_tells_apart_are_equal_only_as_far_as_the_tasks_can_tell() -> None:
    nothing = known({"a": [0, 0], "b": [0, 0]})
    result = only(design(**claim({"of": "a", "minus": "b"})), nothing)
    (test,) = result.tests
    assert (result.verdict, test.value) == ("undecided", 0.0)
    assert test.low is not None
    assert test.high is not None
    assert 0.15 < test.high == -test.low < 0.25  # none of 20
    bounded = {"of": "a", "minus": "b", "comparison": "<", "bar": 0.25}
    assert only(design(**claim(bounded)), nothing).verdict == "supported"


def test_a_failed_run_blocks_its_claims_and_says_which() -> None:
    there = known({"a": [20, 19], "a/gradient": [20, 19]})
    trainings = dict(there.trainings) | {Training("b", 0): Trained("failed", "run9", cause="out of memory")}
    results = judged(design(), Known(trainings, there.scorings))
    assert results[0].trouble == "Run run9 (b, seed 0): out of memory."
    assert not results[0].is_open


def test_samples_without_a_task_in_common_say_so() -> None:
    """As those of two canvases, of which each takes the tasks that fit."""
    found = design(**claim({"of": "a", "minus": "b"}))
    there = known({"a": [20, 20], "b": [1, 1]})
    others = Scored("finished", 1, 10.0, ranks={f"other{number}": [1] for number in range(TASKS)})
    scorings = {
        work: others if work.sample.configuration == "b" else of for work, of in there.scorings.items()
    }
    apart = Known(there.trainings, scorings)
    assert only(found, apart).trouble == "No task was scored for every sample and seed: a and b."
    assert plan(found, apart, 1.0).over == BLOCKED


def test_runs_come_seed_by_seed_and_evaluations_once_there_are_weights() -> None:
    found = design()
    assert list(plan(found, Known(workers=2), 1).work) == [Training("a", 0), Training("b", 0)]
    running = {Training("a", 0): finished(), Training("b", 0): Trained("active", "run")}
    plain, search = (Scoring(Sample("a", each, SET), 0, TASKS) for each in ("", "gradient"))
    assert list(plan(found, Known(running, workers=2), 1).work) == [plain]
    scored = Known(running, {plain: solving(1)}, workers=2)
    assert list(plan(found, scored, 1).work) == [search]


def test_what_starts_from_a_run_waits_for_it() -> None:
    configurations = raw()["configurations"]
    configurations["b"]["starts_from"] = {"configuration": "trm", "weights": "raw", "part": "decoder"}
    configurations["trm"] = {
        "title": "TRM",
        "overrides": {"model": {"kind": "trm"}},
        "scales": {"small": {"seconds": 50}},
    }
    found = design(configurations=configurations, **claim({"of": "b", "bar": 0.5}))
    assert list(plan(found, Known(workers=2), 1).work) == [Training("trm", 0), Training("trm", 1)]
    there = Known({Training("trm", 0): finished(), Training("trm", 1): Trained("active", "run")}, workers=2)
    assert list(plan(found, there, 1).work) == [Training("b", 0)]
    start = found.config("b", 0, ("run", 600)).training.initialise_from
    assert (start.kind, start.weights, start.part, start.step) == ("run", "raw", "decoder", 600)  # type: ignore[union-attr]


def test_more_seeds_are_run_only_for_claims_that_are_open() -> None:
    decided = {"a": [19, 19], "b": [1, 1], "a/gradient": [19, 18]}
    due = plan(design(), known(decided), 1)
    assert list(due.work) == [Training("a", 2), Training("a", 3)]  # "guided" is open, "better" decided
    over = plan(design(), known({"a": [10, 10], "b": [0, 0], "a/gradient": [20, 20]}), 1)
    assert (list(over.work), over.over) == ([], ALL_DECIDED)


def test_nothing_is_begun_that_does_not_fit_into_the_budget() -> None:
    undecided = {"a": [10, 11], "b": [10, 9], "a/gradient": [10, 12]}
    assert plan(design(), known(undecided, spent=3500), 1).over == OUT_OF_TIME
    assert list(plan(design(), known(undecided, spent=3000), 1).work) == [Training("a", 2), Training("b", 2)]
    # Of two claims the one that needs two runs less still fits; with one worker there is half the time.
    assert list(plan(design(), known(undecided, spent=3400), 1).work) == [Training("a", 2), Training("a", 3)]
    assert plan(design(), known(undecided, spent=3400, workers=1), 1).over == OUT_OF_TIME


def test_measured_times_correct_those_of_the_file() -> None:
    undecided = known({"a": [10, 11], "b": [10, 9], "a/gradient": [10, 12]}, spent=3300)
    assert plan(design(), undecided, 1).work
    slow = {work: Trained("finished", "run", 600, 300.0) for work in undecided.trainings}
    assert plan(design(), Known(slow, undecided.scorings, 3300, 2), 1).over == OUT_OF_TIME


def test_what_runs_when_the_budget_is_spent_is_cancelled() -> None:
    due = plan(design(), Known({Training("a", 0): Trained("active", "run")}, spent=3600), 1)
    assert (due.cancel, due.over) == (True, OVER_BUDGET)


def test_a_study_ends_where_only_failures_are_left() -> None:
    there = known({"a": [20, 19], "a/gradient": [20, 19]})
    trainings = dict(there.trainings) | {Training("b", 0): Trained("failed", "run9", cause="x")}
    both = design(claims=raw()["claims"][:1])
    assert plan(both, Known(trainings, there.scorings, workers=2), 1).over == BLOCKED


@pytest.mark.parametrize(("freedom", "quantile"), [(1, 63.656741), (2, 9.924843), (10, 3.169273)])
def test_students_quantile_of_another_confidence(freedom: int, quantile: float) -> None:
    assert student_t(freedom, 0.99) == pytest.approx(quantile, abs=1e-5)


def test_a_difference_of_higher_confidence_is_wider() -> None:
    a = [[1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0], [1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0]]
    b = [[0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]]
    usual, wide = crossed_difference(a, b), crossed_difference(a, b, 0.99)
    assert wide.low < usual.low
    assert wide.mean == usual.mean
    assert wide.high > usual.high
