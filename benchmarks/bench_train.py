"""How fast training is: a plain transcription, the faithful mode, the efficient one. JSON lines.

plain: benchmarks/plain.py. faithful: the lab as published (30 x 30, every place for a demonstration
encoded). efficient: the lab with the smallest canvas that holds a task, the demonstrations there are, and
bf16 where it is faster on this device. All in one run, in turns; medians. A mode of several canvases gives
each its turns, and its seconds per step are their mean, weighted by how often training draws each canvas.

    python -m benchmarks.bench_train [--extra FOLDER_OR_FILE] [--size published] [--batch 4] [--rounds 3]
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch

from benchmarks.flops import peak_of
from benchmarks.profile_step import profile_step
from benchmarks.training_modes import (
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
    emit({"size": size, "probe": "precision", "canvas": PROBED, "bf16_over_fp32": round(fp32 / bf16, 2)})
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


def measure(tasks: Tasks, size: str, batch: int, rounds: int, gpu: bool, with_profile: bool) -> None:
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
    rates: dict[str, float] = {}
    for mode in contenders:
        medians = {side: statistics.median(seconds[mode.name, side]) for side in mode.shares}
        mean = sum(share * medians[side] for side, share in mode.shares.items())
        rates[mode.name] = mode.batch_size / mean
        line = describe(mode, size) | {
            "samples_per_s": round(rates[mode.name], 3),
            "seconds_per_step": round(mean, 4),
            "seconds_per_step_by_canvas": {side: round(each, 4) for side, each in medians.items()},
            "ratio_to_plain": round(rates[mode.name] / rates["plain"], 2),
            "ratio_to_faithful": round(rates[mode.name] / rates.get("faithful", rates[mode.name]), 2),
            "peak_memory_bytes": memory[mode.name],
            **work(mode, mean, gpu),
        }
        if mode.name == "plain":
            del line["ratio_to_faithful"]
        emit(line)
    if with_profile or gpu:
        for mode in contenders[1:]:
            side = max(mode.shares, key=lambda side, mode=mode: mode.shares[side])  # type: ignore[misc]
            emit(describe(mode, size) | {"profile_of_canvas": side} | profile_step(lambda: mode.step(side)))  # noqa: B023


def describe(mode: Mode, size: str) -> dict[str, Any]:
    device = open_device(_training(mode))
    return {
        "mode": mode.name,
        "size": size,
        "device": device.name if device.torch.type == "cuda" else f"{device.name}, {platform.machine()}",
        "threads": torch.get_num_threads(),
        "batch": mode.batch_size,
        "precision": mode.precision,
        "canvas_shares": {side: round(share, 3) for side, share in mode.shares.items()},
    }


def work(mode: Mode, seconds: float, gpu: bool) -> dict[str, Any]:
    """Operations per second, and on a GPU their share of the card's peak."""
    done = sum(share * mode.flops(side) for side, share in mode.shares.items()) / seconds
    peak = peak_of(torch.cuda.get_device_name()) if gpu else None
    return {
        "tflop_per_s": round(done / 1e12, 3),
        "share_of_peak": None if peak is None else round(done / peak, 3),
    }


def emit(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


def _training(mode: Mode) -> Any:
    return mode.config.training  # type: ignore[attr-defined]


def _update_training(config: Any, **values: object) -> Any:
    return config.model_copy(update={"training": config.training.model_copy(update=values)})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--extra", type=Path, help="more tasks, in Kaggle's form: a file or a folder")
    parser.add_argument("--size", choices=SIZES, action="append", help="default: both")
    parser.add_argument("--batch", type=int, help="samples per step; default: 2 and 16, on a GPU 256")
    parser.add_argument("--rounds", type=int, default=3, help="turns of every mode on each of its canvases")
    parser.add_argument(
        "--profile", action="store_true", help="what a step spends its time on; always on a GPU"
    )
    chosen = parser.parse_args()
    gpu = torch.cuda.is_available()
    tasks = Tasks(chosen.extra)
    emit({"mix": {name: len(tasks.source.tasks(name)) for name in tasks.training_sets}, "gpu": gpu})
    for size in chosen.size or SIZES:
        batch = chosen.batch or (GPU_BATCH if gpu else CPU_BATCH[size])
        measure(tasks, size, batch, chosen.rounds, gpu, chosen.profile)


if __name__ == "__main__":
    main()
