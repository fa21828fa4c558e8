"""Observers: what recording and diagnostics add to a training step, at the default intervals.

In one run on the same weights: the time inside the observers of each step, with the gradient norm that
clipping needs anyway, and its share of a reading (`log_every`) and of a probe (`health.probe_every`), all
over a step without them. As a check, steps with and without observers take turns, and their difference is
printed; it is within the noise of the steps. On a CPU the processor's time is measured, by one thread, so
that other work on the machine does not count; medians.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch

from backend.domain.config.presets import etrm_deterministic_arc1, quick
from backend.domain.experiment import ExperimentConfig
from benchmarks.kit.question import Question, run
from benchmarks.learning.trained import changed
from worker.data import training_data
from worker.data.sets import BuiltinTasks
from worker.kit.device import open_device
from worker.training.health import diagnostics
from worker.training.health.alarms import Alarms
from worker.training.learner import Learner

BATCH = {"quick": 16, "published": 4}  # on a CPU; published: 256
CANVAS = {"quick": 10, "published": 15}  # of ARC-AGI-1's training tasks, most fit 15


def config_of(size: str, batch: int) -> ExperimentConfig:
    """The model of a size, its default intervals, and tasks on one canvas."""
    base = quick() if size == "quick" else etrm_deterministic_arc1()
    data = {"canvas_sizes": [CANVAS[size]], "first_tasks": 32}
    return changed(base, data=data, training={"batch_size": batch, "precision": "fp32"})


@contextmanager
def bare(learner: Learner) -> Iterator[None]:
    """Without recording and observers, but for the norm of all gradients, which clipping needs."""
    everything = [*learner._encoder, *learner._core]

    def only_the_norm() -> None:
        norms = diagnostics.gradient_norms([], everything)
        diagnostics.clip_gradients(
            (parameter for _, parameter in everything),
            norms["gradient_norm/all"],
            learner.config.optimisation.gradient_clip,
        )

    with ExitStack() as stack:
        stack.enter_context(patch.object(learner, "_observe", lambda *values: None))
        stack.enter_context(patch.object(learner, "_observe_gradients", only_the_norm))
        stack.enter_context(patch.object(learner.sums, "add", lambda values: None))
        stack.enter_context(patch.object(learner.probes, "after", lambda step: None))
        stack.enter_context(patch.object(diagnostics, "context_spread", lambda *parts: {}))
        stack.enter_context(patch.object(torch.Tensor, "retain_grad", lambda tensor: None))
        yield


@contextmanager
def timed_observers(learner: Learner, spent: list[float]) -> Iterator[None]:
    """With observers, whose time is added to `spent`."""

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any) -> Any:
            result: list[Any] = []
            spent.append(seconds(lambda: result.append(function(*given))))
            return result[0]

        return call

    with ExitStack() as stack:
        for owner, name in ((learner, "_observe"), (learner, "_observe_gradients")):
            stack.enter_context(patch.object(owner, name, timed(getattr(owner, name))))
        spread = timed(diagnostics.context_spread)
        stack.enter_context(patch.object(diagnostics, "context_spread", spread))
        stack.enter_context(patch.object(learner.probes, "after", lambda step: None))
        yield


def seconds(work: Any) -> float:
    """Of the processor, or on a GPU of the clock."""
    gpu = torch.cuda.is_available()
    clock = time.perf_counter if gpu else time.process_time
    started = clock()
    work()
    if gpu:
        torch.cuda.synchronize()
    return clock() - started


def of_size(question: Question, size: str, batch: int, steps: int) -> None:
    """The parts of the cost, and their sum as a share of a bare step."""
    config = config_of(size, batch)
    learner = Learner(config, training_data.build(config, BuiltinTasks()), open_device(config.training))
    alarms = Alarms(config.health)
    probe_every = config.health.probe_every
    assert probe_every is not None
    for _ in range(2):
        learner.advance()
    learner.probes.after(probe_every)  # draws its batch
    plain, observed, inside, readings, probes = [], [], [], [], []
    for number in range(steps):
        with bare(learner):
            plain.append(seconds(learner.advance))
        spent: list[float] = []
        with timed_observers(learner, spent):
            observed.append(seconds(learner.advance))
        inside.append(sum(spent))
        if number % max(1, steps // 5) == 0:
            probes.append(seconds(lambda: learner.probes.after(probe_every)))
            readings.append(seconds(lambda: list(alarms.check(learner.step, learner.read()))))
    step, more = statistics.median(plain), statistics.median(inside)
    reading, probe = statistics.median(readings), statistics.median(probes)
    parts = {
        "of_every_step": more / step,
        "reading": reading / config.training.log_every / step,
        "probe": probe / probe_every / step,
    }
    case = f"{size} size, batch {batch}, canvas {CANVAS[size]}"
    question.add(f"{case}: a bare step", "ms", [1000 * taken for taken in plain])
    for name, share in (*parts.items(), ("in all", sum(parts.values()))):
        question.add(f"{case}: added {name.replace('_', ' ')}", "% of a step", [100 * share])
    by_turns = 100 * (statistics.median(observed) / step - 1)
    question.add(f"{case}: difference of turns", "% of a step", [by_turns])


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--size", choices=BATCH, action="append", help="Default: both; with --quick: quick.")
    parser.add_argument("--batch", type=int, help="Samples per step; default: 16 and 4.")
    parser.add_argument("--steps", type=int, help="Pairs of steps; default 20, with --quick 5.")


def measure(question: Question, chosen: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    for size in chosen.size or (["quick"] if question.quick else BATCH):
        of_size(question, size, chosen.batch or BATCH[size], chosen.steps or (5 if question.quick else 20))


if __name__ == "__main__":
    run(__file__, __doc__, measure, options)
