"""What a hypothesis may say in a config: every mistake names its field and the way out."""

from __future__ import annotations

from typing import Any

import pytest

from backend.domain.config.problems import apply_overrides, parse_experiment
from backend.domain.experiment import BarHypothesis, NoHypothesis
from backend.domain.hypothesis.reading import hypothesis_of
from backend.domain.hypothesis.words import stop_words, success_words
from backend.kit.errors import InvalidConfig

BAR: dict[str, Any] = {"kind": "bar", "claim": "It learns."}


def problem_of(**hypothesis: Any) -> tuple[str, str]:
    with pytest.raises(InvalidConfig) as refused:
        parse_experiment({"preset": "quick", "hypothesis": {**BAR, **hypothesis}})
    (problem,) = refused.value.problems
    return problem.field, f"{problem.message} {problem.hint}"


@pytest.mark.parametrize(
    ("stated", "field", "said"),
    [
        ({"claim": ""}, "hypothesis.claim", "at least 1"),
        ({"measure": "acuracy/token"}, "hypothesis.measure", "Did you mean 'accuracy/token'?"),
        ({"measure": "accuracy/token", "value": 40}, "hypothesis.value", "Write 0.4 for 40 %"),
        ({"measure": "pass@1 on arc-agi-2/evaluation"}, "hypothesis.measure", "does not evaluate"),
        ({"stop": {"kind": "reached"}}, "hypothesis.stop.kind", "would favour luck"),
        ({"stop": {"kind": "hopeless", "measure": "pass@1"}}, "hypothesis.stop.measure", "while training"),
        (
            {"stop": {"kind": "hopeless", "measure": "tokens"}},
            "hypothesis.stop.measure",
            "no recorded series",
        ),
        ({"stop": {"kind": "hopeless", "value": 20}}, "hypothesis.stop.value", "Write 0.2 for 20 %"),
        ({"stop": {"kind": "hopeless", "after_step": 600}}, "hypothesis.stop.after_step", "never apply"),
        ({"kind": "baseline", "run_id": "mine"}, "hypothesis.run_id", "10 lower-case letters"),
        ({"kind": "baseline", "run_id": "a" * 10, "k": 3}, "hypothesis.k", "one of 1, 2, 5, 10"),
        ({"kind": "bars"}, "hypothesis.kind", "Did you mean 'bar'?"),
    ],
)
def test_a_mistake_names_its_field_and_what_to_do(stated: dict[str, Any], field: str, said: str) -> None:
    found, text = problem_of(**stated)
    assert found == field
    assert said in text


def test_scores_need_an_evaluation() -> None:
    with pytest.raises(InvalidConfig) as refused:
        parse_experiment({"preset": "quick", "hypothesis": BAR, "evaluation": {"sets": []}})
    assert refused.value.problems[0].field == "hypothesis.measure"


def test_the_command_line_states_one_and_it_is_put_in_words() -> None:
    stated = [
        "hypothesis.kind=bar",
        "hypothesis.claim=Wider is better.",
        "hypothesis.value=0.25",
        "hypothesis.stop.kind=hopeless",
        "hypothesis.stop.points=5",
    ]
    hypothesis = parse_experiment(apply_overrides({"preset": "quick"}, stated)).hypothesis
    assert isinstance(hypothesis, BarHypothesis)
    assert success_words(hypothesis).replace("\N{NARROW NO-BREAK SPACE}", " ") == "pass@1 ≥ 25.0 %"
    assert stop_words(hypothesis.stop).startswith("from step 100: stops as refuted where accuracy/token <")
    assert stop_words(hypothesis.stop).endswith("at 5 points in a row")


def test_a_config_of_before_there_were_any_states_none() -> None:
    assert isinstance(parse_experiment({}).hypothesis, NoHypothesis)
    assert hypothesis_of({}) is None
    assert hypothesis_of({"hypothesis": "a script's own"}) is None
