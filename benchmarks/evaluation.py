"""Evaluation: seconds a view at D = 512, the faithful way, with exact savings, on smaller canvases.

faithful: 30 x 30, every place for a demonstration encoded again at each ACT step, every view computed.
exact: 30 x 30, the context once per view, only the demonstrations there are, views that look alike once:
predictions identical in fp32. canvas: the same on the smallest of five square canvases that holds what a
solver may see. trimmed: and of that canvas only the rows and columns that such a grid reaches
(`evaluation.trim: 0`). fp32 on a CPU; a GPU computes every way in bf16, as published.
All in one run, in turns; medians of the time that the processor spent (on a GPU: of wall time), encoding
and ACT steps apart. Seconds per view are for `--steps` ACT steps: one step costs what another does, so
fewer (`--measured-steps`) are timed on a CPU and multiplied. Of the hundreds of trimmed canvases `--canvases`
are timed, the others lie between them by their cells. How many views there are of which canvas, and
which of them look alike, is counted over all 400 tasks. Hours are projections from these numbers; those of
an H100 where there is none are operations over its peak at assumed shares.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from backend.domain.arc.files import read_built_in
from backend.domain.config.presets import etrm_deterministic_arc1
from backend.domain.experiment import EtrmModel, ExperimentConfig
from benchmarks.flops import PEAKS, peak_of, view_flops
from benchmarks.kit.question import Question, run
from benchmarks.kit.records import OURS
from worker.data.augment import ON_ITS_SIDE
from worker.data.puzzles import PuzzleTable
from worker.evaluation.plan import Plan
from worker.evaluation.views import Question as TestInput
from worker.evaluation.views import batch_of, region_of, views_of
from worker.kit.batch import Batch, Region
from worker.kit.device import Device, open_device
from worker.models.build import build_reasoner
from worker.models.context.deterministic import DemonstrationSource
from worker.models.reasoner import Encoded, Reasoner, StepOutput

HELD_OUT = "arc-agi-1/evaluation"
PUBLISHED = 30
BUCKETS = (10, 15, 20, 25, 30)
PLACES = 10  # for demonstrations, as published
TRIM = 0  # cells around the visible grids
ASSUMED_SHARES = (0.1, 0.25, 0.4)  # of an H100's peak, where none is at hand


Canvas = tuple[int, Region | None]  # its side, and what it is trimmed to


@dataclass(frozen=True)
class Spent:
    """Seconds per view: of one encoding of the context, and of one ACT step without it."""

    encoding: float
    step: float


@dataclass(frozen=True)
class Way:
    """How views are computed."""

    name: str
    once: bool  # the context, instead of at each ACT step
    pack: bool  # only the demonstrations there are


FAITHFUL = Way("faithful", once=False, pack=False)
EXACT = Way("exact", once=True, pack=True)


class Bench:
    """A model with random weights on this device, and what it is asked."""

    def __init__(self, config: ExperimentConfig, measured_steps: int, batch: int) -> None:
        self.config, self.steps, self.batch_size = config, measured_steps, batch
        self.device: Device = open_device(config.training)
        self.gpu = self.device.torch.type == "cuda"
        self.reasoner: Reasoner = build_reasoner(config, 1).to(self.device.torch).eval()
        source = self.reasoner.context
        assert isinstance(source, DemonstrationSource)
        self.source = source

    def run(self, way: Way, batch: Batch) -> tuple[Spent, StepOutput]:
        """All views of the batch, timed; and where they came to."""
        self.source.pack = way.pack
        batch = batch.to(self.device.torch)
        views, encoding, stepping = len(batch.inputs), 0.0, 0.0
        with torch.inference_mode(), self.device.autocast():
            carry = self.reasoner.initial_carry(batch)
            encoded, seconds = self.timed(lambda: self.reasoner.encode(carry, batch))
            encoding += seconds
            for step in range(self.steps):
                if step and not way.once:
                    encoded, seconds = self.timed(self._encoding(carry, batch))
                    encoding += seconds
                output, seconds = self.timed(self._stepping(carry, encoded))
                carry, stepping = output.carry, stepping + seconds
        times = 1 if way.once else self.steps
        return Spent(encoding / views / times, stepping / views / self.steps), output

    def timed(self, work: Callable[[], Any]) -> tuple[Any, float]:
        started = self._now()
        result = work()
        return result, self._now() - started

    def _encoding(self, carry: Any, batch: Batch) -> Callable[[], Encoded]:
        return lambda: self.reasoner.encode(carry, batch)

    def _stepping(self, carry: Any, encoded: Encoded) -> Callable[[], StepOutput]:
        return lambda: self.reasoner.decode(carry, encoded)

    def _now(self) -> float:
        """Wall time of a GPU; of a CPU the time it worked for us, which a busy machine changes little."""
        if self.gpu:
            torch.cuda.synchronize(self.device.torch)
            return time.perf_counter()
        return time.process_time()


def sample(plan: Plan, canvas: Canvas) -> TestInput:
    """The question of this canvas with the median number of demonstrations."""
    held = [each for each in plan.questions if canvas in plan.canvases_of(each)]
    return sorted(held, key=lambda each: len(each.demonstrations))[len(held) // 2]


def chosen(plan: Plan, most: int) -> list[Canvas]:
    """Up to `most` of a plan's canvases to be timed, evenly over the cells that its views have, ascending."""
    canvases = sorted(plan.views_by_canvas, key=cells_of)
    ends = np.cumsum([plan.views_by_canvas[canvas] * cells_of(canvas) for canvas in canvases])
    places = np.searchsorted(ends, np.linspace(0, ends[-1], most))
    return [canvases[at] for at in sorted({0, *places.clip(max=len(canvases) - 1).tolist()})]


def cells_of(canvas: Canvas) -> int:
    side, region = canvas
    return region.cells if region else side**2


def batch_on(question: TestInput, canvas: Canvas, views: int, places: int) -> Batch:
    """The first views of a question that lie so; `places` for demonstrations, the rest of them empty."""
    side, region = canvas
    all_views = views_of(question, 16 * views, 0, PuzzleTable())
    if region:
        upright = region_of(question.task, side, TRIM) == region
        all_views = tuple(
            each
            for each in all_views
            if region.height == region.width
            or (each.views[0].augmentation.dihedral in ON_ITS_SIDE) != upright
        )
    batch = batch_of(all_views[:views], side, region)
    missing = places - batch.demo_mask.shape[1]
    if missing <= 0:
        return batch

    def padded(tensor: Tensor) -> Tensor:
        shape = (tensor.shape[0], missing, *tensor.shape[2:])
        return torch.cat([tensor, tensor.new_zeros(shape)], dim=1)

    return batch._replace(
        demo_inputs=padded(batch.demo_inputs),
        demo_outputs=padded(batch.demo_outputs),
        demo_mask=padded(batch.demo_mask),
    )


def median_of(spent: list[Spent]) -> Spent:
    return Spent(
        statistics.median(each.encoding for each in spent), statistics.median(each.step for each in spent)
    )


@dataclass(frozen=True)
class Times:
    """What was measured: each way at 30 x 30, and the exact one on the canvases of each plan."""

    whole: dict[str, Spent]
    canvases: dict[str, dict[Canvas, Spent]]  # by the plan's name

    def per_view(self, name: str, plan: Plan, steps: int) -> float:
        """Mean seconds of a distinct view of a plan; canvases not timed lie between those that were."""
        timed = sorted(self.canvases[name].items(), key=lambda item: cells_of(item[0]))
        cells = [cells_of(canvas) for canvas, _ in timed]
        seconds = [spent.encoding + steps * spent.step for _, spent in timed]
        counts = plan.views_by_canvas
        each = np.interp([cells_of(canvas) for canvas in counts], cells, seconds)
        return float(np.average(each, weights=list(counts.values())))


def timed_in_turns(question: Question, bench: Bench, plans: dict[str, Plan], rounds: int, most: int) -> Times:
    """Time every way in turns, `rounds` times; of each plan up to `most` canvases."""
    square = plans["canvas"]
    by_side = sorted(square.questions, key=square.side_of)
    middle = by_side[len(by_side) // 2]
    size, full = bench.batch_size, (PUBLISHED, None)
    wide, narrow = (batch_on(middle, full, size, places) for places in (PLACES, 0))
    whole: dict[str, list[Spent]] = defaultdict(list)
    canvases: dict[str, dict[Canvas, list[Spent]]] = {name: defaultdict(list) for name in plans}
    for turn in range(rounds + bench.gpu):
        timing = turn > 0 or not bench.gpu  # a GPU's first turn loads its kernels
        spent, reference = bench.run(FAITHFUL, wide)
        whole[FAITHFUL.name] += [spent] * timing
        spent, output = bench.run(EXACT, narrow)
        whole[EXACT.name] += [spent] * timing
        if turn == 0:
            same = float((reference.logits.argmax(-1) == output.logits.argmax(-1)).float().mean())
            case = "predicted tokens equal to the faithful way's"
            question.add(case, "%", [100 * same], subject("exact"), more_is_better=True)
        for name, plan in plans.items():
            for canvas in chosen(plan, most):
                spent, _ = bench.run(EXACT, batch_on(sample(plan, canvas), canvas, size, 0))
                canvases[name][canvas] += [spent] * timing
    return Times(
        {name: median_of(each) for name, each in whole.items()},
        {
            name: {canvas: median_of(each) for canvas, each in timed.items()}
            for name, timed in canvases.items()
        },
    )


def report(
    question: Question, bench: Bench, plans: dict[str, Plan], times: Times, views: int, steps: int
) -> None:
    """Seconds per view of each way, and what the whole evaluation would take."""
    square = plans["canvas"]
    asked, distinct = views * len(square.questions), square.views
    per_view = {name: spent.encoding + steps * spent.step for name, spent in times.whole.items()}
    per_view |= {name: times.per_view(name, plan, steps) for name, plan in plans.items()}
    for name, seconds in per_view.items():
        computed = asked if name == "faithful" else distinct
        note = f"{steps} ACT steps of which {bench.steps} were timed, batch {bench.batch_size}"
        question.add("a view", "s", [seconds], subject(name), note=note)
        hours = seconds * computed / 3600
        case = f"{len(square.questions)} test inputs × {views:,} views, projected"
        question.add(case, "h", [hours], subject(name), note=f"{computed:,} views computed")
    projected(question, bench, plans["trimmed"], asked, steps, per_view["trimmed"])


def subject(way: str) -> str:
    return f"{OURS}, {way}"


def projected(question: Question, bench: Bench, plan: Plan, asked: int, steps: int, seconds: float) -> None:
    """Operations per second, and hours of an H100."""
    model = bench.config.model
    assert isinstance(model, EtrmModel)
    total = sum(
        count * view_flops(model, cells_of(canvas), shown, steps, encodings=0)
        + count * view_flops(model, canvas[0] ** 2, shown, 0, encodings=1)
        for canvas, count in plan.views_by_canvas.items()
        for shown in (len(sample(plan, canvas).demonstrations),)
    )
    faithful = asked * view_flops(model, PUBLISHED**2, PLACES, steps, encodings=steps)
    rate = total / plan.views / seconds
    question.add("products", "TFLOP/s", [rate / 1e12], subject("trimmed"))
    peak = peak_of(torch.cuda.get_device_name()) if bench.gpu else None
    if peak:
        question.add("share of the peak", "%", [100 * rate / peak], subject("trimmed"))
        return
    for share in ASSUMED_SHARES:
        case = f"projected: one H100 at an assumed {share:.0%} of its bf16 peak"
        for name, work in (("faithful", faithful), ("trimmed", total)):
            question.add(case, "h", [work / (PEAKS["H100"] * share) / 3600], subject(name))


def options(parser: argparse.ArgumentParser) -> None:
    gpu = torch.cuda.is_available()
    parser.add_argument("--views", type=int, default=1000, help="of each test input, in the projection")
    parser.add_argument("--steps", type=int, default=16, help="ACT steps, in the projection")
    parser.add_argument(
        "--measured-steps", type=int, help="ACT steps that are timed; 2, on a GPU 16, with --quick 1"
    )
    parser.add_argument("--batch", type=int, default=256 if gpu else 1, help="views per forward pass")
    parser.add_argument("--rounds", type=int, default=3 if gpu else 1, help="turns of every way")
    parser.add_argument(
        "--threads", type=int, default=1, help="of the CPU; several spin while they wait, which counts"
    )
    parser.add_argument("--canvases", type=int, default=12, help="timed of each plan, at most")
    parser.add_argument("--tasks", type=int, help="only the first n; with --quick 10")


def measure(question: Question, given: argparse.Namespace) -> None:
    gpu = torch.cuda.is_available()
    torch.set_num_threads(given.threads)
    base = etrm_deterministic_arc1()
    training = base.training.model_copy(update={"device": "auto", "precision": "bf16" if gpu else "fp32"})
    data = base.data.model_copy(update={"canvas_sizes": BUCKETS})
    evaluation = base.evaluation.model_copy(update={"batch_size": 64})
    config = base.model_copy(update={"training": training, "data": data, "evaluation": evaluation})
    measured = given.measured_steps or (1 if question.quick else 16 if gpu else 2)
    bench = Bench(config, measured, given.batch)
    trimming = config.model_copy(update={"evaluation": evaluation.model_copy(update={"trim": TRIM})})
    tasks = read_built_in(HELD_OUT)[: given.tasks or (10 if question.quick else None)]
    plans = {
        name: Plan(tasks, each, given.views, PuzzleTable())
        for name, each in (("canvas", config), ("trimmed", trimming))
    }
    times = timed_in_turns(question, bench, plans, given.rounds, 1 if question.quick else given.canvases)
    report(question, bench, plans, times, given.views, given.steps)


if __name__ == "__main__":
    run(__file__, __doc__, measure, options)
