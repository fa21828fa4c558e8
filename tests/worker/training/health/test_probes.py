"""Probes: the same questions again and again, and no trace of them in the training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from backend.domain.records import FailureMode
from tests.support.records.tiny_runs import MODELS, Memory, tiny
from worker.data import training_data
from worker.data.sets import BuiltinTasks
from worker.evaluation.reliance import reliance
from worker.kit.batch import EOS, IGNORE, PAD, VOCABULARY, Batch
from worker.kit.device import open_device
from worker.models.reasoner import Encoded, Reasoner
from worker.training.health.probes import _mode
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


@pytest.mark.parametrize("model", MODELS)
def test_contexts_are_kept_with_the_tasks_they_are_of(model: str, tmp_path: Path) -> None:
    memory = Memory()
    config = tiny(
        model, 12, training={"log_every": 2}, evaluation={"sets": []}, health={"probe_every": None, **EVERY}
    )
    train(config, BuiltinTasks(), memory, tmp_path, StopSignal())
    assert sorted(memory.snapshots) == [3, 6, 9, 12]
    learner = Learner(config, training_data.build(config, BuiltinTasks()), open_device(config.training))
    wanted = learner.probes._twins.ids(0)
    for step, snapshot in memory.snapshots.items():
        assert [task.task_id for task in snapshot.tasks] == wanted
        assert {task.set_name for task in snapshot.tasks} == {"arc-agi-1/training"}
        rows = np.frombuffer(snapshot.contexts, "<f2").astype(float).reshape(snapshot.points, -1)
        assert rows.shape[1] == snapshot.tokens * snapshot.width
        assert snapshot.scale or model == "trm"  # whose embeddings are 0 until their puzzle is drawn
        assert np.square(rows).mean() == pytest.approx(1 if snapshot.scale else 0, abs=1e-2)
        measured = memory.points[step + step % 2]
        right = [task.token_accuracy for task in snapshot.tasks]
        assert np.mean(right) == pytest.approx(measured["reliance/token_right"])
        centres = snapshot.scale * rows.reshape(len(wanted), 2, -1).mean(1)
        within = np.square(snapshot.scale * rows.reshape(len(wanted), 2, -1) - centres[:, None]).mean()
        assert within == pytest.approx(measured["encoder/within_variance"], rel=2e-2, abs=1e-6)


@pytest.mark.parametrize("size", [1e-24, 1e-3, 1e5, 1e24])
def test_contexts_of_any_size_are_kept_as_finite_numbers(size: float) -> None:
    """Numbers of a width at which float16 overflows, or at which float32 cannot hold their squares."""
    probes = learner_of("trm").probes
    _, questions = probes._drawn()
    contexts = size * torch.randn(2 * probes.tasks, 3, 8, generator=torch.Generator().manual_seed(0))
    logits = torch.zeros(probes.tasks, questions.labels.shape[1], VOCABULARY)
    snapshot = probes._taken(1, contexts, logits, questions)
    assert snapshot is not None
    rows = np.frombuffer(snapshot.contexts, "<f2").astype(float)
    assert np.allclose(snapshot.scale * rows, contexts.flatten(), rtol=1e-3, atol=1e-3 * size)


def test_an_answer_is_judged_where_its_grid_lies() -> None:
    """On a canvas of 4 x 4 the grids begin in row 1 and column 1."""
    truth = np.full((4, 4), IGNORE)
    truth[1:3, 1:3] = [[3, 4], [5, 6]]
    truth[3, 1:3] = truth[1:3, 3] = EOS
    asked = np.where(truth == IGNORE, PAD, truth)
    asked[1, 1] = 7
    answer = np.full((4, 4), 9)  # what stands elsewhere is not read
    answer[1:, 1:] = truth[1:, 1:].clip(EOS)
    assert _mode(answer, truth, asked) is None
    assert _mode(asked, truth, asked) is FailureMode.COPIED_INPUT
    answer[1, 3] = 2
    assert _mode(answer, truth, asked) is None
    answer[2, 3] = 2
    assert _mode(answer, truth, asked) is FailureMode.WRONG_SIZE


def test_ids_of_a_batch_are_those_of_its_samples() -> None:
    learner = learner_of("trm")  # whose puzzles tell the tasks apart
    twins = learner.probes._twins
    data = training_data.build(learner.config, BuiltinTasks())
    rows = twins.at(0).puzzle.reshape(twins.tasks, -1).tolist()
    for task_id, views in zip(twins.ids(0), rows, strict=True):
        forms = range(learner.config.data.augmentations + 1)
        assert set(views) <= {data.puzzles.row(task_id, form) for form in forms}


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
