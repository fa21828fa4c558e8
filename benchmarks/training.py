"""Training: samples a second of a plain transcription, the faithful mode and the efficient one.

plain: benchmarks/model/plain.py. faithful: the lab as published (30 x 30, every place for a demonstration
encoded). efficient: the lab with the smallest canvas that holds a task, the demonstrations there are, and
bf16 where it is faster on this device. All in one run, in turns; medians. A mode of several canvases gives
each its turns, and its seconds per step are their mean, weighted by how often training draws each canvas.
"""

from __future__ import annotations

import argparse
import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch

from benchmarks.flops import peak_of
from benchmarks.kit.question import Question, run
from benchmarks.kit.records import OURS
from benchmarks.model.profile_step import profile_step
from benchmarks.model.training_modes import (
    BUCKETS,
    PUBLISHED_CANVAS,
    Mode,
    Plain,
    Product,
    Tasks,
    peak_memory,
    timed,
)
from worker.kit.device import open_device

SIZES = ("published", "quick")
CPU_BATCH = {"published": 2, "quick": 16}
GPU_BATCH = 256
PLAIN_GPU_BATCH = 16  # it cannot accumulate, and its activations fill a card
PROBED = BUCKETS[0]  # the canvas on which precisions are compared: the most frequent one


def efficient(tasks: Tasks, size: str, batch: int, gpu: bool) -> Product:
    """The efficient mode in the precision that is faster here, by a race of a few steps."""
    racers = []
    for precision in ("fp32", "bf16"):
        config = tasks.config(size, batch, BUCKETS, precision)
        if gpu:
            config = _update_training(config, compile=True)
        racers.append(Product("efficient", config, tasks.build(config), pack=True))
    for racer in racers:
        timed(racer, PROBED)
    laps = [(timed(racers[0], PROBED), timed(racers[1], PROBED)) for _ in range(3)]
    fp32, bf16 = (statistics.median(column) for column in zip(*laps, strict=True))
    return racers[int(bf16 < fp32)]


def modes(tasks: Tasks, size: str, batch: int, gpu: bool) -> list[Mode]:
    """The three modes. On a GPU the published precision is bf16, on a CPU only fp32 is faithful."""
    precision = "bf16" if gpu else "fp32"
    config = tasks.config(size, batch, PUBLISHED_CANVAS, precision)
    data = tasks.build(config)
    plainly = _update_training(config, batch_size=PLAIN_GPU_BATCH) if gpu else config
    if gpu:  # 2,560 demonstrations of 1,800 cells do not fit a card at once
        config = _update_training(config, accumulate=16)
    return [
        Plain(plainly, data),
        Product("faithful", config, data, pack=False),
        efficient(tasks, size, batch, gpu),
    ]


def measure_size(
    question: Question, tasks: Tasks, size: str, batch: int, rounds: int, gpu: bool, with_profile: bool
) -> None:
    """All modes of one size, in turns."""
    contenders = modes(tasks, size, batch, gpu)
    seconds: dict[tuple[str, int], list[float]] = defaultdict(list)
    memory: dict[str, int] = defaultdict(int)
    for each in range(rounds + gpu):
        for mode in contenders:
            for side in mode.shares:
                with peak_memory() as peak:
                    taken = timed(mode, side)
                memory[mode.name] = max(memory[mode.name], *peak)
                if not (gpu and each == 0):  # the first round compiles
                    seconds[mode.name, side].append(taken)
    for mode in contenders:
        turns = zip(*(seconds[mode.name, side] for side in mode.shares), strict=True)
        shares = list(mode.shares.values())
        steps = [sum(share * taken for share, taken in zip(shares, turn, strict=True)) for turn in turns]
        case, name = f"{size} size", subject(mode)
        samples = [mode.batch_size / step for step in steps]
        question.add(case, "samples/s", samples, name, note=describe(mode))
        question.add(f"{case}, a step", "ms", [1000 * step for step in steps], name)
        done = sum(share * mode.flops(side) for side, share in mode.shares.items())
        rates = [done / step / 1e12 for step in steps]
        question.add(f"{case}, products", "TFLOP/s", rates, name)
        peak = peak_of(torch.cuda.get_device_name()) if gpu else None
        if peak:
            question.add(f"{case}, share of the peak", "%", [1e14 * rate / peak for rate in rates], name)
        question.add(f"{case}, memory", "MB", [memory[mode.name] / 1e6], name)
    if with_profile or gpu:
        for mode in contenders[1:]:
            side = max(mode.shares, key=lambda side, mode=mode: mode.shares[side])  # type: ignore[misc]
            profile = profile_step(lambda: mode.step(side))  # noqa: B023
            for kind, share in profile["shares_by_kind"].items():
                case = f"{size} size, canvas {side}: {kind}"
                question.add(case, "% of a step", [100 * share], subject(mode))


def subject(mode: Mode) -> str:
    return "floor: plain transcription" if mode.name == "plain" else f"{OURS}, {mode.name}"


def describe(mode: Mode) -> str:
    device = open_device(_training(mode))
    on = device.name if device.torch.type == "cuda" else f"{torch.get_num_threads()} threads"
    return f"{on}, batch {mode.batch_size}, {mode.precision}"


def _training(mode: Mode) -> Any:
    return mode.config.training  # type: ignore[attr-defined]


def _update_training(config: Any, **values: object) -> Any:
    return config.model_copy(update={"training": config.training.model_copy(update=values)})


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--extra", type=Path, help="More tasks, in Kaggle's form: a file or a folder.")
    parser.add_argument("--size", choices=SIZES, action="append", help="Default: both; with --quick: quick.")
    parser.add_argument("--batch", type=int, help="Samples per step; default: 2 and 16, on a GPU 256.")
    parser.add_argument("--rounds", type=int, help="Turns of every mode on its canvases; default 2 and 5.")
    parser.add_argument(
        "--profile", action="store_true", help="What a step spends its time on; always on a GPU."
    )


def measure(question: Question, chosen: argparse.Namespace) -> None:
    gpu = torch.cuda.is_available()
    tasks = Tasks(chosen.extra)
    usual = {"published": 2, "quick": 5}  # a step of the first takes half a minute on two cores
    for size in chosen.size or (SIZES[1:] if question.quick else SIZES):
        batch = chosen.batch or (2 if question.quick else GPU_BATCH if gpu else CPU_BATCH[size])
        rounds = chosen.rounds or (1 if question.quick else usual[size])
        measure_size(question, tasks, size, batch, rounds, gpu, chosen.profile)


if __name__ == "__main__":
    run(__file__, __doc__, measure, options)
