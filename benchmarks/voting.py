"""Voting: all of an evaluation but its model, for 400 tasks with 1,000 views each.

Drawing views, cropping what they show, undoing augmentations, counting votes and judging, by the evaluator
itself. In the model's place stands one that shows every view its own input, with a wrong cell in one of ten;
its time is subtracted. Some of the 400 tasks are evaluated, evenly chosen, and the time is scaled.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from backend.domain.arc.files import read_built_in
from backend.domain.config.presets import etrm_deterministic_arc1
from backend.domain.experiment import ExperimentConfig
from backend.domain.records import EvaluationKey
from benchmarks.kit.question import Question, run
from benchmarks.kit.records import OURS, at_most
from worker.data.puzzles import PuzzleTable
from worker.evaluation.evaluator import evaluate
from worker.kit.batch import VOCABULARY, Batch
from worker.training.stop import StopSignal

HELD_OUT = "arc-agi-1/evaluation"
VIEWS, TASKS = 1_000, 400


class Echo(nn.Module):
    """Shows the input, sometimes with a wrong cell; `spent` are the seconds that this took."""

    def __init__(self) -> None:
        super().__init__()
        self.nothing = nn.Parameter(torch.zeros(1))
        self.spent = 0.0
        self._generator = torch.Generator().manual_seed(0)

    def run(self, batch: Batch, act_steps: int) -> Shown:
        started = time.perf_counter()
        tokens = batch.inputs.long().clone()
        wrong = torch.rand(len(tokens), generator=self._generator) < 0.1
        tokens[wrong, 0] = 2 + (tokens[wrong, 0] - 1) % (VOCABULARY - 2)
        logits = torch.zeros(*tokens.shape, VOCABULARY).scatter_(-1, tokens[..., None], 1.0)
        shown = Shown(logits, torch.rand(len(tokens), generator=self._generator))
        self.spent += time.perf_counter() - started
        return shown

    def outputs(self, batch: Batch, act_steps: int, course: object = None) -> Iterator[Shown]:
        for _ in range(act_steps):
            yield self.run(batch, act_steps)


class Shown:
    """As much of a step's output as an evaluation reads."""

    def __init__(self, logits: Tensor, halt_logits: Tensor) -> None:
        self.logits, self.halt_logits = logits, halt_logits


def measure(question: Question, options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    tasks = read_built_in(HELD_OUT)[:TASKS]
    chosen = tasks[:: 100 if question.quick else 10]
    config = config_of()
    taken = [scaled(config, chosen, tasks) for _ in range(1 if question.quick else 3)]
    note = f"{len(chosen)} tasks, scaled"
    question.add(f"{TASKS} tasks × {VIEWS:,} views", "s", taken, OURS, at_most(20), note)


def config_of() -> ExperimentConfig:
    """The published settings on the smallest canvases, in batches of 64 views, without traces of steps."""
    base = etrm_deterministic_arc1()
    data = base.data.model_copy(update={"canvas_sizes": (10, 15, 20, 25, 30)})
    evaluation = base.evaluation.model_copy(update={"batch_size": 64, "trace_steps": False})
    training = base.training.model_copy(update={"device": "cpu", "precision": "fp32"})
    return base.model_copy(update={"data": data, "evaluation": evaluation, "training": training})


def scaled(config: ExperimentConfig, chosen: Sequence, tasks: Sequence) -> float:  # type: ignore[type-arg]
    """Seconds of all tasks, by those of some."""
    key = EvaluationKey(HELD_OUT, 0, "ema", VIEWS, 1, tuple(task.id for task in chosen))
    echo = Echo()
    started = time.perf_counter()
    outcomes = list(evaluate(echo, config, key, chosen, PuzzleTable(), StopSignal()))  # type: ignore[arg-type]
    taken = time.perf_counter() - started - echo.spent
    inputs = sum(len(task.tests) for task in chosen)
    assert len(outcomes) == inputs
    return taken * sum(len(task.tests) for task in tasks) / inputs


if __name__ == "__main__":
    run(__file__, __doc__, measure)
