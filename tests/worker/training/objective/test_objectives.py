"""Terms beside the prediction loss, and how they change over the steps of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from backend.domain.config.problems import parse_experiment
from backend.domain.experiment import ENCODERS, ExperimentConfig
from backend.kit.errors import InvalidConfig
from tests.support.models import PUZZLES, etrm, random_batch
from tests.support.records.tiny_runs import Memory, tiny_raw
from worker.data.sets import BuiltinTasks
from worker.models.build import build_reasoner
from worker.models.reasoner import Encoded, Reasoner
from worker.search.objective import gradient_step
from worker.training.objective.objectives import Objectives
from worker.training.stop import StopSignal
from worker.training.sums import Sums
from worker.training.trainer import train

each_encoder = pytest.mark.parametrize("kind", ENCODERS)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def config(
    kind: str, objective: dict[str, Any], steps: int, encoder: dict[str, Any] | None = None, **sections: Any
) -> ExperimentConfig:
    sections = {"evaluation": {"sets": []}, **sections}
    raw = tiny_raw("etrm", steps, **sections)
    raw["model"] = {**raw["model"], "encoder": {"kind": kind, **ENCODERS[kind].small, **(encoder or {})}}
    return parse_experiment({**raw, "objective": objective})


def points(experiment: ExperimentConfig, folder: Path) -> dict[int, dict[str, float]]:
    memory = Memory()
    train(experiment, BuiltinTasks(), memory, folder, StopSignal())
    return memory.points


@pytest.mark.parametrize("kind", ["variational", "per_demo"])
def test_the_weight_of_the_kl_term_rises_linearly_from_nothing(kind: str, tmp_path: Path) -> None:
    experiment = config(
        kind,
        {"kl_annealing_steps": 4},
        7,
        encoder={"kl_weight": 0.5, "kl_reduction": "sample"},
        training={"log_every": 1},
    )
    recorded = points(experiment, tmp_path)
    weights = [values["kl_weight"] for values in recorded.values()]
    assert weights == [0, 0.125, 0.25, 0.375, 0.5, 0.5, 0.5]
    for values in recorded.values():
        known = values["loss/prediction"] + 0.5 * values["loss/halting"]
        assert values["loss"] == pytest.approx(known + values["kl_weight"] * values["loss/kl_per_sample"])
    assert recorded[2]["loss/kl_per_sample"] > 0


@pytest.mark.parametrize("reduction", ["batch", "sample"])
@pytest.mark.parametrize("kind", ["variational", "per_demo"])
def test_the_kl_is_recorded_in_nats_per_sample_whatever_the_batch_size(
    kind: str, reduction: str, tmp_path: Path
) -> None:
    """Of one task in one view, every batch has the same mean KL before the first step."""
    recorded = {}
    for size in (4, 8):
        experiment = config(
            kind,
            {},
            1,
            encoder={"kl_weight": 2.0, "kl_reduction": reduction},
            training={"log_every": 1, "batch_size": size},
            data={
                "first_tasks": 1,
                "augmentations": 0,
                "translation": False,
                "query": "test",
                "max_demonstrations": 10,
            },
        )
        (recorded[size],) = points(experiment, tmp_path / str(size)).values()
        values = recorded[size]
        known = values["loss/prediction"] + 0.5 * values["loss/halting"]
        added = 2.0 * values["loss/kl_per_sample"] / (size if reduction == "batch" else 1)
        assert values["loss"] == pytest.approx(known + added)
    assert recorded[4]["loss/kl_per_sample"] > 0.01
    assert recorded[4]["loss/kl_per_sample"] == pytest.approx(recorded[8]["loss/kl_per_sample"], rel=1e-4)


def test_the_weight_is_recorded_only_where_there_is_one_that_changes(tmp_path: Path) -> None:
    for name, (kind, steps) in {"no annealing": ("per_demo", 0), "no kl": ("deterministic", 4)}.items():
        recorded = points(config(kind, {"kl_annealing_steps": steps}, 2), tmp_path / name)
        assert not [values for values in recorded.values() if "kl_weight" in values]


@each_encoder
def test_latent_steps_explain_the_demonstrations_better_and_the_encoder_still_learns(
    kind: str, tmp_path: Path
) -> None:
    experiment = config(kind, {"latent_steps": 2, "latent_learning_rate": 0.01}, 14)
    recorded = points(experiment, tmp_path)
    assert list(recorded) == [7, 14]
    for values in recorded.values():
        assert 0 < values["latent/loss_after"] < values["latent/loss_before"]
        assert values["encoder/gradient_coverage"] > 0.8  # a canvas of 10 has no places beyond
        assert values["encoder/sample_coverage"] == 1


def encoded_by(reasoner: Reasoner) -> Encoded:
    batch = random_batch(0)
    return reasoner.encode(reasoner.initial_carry(batch), batch)


def gradients(reasoner: Reasoner, encoded: Encoded) -> dict[str, torch.Tensor]:
    """Of a loss of what is decoded, by weight."""
    reasoner.zero_grad()
    carry = reasoner.initial_carry(encoded.samples)
    torch.autograd.backward(reasoner.decode(carry, encoded).logits.square().sum())
    return {
        name: parameter.grad.clone()
        for name, parameter in reasoner.named_parameters()
        if parameter.grad is not None
    }


@each_encoder
def test_to_the_weights_the_move_of_a_latent_is_a_constant(kind: str) -> None:
    raw = etrm().model_dump(mode="json")
    raw["model"]["encoder"] = {"kind": kind, **ENCODERS[kind].small}
    raw["objective"] = {"latent_steps": 2, "latent_learning_rate": 0.3}
    experiment = parse_experiment(raw)
    reasoner = build_reasoner(experiment, PUZZLES)
    refined = gradients(reasoner, Objectives(experiment, reasoner, Sums()).refined(encoded_by(reasoner), 0))

    encoded = encoded_by(reasoner)
    start = reasoner.latent_of(encoded)
    once, _ = gradient_step(reasoner, encoded, start, 0.3)
    twice, _ = gradient_step(reasoner, encoded, once, 0.3)
    shifted = reasoner.with_latent(encoded, start + (twice - start.detach()))
    expected = gradients(reasoner, shifted)
    assert refined.keys() == expected.keys()
    for name, gradient in refined.items():
        assert torch.allclose(gradient, expected[name], rtol=1e-4, atol=1e-6), name
    assert any(name.startswith("context.") and bool(each.any()) for name, each in refined.items())


def test_without_latent_steps_nothing_is_touched() -> None:
    experiment = etrm()
    reasoner = build_reasoner(experiment, PUZZLES)
    encoded = encoded_by(reasoner)
    assert Objectives(experiment, reasoner, Sums()).refined(encoded, 0) is encoded


def test_latent_steps_on_a_cached_context_are_refused_with_a_way_out() -> None:
    raw = tiny_raw("etrm_cached") | {"objective": {"latent_steps": 1}}
    with pytest.raises(InvalidConfig, match=r"Set model\.reencode true"):
        parse_experiment(raw)
