from __future__ import annotations

import pytest

from backend.domain.experiment.encoders.deterministic import DeterministicEncoder
from backend.kit.errors import InvalidInput
from worker.models.published_config import NotThereYet, config_from_published

SETTINGS = {
    "hidden_size": 32,
    "num_heads": 4,
    "L_layers": 1,
    "expansion": 4,
    "H_cycles": 2,
    "L_cycles": 3,
    "halt_max_steps": 16,
    "halt_exploration_prob": 0.5,
    "encoder_type": "standard",
}


def test_published_settings_become_a_config() -> None:
    config = config_from_published(
        "etrm",
        {
            **SETTINGS,
            "encoder_pooling_method": "weighted",
            "encoder_norm_style": "pre",
            "encoder_set_layers": 3,
            "encoder_layer_scale_init": 1e-4,
        },
    )
    assert config.model.core.l_cycles == 3
    assert config.model.act.exploration == 0.5
    assert config.model.encoder == DeterministicEncoder(  # type: ignore[union-attr]
        pooling="weighted", norm="pre", set_layers=3, layer_scale=1e-4
    )


def test_a_context_length_of_zero_is_what_the_puzzle_embedding_fills() -> None:
    config = config_from_published("trm", {**SETTINGS, "puzzle_emb_ndim": 100, "puzzle_emb_len": 0})
    assert config.model.core.context_tokens == 4


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mlp_t": True}, "config.mlp_t = True is not supported"),
        ({"pos_encodings": "learned"}, "config.pos_encodings = 'learned' is not supported"),
        ({"num_heads": 5}, "must be an even multiple"),
        ({"encoder_pooling_method": "max"}, "pooling"),
    ],
)
def test_settings_that_we_cannot_honour_are_refused_by_name(change: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        config_from_published("etrm", {**SETTINGS, **change})


def test_a_missing_setting_is_named() -> None:
    settings = {name: value for name, value in SETTINGS.items() if name != "L_cycles"}
    with pytest.raises(InvalidInput, match=r"config\.L_cycles is missing"):
        config_from_published("etrm", settings)


def test_an_encoder_without_counterpart_is_not_there_yet() -> None:
    with pytest.raises(NotThereYet, match="lpn_standard"):
        config_from_published("etrm", {**SETTINGS, "encoder_type": "lpn_standard"})
