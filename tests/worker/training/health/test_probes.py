"""Probes: the same questions again and again, and no trace of them in the training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.support.records.tiny_runs import MODELS, Memory, tiny
from worker.data import training_data
from worker.data.sets import BuiltinTasks
from worker.evaluation.reliance import reliance
from worker.kit.batch import IGNORE, Batch
from worker.kit.device import open_device
from worker.models.reasoner import Encoded, Reasoner
from worker.training.learner import Learner
from worker.training.stop import StopSignal
from worker.training.trainer import train

PROBED = {
    "encoder/effective_rank",
    "encoder/pairwise_cosine",
    "encoder/within_variance",
    "encoder/between_within",
    "encoder/retrieval",
    "reliance/token_right",
    "reliance/token_swapped",
    "reliance/token_mean",
    "reliance/exact_right",
    "reliance/exact_swapped",
    "reliance/exact_mean",
    "reliance/cost",
}
EVERY = {"probe_every": 3, "probe_tasks": 4}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def points(model: str, folder: Path, **health: Any) -> dict[int, dict[str, float]]:
    memory = Memory()
    config = tiny(
        model, 12, training={"log_every": 2}, evaluation={"sets": []}, health={"probe_every": None, **health}
    )
    train(config, BuiltinTasks(), memory, folder, StopSignal())
    return memory.points


@pytest.mark.parametrize("model", MODELS)
def test_probes_add_their_points_and_change_no_other(model: str, tmp_path: Path) -> None:
    without, probed = points(model, tmp_path / "without"), points(model, tmp_path / "probed", **EVERY)
    assert {step for step, values in probed.items() if PROBED & values.keys()} == {4, 6, 10, 12}
    assert all(values.keys() >= PROBED for step, values in probed.items() if step in (4, 6, 10, 12))
    left = {
        step: {name: value for name, value in values.items() if name not in PROBED}
        for step, values in probed.items()
    }
    assert left == without


def learner_of(model: str) -> Learner:
    config = tiny(model, health={"probe_tasks": 6}, training={"batch_size": 12})
    return Learner(config, training_data.build(config, BuiltinTasks()), open_device(config.training))


class Reader:
    """A model that answers what its context says: the label of the task the context is of."""

    def __init__(self, reasoner: Reasoner) -> None:
        self.reasoner = reasoner
        self.decoded: list[Tensor] = []

    def decode(self, carry: Any, encoded: Encoded) -> Any:
        self.decoded.append(encoded.context)
        output = Reasoner.decode(self.reasoner, carry, encoded)
        answer = encoded.context[:, :1, :1].round().long().clamp(0, 11)  # one token for all cells
        logits = torch.nn.functional.one_hot(answer[:, 0, 0], 12).float()[:, None]
        return output._replace(logits=logits.expand_as(output.logits))


def test_reliance_is_the_accuracy_that_the_right_context_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    learner = learner_of("etrm")
    reasoner = learner.reasoner.eval()
    batch = learner.probes._drawn()[1]
    size = len(batch.inputs)
    wanted = torch.arange(size) + 2
    labels = torch.where(batch.labels == IGNORE, IGNORE, wanted[:, None])
    batch = batch._replace(labels=labels)
    told = wanted[:, None, None].expand(-1, 2, 16).float()
    encode = Reasoner.encode
    monkeypatch.setattr(Reasoner, "encode", lambda *args: encode(*args)._replace(context=told))
    reader = Reader(reasoner)
    monkeypatch.setattr(reasoner, "decode", reader.decode)
    found = {name: float(value) for name, value in reliance(reasoner, batch, 2).items()}
    assert found["reliance/token_right"] == found["reliance/exact_right"] == 1
    assert found["reliance/token_swapped"] == found["reliance/exact_swapped"] == 0
    assert found["reliance/token_mean"] == pytest.approx(1 / size)  # the mean is one task's by chance
    assert found["reliance/cost"] == 1
    assert len(reader.decoded) == 2
    assert torch.equal(reader.decoded[0][size : 2 * size], told.roll(1, 0))


@pytest.mark.parametrize("model", ["etrm", "etrm_cached", "etrm_iterative"])
def test_with_its_own_context_a_question_is_answered_as_in_evaluation(model: str) -> None:
    learner = learner_of(model)
    for _ in range(10):
        learner.advance()
    reasoner = learner.reasoner.eval()
    batch: Batch = learner.probes._drawn()[1]
    with torch.no_grad():
        carry = reasoner.initial_carry(batch)
        for _ in range(3):
            output = reasoner.step(carry, batch)
            carry = output.carry
    labelled = batch.labels != IGNORE
    right = ((output.logits.argmax(-1) == batch.labels) & labelled).sum(-1) / labelled.sum(-1)
    assert float(reliance(reasoner, batch, 3)["reliance/token_right"]) == pytest.approx(float(right.mean()))


def test_a_probe_asks_a_pair_that_it_does_not_show_in_all_views_of_a_task() -> None:
    learner = learner_of("etrm")
    every_view, questions = learner.probes._drawn()
    assert len(every_view.inputs) == 2 * len(questions.inputs) == 12
    assert (questions.labels != IGNORE).any(1).all()
    assert torch.equal(every_view.inputs[::2], questions.inputs)
    shown = (questions.demo_inputs == questions.inputs[:, None]).all(-1) & questions.demo_mask
    assert not shown.any()
