"""The named experiments: what they promise."""

from __future__ import annotations

import pytest

from backend.domain.config.presets import PRESETS, preset, preset_of_encoder
from backend.domain.config.problems import parse_experiment
from backend.domain.experiment import ENCODERS, FETCHED_SETS, EtrmModel
from backend.domain.experiment.encoders.iterative import IterativeEncoder
from backend.kit.errors import InvalidConfig


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_says_what_it_is_and_is_named(name: str) -> None:
    assert PRESETS[name].description
    assert preset(name).name


def test_a_misspelt_preset_gets_the_right_one_suggested() -> None:
    with pytest.raises(InvalidConfig, match="Did you mean 'trm_arc"):
        preset("trm_arc")


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_config_that_can_be_sent_and_read_again(name: str) -> None:
    config = preset(name)
    assert parse_experiment(config.model_dump(mode="json")) == config


@pytest.mark.parametrize(
    "name",
    [  # quick_etrm_deterministic_arc1 is quick itself, which asks any pair
        name for name in PRESETS if f"quick_{name}" in PRESETS and name != "etrm_deterministic_arc1"
    ],
)
def test_a_quick_form_is_the_same_system_on_the_same_kind_of_tasks(name: str) -> None:
    published, quick = preset(name), preset(f"quick_{name}")
    assert quick.variant == published.variant
    at_hand = tuple(each for each in published.data.training_sets if each not in FETCHED_SETS)
    assert quick.data.training_sets == at_hand
    assert quick.data.corner_pair == published.data.corner_pair
    assert quick.data.evaluation_demonstrations == published.data.evaluation_demonstrations
    assert quick.optimisation.gradient_clip == published.optimisation.gradient_clip
    assert (quick.objective, quick.data.query) == (published.objective, published.data.query)
    assert quick.training.steps == preset("quick").training.steps
    assert {each.name for each in quick.evaluation.sets} >= {each.name for each in published.evaluation.sets}


def test_every_system_of_the_field_has_a_published_and_a_quick_form() -> None:
    systems = {name for name in PRESETS if f"quick_{name}" in PRESETS}
    assert systems == {"trm_arc1", "trm_arc2", "etrm_iterative", *map(preset_of_encoder, ENCODERS)}


@pytest.mark.parametrize("kind", ENCODERS)
def test_every_encoder_has_a_preset_of_its_own(kind: str) -> None:
    for name in (preset_of_encoder(kind), f"quick_{preset_of_encoder(kind)}"):
        assert preset(name).variant == kind


def test_the_iterative_encoder_is_cut_off_as_published_alone() -> None:
    for name, cut_off in (("etrm_iterative", True), ("etrm_iterative_trained", False)):
        for each in (preset(name), preset(f"quick_{name}")):
            assert isinstance(each.model, EtrmModel)
            assert isinstance(each.model.encoder, IterativeEncoder)
            assert each.model.encoder.detach_context is cut_off


def test_lpn_passes_through_the_core_once() -> None:
    for each in (preset("lpn"), preset("quick_lpn")):
        core, act = each.model.core, each.model.act
        assert (core.h_cycles, core.l_cycles, act.max_steps) == (1, 1, 1)


def test_lpn_asks_every_pair_and_searches_once_in_training() -> None:
    for each in (preset("lpn"), preset("quick_lpn")):
        assert each.data.query == "each"
        assert (each.objective.latent_steps, each.objective.kl_annealing_steps) == (1, 0)


def test_lpn_searches_in_evaluation_and_no_other_preset_does() -> None:
    searching = {name for name in PRESETS if preset(name).evaluation.search.kind != "none"}
    assert searching == {"lpn", "quick_lpn"}


def test_the_quick_run_is_an_encoder_on_real_tasks_it_is_then_scored_beside() -> None:
    quick = preset("quick")
    assert isinstance(quick.model, EtrmModel)
    assert {each.name for each in quick.evaluation.sets} == {"arc-agi-1/training", "arc-agi-1/evaluation"}
