"""The key of a configuration: equal for what trains equally, whoever wrote it down and when."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, create_model

from backend.domain.config.messages import models_of
from backend.domain.config.presets import PRESETS
from backend.domain.config.problems import parse_experiment
from backend.domain.experiment import ExperimentConfig
from backend.domain.experiment.fields import Config, field
from backend.domain.experiment.identity import (
    canonical_json,
    complete,
    complete_section,
    configuration_key,
    key_of_json,
    key_of_training,
)
from backend.domain.experiment.versions import upgraded
from tests.support.releases.defaults import defaults
from tests.support.releases.kept import Release, releases

BAR = {"kind": "bar", "claim": "It learns.", "measure": "accuracy/token", "comparison": ">=", "value": 0.9}
REACHED = {"kind": "reached", "points": 1}
NAMES = st.text(max_size=5)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | NAMES
ANY_JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3)
)
OBJECTS = st.dictionaries(NAMES, ANY_JSON, max_size=4)
presets = st.sampled_from(sorted(PRESETS))


def stored(preset: str) -> dict[str, Any]:
    return PRESETS[preset].make().model_dump(mode="json")


def written_otherwise(value: Any, draw: st.DrawFn) -> Any:
    """The same JSON: members in another order, integral numbers with or without a point."""
    if isinstance(value, dict):
        return {key: written_otherwise(value[key], draw) for key in draw(st.permutations(sorted(value)))}
    if isinstance(value, list):
        return [written_otherwise(member, draw) for member in value]
    if isinstance(value, int | float) and not isinstance(value, bool) and value == int(value):
        return draw(st.sampled_from([int(value), float(value)]))
    return value


@st.composite
def rewritten(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    raw = stored(draw(presets))
    return raw, written_otherwise(raw, draw)


@given(rewritten())
def test_the_order_of_fields_and_the_way_of_writing_numbers_tell_nothing(
    both: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    assert key_of_training(both[0]) == key_of_training(both[1])
    assert key_of_json(both[0]) == key_of_json(both[1])


@given(presets, st.integers(0, 2**31 - 1), st.text(st.characters(codec="ascii"), max_size=20))
def test_the_name_and_the_seed_tell_nothing(preset: str, seed: int, name: str) -> None:
    raw = stored(preset)
    assert key_of_training({**raw, "seed": seed, "name": name}) == key_of_training(raw)


def paths_of(raw: dict[str, Any], prefix: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    for key, value in raw.items():
        yield (*prefix, key)
        if isinstance(value, dict):
            yield from paths_of(value, (*prefix, key))


def without(raw: dict[str, Any], path: tuple[Any, ...]) -> dict[str, Any]:
    left = copy.deepcopy(raw)
    inner = left
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return left


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_a_field_left_out_is_its_default(preset: str) -> None:
    raw = stored(preset)
    left_out = 0
    for path in paths_of(raw):
        fewer = without(raw, path)
        try:
            same = ExperimentConfig.model_validate(fewer) == PRESETS[preset].make()
        except ValueError:
            continue  # a kind
        left_out += same
        assert (key_of_training(fewer) == key_of_training(raw)) == (same or path[0] in ("name", "seed"))
        assert not same or complete(fewer) == raw
    assert left_out > 30


def test_another_value_of_any_field_is_another_configuration() -> None:
    raw = stored("quick")
    keys = {key_of_training(raw)}
    changed = [("training", "steps", 601), ("health", "probe_every", None), ("model", "reencode", False)]
    for section, name, value in changed:
        keys.add(key_of_training({**raw, section: {**raw[section], name: value}}))
    assert len(keys) == 1 + len(changed)


def test_how_often_histograms_are_recorded_tells_nothing() -> None:
    raw = stored("quick")
    for health in (raw["health"], {**raw["health"], "probe_every": 3}):
        recorded = ({**health, "histogram_every": every} for every in (None, 7, 100))
        keys = {key_of_training({**raw, "health": each}) for each in recorded}
        assert keys == {key_of_training({**raw, "health": health})}


def test_kinds_are_told_apart_even_where_all_else_is_the_default() -> None:
    kinds = models_of(ExperimentConfig.model_fields["model"].annotation)["etrm"].model_fields["encoder"]
    encoders = [{"model": {"encoder": {"kind": kind}}} for kind in models_of(kinds.annotation)]
    assert len({key_of_training(each) for each in encoders}) == len(encoders) > 3


def test_a_list_is_a_tuple() -> None:
    config = PRESETS["quick"].make()
    listed = config.model_copy(update={"data": config.data.model_copy(update={"canvas_sizes": [10]})})
    assert config.data.canvas_sizes == (10,)
    assert configuration_key(listed) == configuration_key(config)


def with_a_new_field(part: type[Config]) -> type[Config]:
    """The part as a later version may have it."""
    added = field({"patience": 3, "names": ("a", "b")}, "New", "Of a later version.")
    return create_model(f"Later{part.__name__}", __base__=part, new_field=(dict[str, Any], added))


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_a_field_that_is_added_with_a_default_changes_no_key(preset: str) -> None:
    sections = {
        name: with_a_new_field(type(getattr(ExperimentConfig(), name)))
        for name in ("data", "optimisation", "objective", "training", "health", "evaluation")
    }
    later: Any = create_model(
        "LaterExperiment",
        __base__=with_a_new_field(ExperimentConfig),
        **{name: (part, Field(default_factory=part)) for name, part in sections.items()},
    )
    raw = stored(preset)
    key = configuration_key(later.model_validate(raw))
    assert key == key_of_training(raw)
    assert configuration_key(later.model_validate({**raw, "new_field": {"patience": 4}})) != key
    other = {**raw, "health": {**raw["health"], "new_field": {}}}
    assert configuration_key(later.model_validate(other)) != key


def test_a_claim_tells_nothing_and_a_stop_rule_does() -> None:
    for key_of in (key_of_training, key_of_json):

        def key(**stated: Any) -> str:
            return key_of({"hypothesis": {**BAR, **stated}})  # noqa: B023 — called in the same turn

        assert key_of({}) == key() == key(claim="Other.") == key(value=0.8)
        assert key(stop=REACHED) != key()
        assert key(stop=REACHED, value=0.5) != key(stop=REACHED, value=0.6)


@given(OBJECTS)
def test_a_script_may_keep_any_json_and_is_never_taken_for_a_training(raw: dict[str, Any]) -> None:
    key = key_of_json(raw)
    assert len(key) == 12
    assert key == key_of_json(json.loads(json.dumps(raw)))
    assert key != key_of_training(stored("quick"))
    assert key_of_json({}) != configuration_key(ExperimentConfig())
    assert complete({"no field of ours": raw}) == {"no field of ours": raw}


@given(
    OBJECTS, st.text(min_size=1, max_size=8).filter(lambda name: name not in ("name", "seed", "hypothesis"))
)
def test_what_a_script_leaves_out_is_not_what_it_calls_null(raw: dict[str, Any], name: str) -> None:
    absent = {key: value for key, value in raw.items() if key != name}
    assert key_of_json({**absent, name: None}) != key_of_json(absent)


def test_numbers_have_one_form() -> None:
    assert canonical_json({"b": (1.0, -0.0), "a": 1e300}) == f'{{"a":{int(1e300)},"b":[1,0]}}'
    assert canonical_json([True, 1, 0.5]) == "[true,1,0.5]"


def test_a_section_alone_is_completed() -> None:
    assert complete_section("training", {"steps": 3})["batch_size"] == ExperimentConfig().training.batch_size
    assert complete_section("training", {"steps": "many"}) == {"steps": "many"}
    assert complete_section("sampler", 3) == 3


def test_a_config_of_an_older_version_is_brought_up_step_by_step() -> None:
    def renamed(config: dict[str, Any]) -> dict[str, Any]:
        return {("length" if key == "steps" else key): value for key, value in config.items()}

    def halved(config: dict[str, Any]) -> dict[str, Any]:
        return {**config, "length": config["length"] // 2}

    steps = (renamed, halved)
    assert upgraded({"schema_version": 1, "steps": 8}, steps) == {"schema_version": 3, "length": 4}
    assert upgraded({"schema_version": 2, "length": 8}, steps) == {"schema_version": 3, "length": 4}
    for left in (
        {"schema_version": 3, "length": 8},
        {"length": 8},
        {"schema_version": 9},
        {"schema_version": ""},
    ):
        assert upgraded(left, steps) == left


@pytest.mark.parametrize("release", releases(), ids=lambda release: release.name)
def test_a_default_changes_with_the_schema_version_alone(release: Release) -> None:
    """What older runs were trained by stands in `versions.UPGRADES` from then on; see its module."""
    recorded, now = release.defaults, defaults()
    if recorded["schema_version"] == now["schema_version"]:
        assert {path: now[path] for path in recorded if path in now} == recorded


@pytest.mark.parametrize(
    ("search", "depth"),
    [
        ({"kind": "gradient", "steps": 5}, 1),
        ({"kind": "gradient", "act_steps": 3}, 3),
        ({"kind": "gradient", "act_steps": None}, None),
    ],
)
def test_a_search_of_before_goes_on_asking_at_the_first_act_step(
    search: dict[str, object], depth: int | None
) -> None:
    stored = {"schema_version": 1, "evaluation": {"search": search}}
    assert parse_experiment(stored).model_dump()["evaluation"]["search"]["act_steps"] == depth
    now = parse_experiment({"evaluation": {"search": {"kind": "random"}}})
    assert now.model_dump()["evaluation"]["search"]["act_steps"] is None
    for other in ({}, {"search": {"kind": "none"}}, {"search": 3}):
        assert upgraded({"schema_version": 1, "evaluation": other})["evaluation"] == other
