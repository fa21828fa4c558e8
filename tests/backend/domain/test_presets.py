"""The named experiments: what they promise."""

from __future__ import annotations

import pytest

from backend.domain.errors import InvalidConfig
from backend.domain.experiment import EtrmModel
from backend.domain.presets import PRESETS, preset


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_says_what_it_is_and_is_named(name: str) -> None:
    assert PRESETS[name].description
    assert preset(name).name


def test_a_misspelt_preset_gets_the_right_one_suggested() -> None:
    with pytest.raises(InvalidConfig, match="Did you mean trm_arc1"):
        preset("trm_arc")


def test_the_quick_run_is_an_encoder_on_real_tasks_it_is_then_scored_beside() -> None:
    quick = preset("quick")
    assert isinstance(quick.model, EtrmModel)
    assert {each.name for each in quick.evaluation.sets} == {"arc-agi-1/training", "arc-agi-1/evaluation"}
