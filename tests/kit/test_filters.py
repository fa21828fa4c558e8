"""The filter language: what matches, and what is said about a filter that cannot be read."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from backend.domain.metrics import NAMES
from backend.kit.errors import InvalidInput
from backend.kit.filters.parser import MAX_LENGTH, OPERATORS, parse
from backend.kit.filters.tree import Value, matches
from backend.run_view.filter_names import at_path, bind, meant_by_word, remarks

RUN: dict[str, Value] = {
    "name": "det-arc1",
    "status": "finished",
    "encoder": "deterministic",
    "seed": 3,
    "step": 600,
    "tag": ("baseline", "keep"),
    "created": time.time() - 3600,
    "pass1": 0.0625,
    "accuracy/token": 0.78,
    "my metric": 1.5,
    "training.steps": 600,
    "model.reencode": True,
    "optimisation.gradient_clip": None,
    "data.canvas_sizes": (10, 20),
    "evaluation.sets.name": ("arc-agi-1/evaluation", "arc-agi-1/training"),
}
METRICS = {"accuracy/token", "accuracy/exact", "my metric"}


def found(text: str) -> bool:
    expression = parse(text, meant_by_word)
    assert expression
    return matches(bind(expression, METRICS), lambda name: RUN.get(name.removeprefix("config.")))


@pytest.mark.parametrize(
    "text",
    [
        'encoder == "deterministic" and accuracy/token > 0.5',
        "encoder == 'deterministic'",
        "seed in (1, 2, 3)",
        "seed in [3]",
        "seed not in [1, 2]",
        "seed != 4",
        'status != "failed"',
        "pass1 >= 6%",
        "0.05 < pass1",
        "step <= 6e2 and step >= 600",
        '`my metric` > 1 and not (seed == 1 or name contains "trm")',
        'name contains "ARC1"',
        '"det" in name',
        'tag == "keep"',
        '"baseline" in tag',
        'tag contains "baseline"',
        'tag in ["keep", "other"]',
        "training.steps == 600",
        "config.training.steps == 600",
        "model.reencode == true",
        "optimisation.gradient_clip == none",
        "data.canvas_sizes contains 20",
        'evaluation.sets.name == "arc-agi-1/training"',
        'created > "2020-01-31"',
        'created > "2h ago" and created < "30m ago"',
        'seed == 1 or seed == 2 and name == "x" or seed == 3',
        'NOT seed == 1 AND status == "finished"',
        "det",
        "DET arc1",
        "arc1 seed or det",
        '"et-ar"',
        "arc1 and seed == 3",
        "seed == 1 or (not trm)",
        "seed == 3 and 1",
    ],
)
def test_a_matching_filter_finds_the_run(text: str) -> None:
    assert found(text)
    assert not found(f"not ({text})")


@pytest.mark.parametrize("text", ["accuracy/exact > 0", "accuracy/exact < 1", "accuracy/exact == 0"])
def test_a_run_without_the_value_matches_no_comparison(text: str) -> None:
    assert not found(text)
    assert found("accuracy/exact != 0")


def test_and_binds_closer_than_or() -> None:
    assert found("seed == 3 or seed == 1 and seed == 2")
    assert not found("(seed == 3 or seed == 1) and seed == 2")


def test_true_is_not_the_number_one() -> None:
    assert not found("model.reencode == 1")


def test_a_blank_filter_is_no_filter() -> None:
    assert parse("  ") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("acuracy/token > 0.5", ["column 1:", "acuracy/token", "Did you mean 'accuracy/token'?"]),
        ("seed == 1 and trainin.steps > 3", ["column 15:", "Did you mean 'training.steps'?"]),
        ("warmup_step > 3", ["Did you mean 'optimisation.warmup_steps'?"]),
        ("encodr == 'trm'", ["Did you mean 'encoder'?"]),
        ("`a,b` == 1", ["Unknown name 'a,b'", "Known are id, name, status"]),
        ("name == det", ["column 9:", 'Text needs quotes: "det".']),
        ("seed = 3", ["column 6:", "Write == to compare."]),
        ("seed == 3 && step > 1", ["column 11:", "Write and."]),
        ("loss", ["column 5:", 'name contains "loss"']),
        ("encoder deterministic", ["column 9:", "expected one of"]),
        ("det seed == 3", ["column 5:", "expected and, or"]),
        ("w " * 21, ["column 41:", "at most 20 words"]),
        ("3rd", ["column 1:", "Put text in quotes."]),
        ("pass1 > 30", ["column 9:", "pass1 is a share from 0 to 1, not 30.", "Write 30%."]),
        ("seed ==", ["column 8:", "found the end"]),
        ("(seed == 3", ["column 11:", "expected )"]),
        ("seed == 3)", ["column 10:"]),
        ("seed == 3 step == 4", ["column 11:", "expected and, or"]),
        ('name == "det', ["column 9:", "never closed"]),
        ("seed in [1 2]", ["column 12:", "expected , or ]"]),
        ("seed == 'three'", ["column 9:", "seed is a number, not 'three'."]),
        ("name == 3", ["column 9:", "name is text"]),
        ("status == 'finishd'", ["'finishd' is not a valid status", "Did you mean 'finished'?"]),
        ("created > 'yesterdayish'", ["created is a time", "3d ago"]),
        ("step > 5; drop", ["column 9:", "';' means nothing here"]),
        ("__import__('os')", ["column 11:"]),
        ("(" * 60 + "seed == 1" + ")" * 60, ["50 deep"]),
        ("seed == 1 or " * 300 + "seed == 1", [f"longer than {MAX_LENGTH}"]),
    ],
)
def test_a_filter_that_cannot_be_read_says_where_and_what_to_write(text: str, said: list[str]) -> None:
    with pytest.raises(InvalidInput) as caught:
        found(text)
    (problem,) = caught.value.problems
    assert problem.field == "filter"
    for part in said:
        assert part in str(problem)


@pytest.mark.parametrize(
    "text", ["zzz == 1", "val/loss < 2", "accuracy/test:max > 0.5", "perplexity > loss", "loss > val/loss"]
)
def test_a_metric_that_no_run_has_recorded_is_a_name_without_a_value(text: str) -> None:
    assert not found(text)


def test_a_filter_that_may_mean_something_else_is_explained() -> None:
    assert list(remarks(parse("det or arc1", meant_by_word))) == [
        "Runs with 'det' in their name.",
        "Runs with 'arc1' in their name.",
    ]
    assert list(remarks(parse("accuracy/token:max > 50 and loss > 50", meant_by_word))) == [
        "accuracy/token is a share from 0 to 1, not 50. Write 50%."
    ]
    assert not list(remarks(parse('accuracy/token > 50% and name contains "det"', meant_by_word)))


def test_every_registered_metric_is_known_before_any_run_has_recorded_it() -> None:
    for name in NAMES:
        expression = parse(f"`{name}:min` > 0 or `{name}` == 1")
        assert expression
        bind(expression, ())


def test_values_are_found_by_dotted_path_through_lists_and_foreign_keys() -> None:
    config = {"sets": [{"name": "a"}, {"name": "b"}], "lr": 0.1, "opt.beta": 2, "note": None, "empty": []}
    assert at_path(config, "sets.name") == ("a", "b")
    assert at_path(config, "sets.1.name") == "b"
    assert at_path(config, "lr") == 0.1
    assert at_path(config, "opt.beta") == 2
    assert at_path(config, "note") is None
    assert at_path(config, "empty") is None
    assert at_path(config, "missing.deeper") is None
    assert at_path(config, "lr.deeper") is None


def test_the_browser_completes_the_operators_of_the_grammar_and_no_others() -> None:
    script = Path(__file__).parents[2] / "frontend/static/js/runs_table/completion.js"
    listed = re.search(r"const OPERATORS = (\[[^\]]*\]);", script.read_text())
    assert listed
    assert set(json.loads(listed[1])) == set(OPERATORS)
