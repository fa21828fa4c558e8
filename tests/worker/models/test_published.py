from __future__ import annotations

import pytest
import torch

from backend.domain.experiment import ExperimentConfig
from backend.domain.experiment.encoders.deterministic import DeterministicEncoder
from backend.domain.experiment.encoders.iterative import IterativeEncoder
from backend.domain.experiment.encoders.variational import VariationalEncoder
from backend.kit.errors import InvalidInput
from tests.support.models import SMALL_ENCODERS, etrm, trm
from worker.models.build import build_reasoner
from worker.models.published import (
    load_published,
    published_names,
    strip_wrappers,
    to_published,
)

CONFIGS: dict[str, ExperimentConfig] = {
    **{kind: etrm(encoder) for kind, encoder in SMALL_ENCODERS.items()},
    "trm": trm(),
    "deterministic, deeper": etrm(DeterministicEncoder(layers=2, set_layers=2, layer_scale=0.1)),
    "attention pooling": etrm(DeterministicEncoder(pooling="attention")),
    "weighted pooling": etrm(DeterministicEncoder(pooling="weighted")),
    "variational, scaled": etrm(VariationalEncoder(layer_scale=0.1)),
    "iterative, scaled": etrm(IterativeEncoder(layer_scale=0.1)),
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_weights_go_to_published_names_and_back(config: ExperimentConfig) -> None:
    source = build_reasoner(config, 5)
    published = {f"_orig_mod.model.{name}": tensor for name, tensor in to_published(source).items()}
    target = build_reasoner(config.model_copy(update={"seed": 1}), 5)
    load_published(target, published)
    ours, theirs = source.state_dict(), target.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_no_two_weights_share_a_published_name(config: ExperimentConfig) -> None:
    names = published_names(build_reasoner(config, 5))
    assert len(set(names.values())) == len(names)


@pytest.mark.parametrize(
    "wrapped",
    [
        "_orig_mod.model.inner.x",
        "module._orig_mod.inner.x",
        "inner.x",
        "model.module._orig_mod.inner.x",
        "_orig_mod._orig_mod.inner.x",
    ],
)
def test_prefixes_of_wrappers_fall_off_in_any_order(wrapped: str) -> None:
    assert strip_wrappers(wrapped) == "inner.x"


def test_what_is_no_weight_is_passed_over() -> None:
    reasoner = build_reasoner(trm(), 5)
    state = to_published(reasoner)
    state["inner.puzzle_emb.local_weights"] = torch.zeros(2, 20)
    state["inner.rotary_emb.cos_cached"] = torch.zeros(4)
    load_published(reasoner, state)


def test_weights_that_do_not_fit_are_named() -> None:
    reasoner = build_reasoner(etrm(), 1)
    state = to_published(reasoner)
    with pytest.raises(InvalidInput, match=r"inner\.lm_head\.weight is missing"):
        load_published(reasoner, {k: v for k, v in state.items() if k != "inner.lm_head.weight"})
    with pytest.raises(InvalidInput, match=r"inner\.other is unknown"):
        load_published(reasoner, {**state, "inner.other": torch.zeros(1)})
    with pytest.raises(InvalidInput, match=r"inner\.H_init is \(3,\), the model has \(16,\)"):
        load_published(reasoner, {**state, "inner.H_init": torch.zeros(3)})
