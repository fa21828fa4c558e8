"""Every way a config can be wrong has a message that names the field and says what to do."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.domain.config.presets import PRESETS, preset
from backend.domain.config.problems import apply_overrides, differences, flatten, parse_experiment, parse_json
from backend.domain.experiment import ExperimentConfig, TrmModel
from backend.kit.errors import InvalidConfig


def problems(raw: object) -> dict[str, str]:
    """Dotted field -> message and hint of everything wrong with `raw`."""
    with pytest.raises(InvalidConfig) as caught:
        parse_experiment(raw)
    return {each.field: f"{each.message} {each.hint}".strip() for each in caught.value.problems}


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_round_trips_through_json(name: str) -> None:
    assert parse_json(preset(name).model_dump_json()) == preset(name)
    assert parse_experiment({"preset": name}) == preset(name)


@pytest.mark.parametrize(
    ("raw", "field", "said"),
    [
        ({"model": {"core": {"widht": 3}}}, "model.core.widht", "Did you mean 'width'?"),
        ({"steps": 4}, "steps", "Use training.steps."),
        ({"learning_rat": 1}, "learning_rat", "Did you mean 'optimisation.learning_rate'?"),
        ({"model": {"width": 64}}, "model.width", "Use model.core.width"),
        ({"model": {"embedding_width": 3}}, "model.embedding_width", "when model.kind is trm."),
        ({"model": {"zzzz": 1}}, "model.zzzz", "Known here: kind, core, act, encoder, reencode."),
        ({"evaluation": {"sets": [{}, {"nam": "x"}]}}, "evaluation.sets.1.nam", "Did you mean 'name'?"),
        ({"training": {"steps": 0}}, "training.steps", "must be at least 1, not 0."),
        ({"model": {"core": {"width": 5000}}}, "model.core.width", "at least 8 and at most 4096, not 5000"),
        ({"training": {"steps": "many"}}, "training.steps", 'must be a whole number, not "many".'),
        ({"training": {"steps": 1.5}}, "training.steps", "must be a whole number, not 1.5."),
        ({"training": {"device": "gpu"}}, "training.device", "choose auto, cpu or cuda."),
        ({"training": 5}, "training", "must be an object with the fields steps, batch_size"),
        ({"model": 5}, "model", "must be an object with the fields kind, core"),
        ({"name": "x" * 121}, "name", "must be at most 120 characters long"),
        ({"data": {"training_sets": []}}, "data.training_sets", "at least 1 and at most 16 entries long"),
        ({"data": {"canvas_sizes": [10, "x"]}}, "data.canvas_sizes.1", "must be a whole number"),
        ({"optimisation": {"learning_rate": float("nan")}}, "optimisation.learning_rate", "must be a number"),
        ({"model": {"kind": "tmr"}}, "model.kind", "choose trm or etrm. Did you mean 'trm'?"),
        ({"model": {"kind": None}}, "model.kind", "choose trm or etrm."),
        ({"model": {"encoder": {"kind": "slot"}}}, "model.encoder.kind", 'unknown kind "slot": choose'),
        ({"model": {"core": {"width": 100}}}, "model.core.width", "Try width 96."),
        ({"data": {"canvas_sizes": [30, 10]}}, "data.canvas_sizes", "[30, 10] must ascend"),
        ({"data": {"evaluation_demonstrations": True}}, "data.evaluation_demonstrations", "must be false"),
        ({"preset": "quik"}, "preset", "Did you mean 'quick'?"),
        ({"preset": 3}, "preset", "must be the name of a preset, not 3."),
        ([], "", "A config is a JSON object, not a list."),
        (None, "", "A config is a JSON object, not null."),
    ],
)
def test_a_mistake_is_named_with_its_field_and_a_way_out(raw: object, field: str, said: str) -> None:
    found = problems(raw)
    assert list(found) == [field]
    assert said in found[field]


def test_every_mistake_of_a_config_is_reported_at_once() -> None:
    found = problems({"seed": -1, "training": {"steps": 0, "batchsize": 4}, "model": {"kind": "etmr"}})
    assert set(found) == {"seed", "training.steps", "training.batchsize", "model.kind"}


@pytest.mark.parametrize(
    "text", ["", "{", "[" * 100_000, "9" * 5_000, b"\xff\xfe{", '{"seed": 01}', "\x00"], ids=range(7)
)
def test_text_that_is_no_json_is_refused_in_one_message(text: str | bytes) -> None:
    with pytest.raises(InvalidConfig, match="JSON"):
        parse_json(text)


def test_broken_json_names_line_and_column() -> None:
    with pytest.raises(InvalidConfig, match="Line 2, column 10 is not JSON"):
        parse_json('{\n "seed": ,}')


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["preset", "model", "kind", "core", "width", "data", "evaluation", "sets", "x", "0"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(raw=JSON)
def test_any_json_is_either_a_config_or_named_problems(raw: Any) -> None:
    found: ExperimentConfig | InvalidConfig
    try:
        found = parse_experiment(raw)
    except InvalidConfig as error:
        found = error
    if isinstance(found, InvalidConfig):
        assert found.problems
        assert all(problem.message for problem in found.problems)
    else:
        assert parse_json(found.model_dump_json()) == found


def test_keys_beside_a_preset_change_it_deeply() -> None:
    config = parse_experiment({"preset": "quick", "model": {"core": {"width": 32}}})
    assert differences(preset("quick"), config) == {"model.core.width": (64, 32)}


def test_a_changed_kind_starts_from_the_defaults_of_that_kind() -> None:
    config = parse_experiment({"preset": "quick", "model": {"kind": "trm", "core": {"width": 64}}})
    expected = TrmModel().model_dump()
    expected["core"]["width"] = 64
    assert config.model.model_dump() == expected


def test_overrides_reach_nested_fields_and_members_of_lists() -> None:
    assignments = ["training.steps=7", "training.device=cpu", "evaluation.sets.1.first_tasks=null"]
    config = parse_experiment(apply_overrides({"preset": "quick"}, assignments))
    assert differences(preset("quick"), config) == {
        "training.steps": (preset("quick").training.steps, 7),
        "training.device": ("auto", "cpu"),
        "evaluation.sets.1.first_tasks": (16, None),
    }


def test_the_order_of_overrides_does_not_undo_a_changed_kind() -> None:
    raw = apply_overrides({}, ["model.core.width=64", "model.kind=trm"])
    config = parse_experiment(raw)
    assert (config.variant, config.model.core.width) == ("trm", 64)


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("training.setps=1", "Did you mean 'steps'?"),
        ("width=64", "Use model.core.width"),
        ("training.steps=ten", 'must be a whole number, not "ten"'),
        ("training.steps.x=1", "must be a whole number"),
        ("steps", "Write path=value"),
        ("=1", "Write path=value"),
        ("evaluation.sets.7.name=x", "must be a list"),
    ],
)
def test_a_wrong_override_is_explained_like_a_wrong_config(assignment: str, said: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        parse_experiment(apply_overrides({"preset": "quick"}, [assignment]))
    assert said in str(caught.value)


def test_flattening_names_every_leaf_once() -> None:
    flat = flatten(preset("quick"))
    assert flat["model.encoder.kind"] == "deterministic"
    assert flat["data.canvas_sizes"] == [10]
    assert flat["evaluation.sets.0.name"] == "arc-agi-1/evaluation"
    assert not any(isinstance(value, dict) for value in flat.values())
    assert json.loads(json.dumps(flat)) == flat


def test_two_variants_differ_in_the_fields_only_one_has() -> None:
    found = differences(preset("etrm_deterministic_arc1"), preset("trm_arc1"))
    assert found["model.kind"] == ("etrm", "trm")
    assert found["model.encoder.layers"] == (2, None)
    assert found["model.embedding_width"] == (None, 512)
    assert "seed" not in found


def test_a_set_evaluated_twice_is_refused_since_its_results_would_be_one() -> None:
    raw = {"preset": "quick", "evaluation": {"sets": [{"name": "a"}, {"name": "a", "first_tasks": 3}]}}
    with pytest.raises(InvalidConfig) as error:
        parse_experiment(raw)
    assert error.value.problems[0].field == "evaluation.sets"
    assert "a more than once" in error.value.problems[0].message
