"""The presets against what was published: equal, or different with a reason that the preset itself gives."""

from __future__ import annotations

from typing import Any

import pytest

from backend.domain.config.presets import PRESETS, preset
from backend.domain.config.problems import flatten
from backend.domain.config.published.setting import SOURCES
from backend.domain.config.published.table import OF_THE_LAB, PUBLISHED_SETTINGS
from backend.domain.experiment import ExperimentConfig

each_preset = pytest.mark.parametrize("name", PUBLISHED_SETTINGS)


def value_at(config: ExperimentConfig, path: str) -> Any:
    value: Any = config.model_dump(mode="json")
    for key in path.split("."):
        value = value[int(key)] if isinstance(value, list) else value[key]
    return value


@each_preset
def test_a_preset_has_the_published_value_or_says_why_not(name: str) -> None:
    config = preset(name)
    for setting in PUBLISHED_SETTINGS[name]:
        same = bool(setting.path) and value_at(config, setting.path) == setting.published
        assert same != bool(setting.differs), setting
        assert setting.source in SOURCES, setting


@each_preset
def test_every_difference_stands_in_the_description_of_the_preset(name: str) -> None:
    described = PRESETS[name].description
    for setting in PUBLISHED_SETTINGS[name]:
        assert setting.differs in described


@each_preset
def test_every_field_that_changes_a_number_has_its_published_value_in_the_table(name: str) -> None:
    stated = [setting.path for setting in PUBLISHED_SETTINGS[name] if setting.path]
    assert len(set(stated)) == len(stated)
    unsaid = [
        path
        for path in flatten(preset(name))
        if not path.startswith(OF_THE_LAB)
        and not any(path == said or path.startswith(f"{said}.") for said in stated)
    ]
    assert unsaid == []


def test_trm_learns_and_is_asked_what_was_published() -> None:
    """The values of the issue's table, restated here as numbers."""
    config = preset("trm_arc1")
    assert config.data.training_sets == ("arc-agi-1/training", "concept")
    assert (config.data.evaluation_demonstrations, config.data.demonstrations_of) == (True, "set")
    assert (config.data.query, config.data.corner_pair) == ("each", True)
    assert (config.evaluation.sets[0].first_tasks, config.evaluation.views) == (None, 1001)
    assert config.evaluation.distinct_views
    assert config.training.steps == 518_071


def test_etrm_and_lpn_have_the_published_depths_batches_and_rates() -> None:
    found = {name: flatten(preset(name)) for name in PUBLISHED_SETTINGS}
    variational, iterative, lpn = (found[name] for name in ("etrm_variational", "etrm_iterative", "lpn"))
    assert found["etrm_deterministic_arc1"]["data.query"] == "each_test"
    assert (variational["model.encoder.layers"], variational["training.batch_size"]) == (4, 128)
    assert iterative["model.core.l_cycles"] == 4
    assert [
        lpn[path]
        for path in (
            "model.encoder.layers",
            "model.encoder.inner_width",
            "model.encoder.latent",
            "optimisation.learning_rate",
            "training.batch_size",
            "training.steps",
            "evaluation.search.steps",
        )
    ] == [4, 256, 128, 4e-4, 128, 500_000, 20]
    assert lpn["model.encoder.kl_reduction"] == "sample"


def test_the_quick_run_needs_nothing_that_has_to_be_fetched() -> None:
    for name in PRESETS:
        if name.startswith("quick"):
            assert "concept" not in preset(name).data.training_sets
