"""How fast evaluation is at D = 512: the faithful way, the exact savings, and the smaller canvas. JSON lines.

faithful: 30 x 30, every place for a demonstration encoded again at each ACT step, every view computed.
exact: 30 x 30, the context once per view, only the demonstrations there are, views that look alike once:
predictions identical in fp32. canvas: the same on the smallest canvas that holds what a solver may see.
canvas, bf16: that in bf16, on a CPU; a GPU computes every way in bf16, as published.
All in one run, in turns; medians of the time that the processor spent (on a GPU: of wall time), encoding
and ACT steps apart. Seconds per view are for `--steps` ACT steps: one step costs what another does, so
fewer (`--measured-steps`) are timed on a CPU and multiplied. How many views there are of which canvas, and
which of them look alike, is counted over all 400 tasks. Hours are projections from these numbers; those of
an H100 where there is none are operations over its peak at assumed shares.

    python -m benchmarks.bench_eval [--views 1000] [--steps 16] [--measured-steps 1] [--batch 1] [--rounds 1]
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from backend.domain.arc_files import read_built_in
from backend.domain.experiment import EtrmModel, ExperimentConfig
from backend.domain.presets import etrm_deterministic_arc1
from benchmarks.flops import PEAKS, peak_of, view_flops
from worker.batch import Batch
from worker.data.puzzles import PuzzleTable
from worker.device import Device, open_device
from worker.evaluation.plan import Plan
from worker.evaluation.views import Question, batch_of, views_of
from worker.models.build import build_reasoner
from worker.models.context.deterministic import DemonstrationSource
from worker.models.reasoner import Encoded, Reasoner, StepOutput

HELD_OUT = "arc-agi-1/evaluation"
PUBLISHED = 30
BUCKETS = (10, 15, 20, 25, 30)
PLACES = 10  # for demonstrations, as published
ASSUMED_SHARES = (0.1, 0.25, 0.4)  # of an H100's peak, where none is at hand


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


def sample(plan: Plan, side: int) -> Question:
    """The question of this canvas with the median number of demonstrations."""
    of_side = [each for each in plan.questions if plan.side_of(each) == side]
    return sorted(of_side, key=lambda each: len(each.demonstrations))[len(of_side) // 2]


def batch_on(question: Question, side: int, views: int, places: int) -> Batch:
    """The first views of a question; `places` for demonstrations, the rest of them empty."""
    batch = batch_of(views_of(question, 10 * views, 0, PuzzleTable())[:views], side)
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


def identical(a: StepOutput, b: StepOutput) -> dict[str, Any]:
    """Whether two ways predict the same tokens, and how far their numbers are apart."""
    return {
        "same_predictions": bool(torch.equal(a.logits.argmax(-1), b.logits.argmax(-1))),
        "max_abs_difference_of_logits": float((a.logits - b.logits).abs().max()),
        "max_abs_difference_of_halting_logits": float((a.halt_logits - b.halt_logits).abs().max()),
    }


def median_of(spent: list[Spent]) -> Spent:
    return Spent(
        statistics.median(each.encoding for each in spent), statistics.median(each.step for each in spent)
    )


def measure(
    bench: Bench, half: Bench | None, plan: Plan, rounds: int
) -> tuple[dict[str, Spent], dict[str, dict[int, Spent]]]:
    """Seconds of the faithful and the exact way at 30 x 30, and of the exact one on each canvas.

    `half` is the same model in bf16, timed on each canvas too.
    """
    sides = sorted({plan.side_of(each) for each in plan.questions})
    sorted_sides = sorted(plan.side_of(each) for each in plan.questions)
    middle = sample(plan, sorted_sides[len(sorted_sides) // 2])
    size = bench.batch_size
    wide = batch_on(middle, PUBLISHED, size, PLACES)
    narrow = batch_on(middle, PUBLISHED, size, 0)
    for_way: dict[str, list[Spent]] = defaultdict(list)
    benches = {"canvas": bench} | ({"canvas, bf16": half} if half else {})
    for_side: dict[str, dict[int, list[Spent]]] = {name: defaultdict(list) for name in benches}
    for turn in range(rounds + bench.gpu):
        timing = turn > 0 or not bench.gpu  # a GPU's first turn loads its kernels
        spent, reference = bench.run(FAITHFUL, wide)
        for_way[FAITHFUL.name] += [spent] * timing
        spent, output = bench.run(EXACT, narrow)
        for_way[EXACT.name] += [spent] * timing
        if turn == 0:
            emit({"identical_to_faithful": "exact"} | identical(reference, output))
        for side in sides:
            asked = batch_on(sample(plan, side), side, size, 0)
            outputs = []
            for name, each in benches.items():
                spent, output = each.run(EXACT, asked)
                for_side[name][side] += [spent] * timing
                outputs.append(output.logits.argmax(-1))
            if turn == 0 and half:
                same = (outputs[0] == outputs[1]).double().mean().item()
                emit({"canvas": side, "tokens_alike_in_bf16": round(same, 4)})
    return (
        {name: median_of(each) for name, each in for_way.items()},
        {
            name: {side: median_of(each) for side, each in by_side.items()}
            for name, by_side in for_side.items()
        },
    )


def report(
    bench: Bench,
    plan: Plan,
    ways: dict[str, Spent],
    sides: dict[str, dict[int, Spent]],
    views: int,
    steps: int,
) -> Iterator[dict[str, Any]]:
    """Views per second of each way, and what the whole evaluation would take."""
    asked = views * len(plan.questions)
    distinct = plan.views_by_side
    alike = asked / sum(distinct.values())
    faithful = steps * (ways["faithful"].encoding + ways["faithful"].step)
    exact = ways["exact"].encoding + steps * ways["exact"].step
    by_side = {
        name: {side: each.encoding + steps * each.step for side, each in of_canvas.items()}
        for name, of_canvas in sides.items()
    }
    canvas = {
        name: sum(seconds[side] * count for side, count in distinct.items()) / sum(distinct.values())
        for name, seconds in by_side.items()
    }
    yield {
        "views_asked": asked,
        "views_distinct": sum(distinct.values()),
        "shares_of_canvases": {
            side: round(count / sum(distinct.values()), 3) for side, count in distinct.items()
        },
        "does_not_fit": len(plan.fitting_none),
    }
    for name, seconds, computed in (
        ("faithful", faithful, asked),
        ("exact", exact, sum(distinct.values())),
        *((name, seconds, sum(distinct.values())) for name, seconds in canvas.items()),
    ):
        hours = seconds * computed / 3600
        yield {
            "way": name,
            "act_steps": steps,
            "measured_act_steps": bench.steps,
            "seconds_per_view": round(seconds, 4),
            "views_per_s": round(1 / seconds, 4),
            "times_faithful": round(faithful * asked / (seconds * computed), 2),
            "of_it_by_equal_views": 1.0 if name == "faithful" else round(alike, 3),
            "projected_hours_here": round(hours, 1),
        }
    for name, of_canvas in by_side.items():
        yield {
            "way": name,
            "seconds_per_view_by_canvas": {side: round(each, 4) for side, each in of_canvas.items()},
        }
    yield from projected(bench, plan, distinct, asked, steps, canvas["canvas"])


def projected(
    bench: Bench, plan: Plan, distinct: dict[int, int], asked: int, steps: int, seconds: float
) -> Iterator[dict[str, Any]]:
    """Operations of the whole, and hours of an H100."""
    model = bench.config.model
    assert isinstance(model, EtrmModel)
    shown = {side: len(sample(plan, side).demonstrations) for side in distinct}
    total = sum(
        count * view_flops(model, side**2, shown[side], steps, encodings=1)
        for side, count in distinct.items()
    )
    faithful = asked * view_flops(model, PUBLISHED**2, PLACES, steps, encodings=steps)
    yield {
        "whole_evaluation_tflop": {"faithful": round(faithful / 1e12), "canvas": round(total / 1e12)},
        "tflop_per_s_here": round(total / sum(distinct.values()) / seconds / 1e12, 4),
    }
    peak = peak_of(torch.cuda.get_device_name()) if bench.gpu else None
    if peak:
        share = total / sum(distinct.values()) / seconds / peak
        yield {"share_of_peak_measured": round(share, 3)}
        return
    for share in ASSUMED_SHARES:
        rate = PEAKS["H100"] * share
        yield {
            "projection": f"one H100 at an assumed {share:.0%} of its bf16 peak",
            "hours": {
                name: round(work / rate / 3600, 2)
                for name, work in (("faithful", faithful), ("canvas", total))
            },
        }


def emit(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    gpu = torch.cuda.is_available()
    parser.add_argument("--views", type=int, default=1000, help="of each test input, in the projection")
    parser.add_argument("--steps", type=int, default=16, help="ACT steps, in the projection")
    parser.add_argument(
        "--measured-steps", type=int, default=16 if gpu else 2, help="ACT steps that are timed"
    )
    parser.add_argument("--batch", type=int, default=256 if gpu else 1, help="views per forward pass")
    parser.add_argument("--rounds", type=int, default=3 if gpu else 1, help="turns of every way")
    parser.add_argument(
        "--threads", type=int, default=1, help="of the CPU; several spin while they wait, which counts"
    )
    parser.add_argument("--tasks", type=int, help="only the first n, for a quick look")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    base = etrm_deterministic_arc1()
    training = base.training.model_copy(update={"device": "auto", "precision": "bf16" if gpu else "fp32"})
    data = base.data.model_copy(update={"canvas_sizes": BUCKETS})
    evaluation = base.evaluation.model_copy(update={"batch_size": 64})
    config = base.model_copy(update={"training": training, "data": data, "evaluation": evaluation})
    bench = Bench(config, chosen.measured_steps, chosen.batch)
    halved = config.model_copy(update={"training": training.model_copy(update={"precision": "bf16"})})
    half = None if gpu else Bench(halved, chosen.measured_steps, chosen.batch)
    plan = Plan(read_built_in(HELD_OUT)[: chosen.tasks], config, chosen.views, PuzzleTable())
    emit(
        {
            "bench": "eval",
            "width": config.model.core.width,
            "device": bench.device.name if gpu else f"{bench.device.name}, {platform.machine()}",
            "precision": training.precision,
            "batch": chosen.batch,
            "clock": "wall" if gpu else "processor time",
            "test_inputs": len(plan.questions),
        }
    )
    ways, sides = measure(bench, half, plan, chosen.rounds)
    for line in report(bench, plan, ways, sides, chosen.views, chosen.steps):
        emit(line)


if __name__ == "__main__":
    main()
