"""Sweeps: which runs they make, how those are called, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from backend.domain.config.presets import PRESETS, quick
from backend.domain.config.problems import flatten, parse_experiment
from backend.domain.experiment import ExperimentConfig
from backend.domain.sweeps import Variation, confounds, expand, parse_sweep, read_axis, sweepable
from backend.kit.errors import InvalidInput

WIDTH, HEADS, RATE, KIND = (
    "model.core.width",
    "model.core.heads",
    "optimisation.learning_rate",
    "model.encoder.kind",
)


def made(config: ExperimentConfig = quick(), **sweep: Any) -> tuple[Variation, ...]:  # noqa: B008
    return expand(config, parse_sweep(sweep))


def names(**sweep: Any) -> list[str]:
    return [each.config.name for each in made(**sweep)]


def refused(**sweep: Any) -> list[str]:
    with pytest.raises(InvalidInput, match="The sweep is not valid") as error:
        made(**sweep)
    return [str(problem) for problem in error.value.problems]


def test_replicates_count_up_from_the_seed_of_the_config() -> None:
    runs = made(quick().model_copy(update={"seed": 7}), seeds=3)
    assert [(each.config.seed, each.config.name, each.changes) for each in runs] == [
        (7, "quick · seed 7", {"seed": 7}),
        (8, "quick · seed 8", {"seed": 8}),
        (9, "quick · seed 9", {"seed": 9}),
    ]


def test_a_grid_is_every_combination_with_every_seed_and_nothing_else_changes() -> None:
    runs = made(seeds=2, grid={WIDTH: [64, 128], HEADS: [2, 4]})
    assert [each.config.name for each in runs][:3] == [
        "quick · width 64 · heads 2 · seed 0",
        "quick · width 64 · heads 2 · seed 1",
        "quick · width 64 · heads 4 · seed 0",
    ]
    assert len(runs) == 8
    last = quick().model_dump(mode="json")
    last["model"]["core"] |= {"width": 128, "heads": 4}
    assert runs[-1].config.model_dump(mode="json") == last | {"seed": 1, "name": runs[-1].config.name}


def test_another_kind_starts_from_its_defaults_and_the_configs_own_kind_stays_as_it_is() -> None:
    config = parse_experiment(
        {"preset": "quick", "model": {"encoder": {"kind": "deterministic", "layers": 3}}}
    )
    kept, other = made(config, grid={KIND: ["deterministic", "iterative"]})
    fresh = parse_experiment({"preset": "quick", "model": {"encoder": {"kind": "iterative"}}})
    assert kept.config.model == config.model
    assert other.config.model == fresh.model
    assert other.config.name == "quick · encoder iterative"


def test_every_field_that_differs_though_nobody_swept_it_is_named() -> None:
    sweep = parse_sweep(
        {"seeds": 2, "grid": {KIND: ["deterministic", "iterative", "graph"], WIDTH: [64, 128]}}
    )

    found = {each.path: each for each in confounds(_jsons(expand(quick(), sweep)), sweep)}

    layers = found["model.encoder.layers"]
    assert layers.values == {"encoder deterministic": 1, "encoder iterative": 2, "encoder graph": 3}
    assert layers.words == "1 (encoder deterministic) · 2 (encoder iterative) · 3 (encoder graph)"
    assert [each.path for each in found.values() if each.has_values] == ["model.encoder.layers"]
    assert next(iter(found)) == "model.encoder.layers"
    assert found["model.encoder.refine_layers"].values == {"encoder iterative": 2}
    assert not found.keys() & {KIND, WIDTH, "seed", "name"}


def test_a_sweep_of_plain_fields_changes_nothing_else() -> None:
    sweep = parse_sweep({"seeds": 3, "grid": {WIDTH: [64, 128], HEADS: [2, 4]}})
    assert confounds(_jsons(expand(quick(), sweep)), sweep) == []


@pytest.mark.parametrize("path", ["model.encoder.kind", "model.kind"])
def test_with_the_same_depth_what_two_kinds_share_is_as_in_the_config(path: str) -> None:
    values = {
        "model.encoder.kind": ["deterministic", "iterative", "slots", "variational", "per_demo", "graph"]
    }
    sweep = parse_sweep({"grid": {path: values.get(path, ["etrm", "trm"])}, "same_depth": True})

    variations = expand(quick(), sweep)

    assert [each.path for each in confounds(_jsons(variations), sweep) if each.has_values] == []
    base = flatten(quick())
    for each in variations:
        fields = flatten(each.config)
        assert {name: fields[name] for name in fields.keys() & base.keys() - {path, "name"}} == {
            name: base[name] for name in fields.keys() & base.keys() - {path, "name"}
        }


def test_the_same_depth_leaves_what_the_sweep_sets_itself() -> None:
    grid = {KIND: ["deterministic", "iterative"], "model.encoder.layers": [3, 4]}
    runs = made(grid=grid, same_depth=True)
    assert [each.config.model.encoder.layers for each in runs] == [3, 4, 3, 4]  # type: ignore[union-attr]
    whole = [{"kind": "iterative", "layers": 5}, {"kind": "deterministic"}]
    deep, own = made(grid={"model.encoder": whole}, same_depth=True)
    assert deep.config.model.encoder.layers == 5  # type: ignore[union-attr]
    assert own.config.model == quick().model


def test_what_an_object_among_the_values_sets_is_swept_and_what_it_leaves_out_is_not() -> None:
    grid = {"model.encoder": [{"kind": "deterministic", "layers": 1}, {"kind": "slots", "layers": 4}]}
    sweep = parse_sweep({"grid": grid})
    found = [each.path for each in confounds(_jsons(expand(quick(), sweep)), sweep)]
    assert "model.encoder.layers" not in found
    assert "model.encoder.iterations" in found


def _jsons(variations: Sequence[Variation]) -> list[dict[str, Any]]:
    return [each.config.model_dump(mode="json") for each in variations]


def test_random_draws_lie_in_their_range_and_are_the_same_every_time() -> None:
    sweep = {
        "random": {
            RATE: {"low": 1e-4, "high": 1e-2, "log": True},
            "model.core.layers": {"low": 1, "high": 3},
            "training.precision": ["fp32", "bf16"],
        },
        "count": 40,
    }
    runs = made(**sweep)
    assert runs == made(**sweep)
    assert runs != made(**sweep, draw_seed=1)
    rates = [each.config.optimisation.learning_rate for each in runs]
    assert 1e-4 <= min(rates) <= 2e-4
    assert 5e-3 <= max(rates) <= 1e-2
    assert 10 < sum(rate < 1e-3 for rate in rates) < 30  # half of the draws below the logarithmic middle
    assert {each.config.model.core.layers for each in runs} == {1, 2, 3}
    assert {each.config.training.precision for each in runs} == {"fp32", "bf16"}


def test_random_whole_numbers_reach_both_ends_on_either_scale() -> None:
    for log in (False, True):
        spans = {"training.steps": {"low": 1, "high": 4, "log": log}}
        assert sorted(each.changes["training.steps"] for each in made(random=spans, count=4)) == [1, 2, 3, 4]


def test_labels_take_as_few_words_as_tell_two_fields_apart() -> None:
    (first, *_) = names(grid={"model.core.layers": [1, 2], "model.encoder.layers": [1, 2]})
    assert first == "quick · core layers 1 · encoder layers 1"


def test_names_stay_short_and_different() -> None:
    config = quick().model_copy(update={"name": "n" * 118})
    runs = [each.config.name for each in made(config, seeds=12)]
    assert len(set(runs)) == 12
    assert max(map(len, runs)) <= 120


@pytest.mark.parametrize(
    ("sweep", "said"),
    [
        ({}, "sweep.seeds: 1, and no field has two values: nothing varies."),
        ({"grid": {WIDTH: [64]}}, "nothing varies"),
        ({"seeds": 0}, "sweep.seeds: must be 1 to 256, not 0."),
        ({"seeds": "many"}, 'sweep.seeds: must be a whole number, not "many".'),
        (
            {"seeds": 17, "grid": {HEADS: [*range(1, 17)]}},
            "makes 272 runs (16 of model.core.heads × 17 seeds)",
        ),
        ({"grid": {"model.core.widht": [1, 2]}}, "unknown field. Did you mean 'width'?"),
        (
            {"grid": {"steps": [1, 2]}},
            "sweep.grid.steps: unknown field. Use training.steps.",
        ),
        ({"grid": {WIDTH: [64, 99999]}}, "value 2: must be at least 8 and at most 4096, not 99999."),
        ({"grid": {WIDTH: [64, "wide"]}}, 'value 2: must be a whole number, not "wide".'),
        ({"grid": {WIDTH: [64, 66]}}, "value 2: 66 must be an even multiple of heads 4. Try width 64."),
        ({"grid": {WIDTH: [64, 66], HEADS: [4, 3]}}, "with width 64 · heads 3: 64 must be an even multiple"),
        ({"grid": {KIND: ["slots", "slot"]}}, 'value 2: unknown kind "slot"'),
        ({"grid": {WIDTH: [64, 64.0]}}, "values 1 and 2 make the same run. Remove one of them."),
        ({"grid": {WIDTH: []}}, f"sweep.grid.{WIDTH}: has no value."),
        ({"grid": {WIDTH: 64}}, "must be a list of values, not 64."),
        ({"grid": {"seed": [1, 2]}, "seeds": 2}, "is what seeds repeats."),
        ({"grid": {"name": ["a", "b"]}}, "cannot be swept. The runs are named after what varies."),
        ({"grid": {"model.encoder": [{"kind": "slots"}], KIND: ["graph"]}}, "lies inside model.encoder"),
        ({"grid": {"model..core": [1, 2]}}, "is not a field path."),
        (
            {"grid": {WIDTH: [8, 16]}, "random": {HEADS: [1, 2]}, "count": 2},
            "cannot be combined with a grid.",
        ),
        ({"random": {HEADS: [1, 2]}}, "sweep.count: is missing."),
        ({"seeds": 2, "count": 3}, "is the number of random draws."),
        ({"random": {HEADS: [1, 2]}, "count": 3}, "is 3, but only 2 different draws were found."),
        ({"random": {RATE: {"low": 2, "high": 1}}, "count": 2}, "goes from 2 to 1: nothing lies between."),
        ({"random": {RATE: {"low": 0, "high": 1, "log": True}}, "count": 2}, "cannot start at 0 on a log"),
        ({"random": {RATE: {"low": 0.1}}, "count": 2}, f"sweep.random.{RATE}.high: is missing."),
        ({"random": {RATE: {"low": 0.1, "hihg": 1}}, "count": 2}, "Did you mean 'high'?"),
        ({"random": {HEADS: {"low": 0.1, "high": 0.9, "integer": True}}, "count": 2}, "has no whole number"),
        (
            {"random": {RATE: {"low": 0.1, "high": 1, "log": True, "step": 0.1}}, "count": 2},
            "both log and step",
        ),
        ({"random": {RATE: {"low": 0.1, "high": 1, "step": 2}}, "count": 2}, "in steps of 2"),
        ({"seds": 2}, "sweep.seds: unknown field. Did you mean 'seeds'?"),
    ],
)
def test_a_wrong_sweep_names_its_field_and_the_way_out(sweep: dict[str, Any], said: str) -> None:
    assert said in "\n".join(refused(**sweep))


def test_a_range_out_of_bounds_is_told_a_few_times_not_for_every_draw() -> None:
    said = refused(random={RATE: {"low": 2, "high": 3}}, count=50)
    assert len(said) == 3
    assert "draw 1: must be more than 0 and at most 1" in said[0]


def test_seeds_past_the_largest_one_are_refused() -> None:
    with pytest.raises(InvalidInput, match="past the largest seed"):
        made(quick().model_copy(update={"seed": 2**31 - 2}), seeds=3)


@pytest.mark.parametrize(
    ("kind", "text", "read"),
    [
        ("grid", "64, 128", [64, 128]),
        ("grid", "deterministic, iterative", ["deterministic", "iterative"]),
        ("grid", "true,null, 1e-3", [True, None, 1e-3]),
        ("grid", "[10], [10, 20]", [[10], [10, 20]]),
        ("grid", '"a, b", c', ["a, b", "c"]),
        ("grid", "1..4", [1, 2, 3, 4]),
        ("random", "1e-4..1e-2:log", {"low": 1e-4, "high": 1e-2, "log": True}),
        ("random", " .5 .. 2 : integer : log ", {"low": 0.5, "high": 2, "log": True, "integer": True}),
        ("random", "-1..1", {"low": -1, "high": 1}),
        ("random", "32..256:step=32", {"low": 32, "high": 256, "step": 32}),
        ("grid", "", []),
    ],
)
def test_values_are_read_as_a_person_types_them(kind: Any, text: str, read: object) -> None:
    assert read_axis(kind, WIDTH, text) == read


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        ("grid", "0.1..0.2", "is no list of values"),
        ("grid", "1..4:log", "needs a random sweep"),
        ("grid", "1..9999", "are 9,999 values"),
        ("random", "1..2:lgo", "Known: log, step=NUMBER, integer."),
        ("random", "one..2", '"one" is no end of a range'),
        ("random", "1..2:step=x", '"x" is no step of a range'),
    ],
)
def test_a_range_that_cannot_be_read_says_how_to_write_it(kind: Any, text: str, said: str) -> None:
    with pytest.raises(InvalidInput) as error:
        read_axis(kind, WIDTH, text)
    assert said in str(error.value)


def test_every_field_of_every_preset_can_be_swept_but_its_name_and_lists_of_configs() -> None:
    for preset in PRESETS.values():
        paths = {path for path in flatten(preset.make()) if not path.startswith("evaluation.sets")}
        placement = {"placement.labels", "placement.memory_gib"}
        assert paths - sweepable().keys() == {"name", "schema_version", "hypothesis.kind"} | placement
    assert sweepable()[WIDTH].title == "Width"
    assert sweepable()[KIND].takes.startswith("deterministic or variational")
