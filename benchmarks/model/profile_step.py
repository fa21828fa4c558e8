"""What a training step spends its time on, by torch's profiler."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

SHOWN = 12
# Parts of names of kernels and operators; the first that matches names the kind.
KINDS = {
    "attention": ("attention", "fmha", "flash"),
    "products": ("aten::mm", "aten::addmm", "aten::bmm", "gemm", "cutlass", "cublas", "nvjet"),
    "copies and casts": ("copy", "memcpy", "aten::cat", "CatArray", "memset", "fill"),
    "optimiser": ("multi_tensor", "foreach", "lerp", "atan2", "addcmul"),
    "sums": ("reduce", "aten::sum", "norm"),
}


def profile_step(step: Callable[[], None]) -> dict[str, Any]:
    """Shares of one step's wall time by kind and by kernel; on a GPU also the share it stood idle."""
    gpu = torch.cuda.is_available()
    activity = ProfilerActivity.CUDA if gpu else ProfilerActivity.CPU
    with profile(activities=[activity]) as record:
        started = time.perf_counter()
        step()
        wall = time.perf_counter() - started
    spent = {
        event.key: (event.self_device_time_total if gpu else event.self_cpu_time_total) / 1e6
        for event in record.key_averages()
    }
    kinds: dict[str, float] = defaultdict(float)
    for name, seconds in spent.items():
        kinds[kind_of(name)] += seconds / wall
    ordered = sorted(spent.items(), key=lambda item: -item[1])[:SHOWN]
    idle = {"idle": round(max(0.0, 1 - sum(spent.values()) / wall), 3)} if gpu else {}
    return {
        "seconds": round(wall, 4),
        "shares_by_kind": {kind: round(share, 3) for kind, share in sorted(kinds.items())} | idle,
        "top": {name[:80]: round(seconds / wall, 3) for name, seconds in ordered},
    }


def kind_of(name: str) -> str:
    """The kind of a kernel or an operator by its name."""
    lowered = name.lower()
    found = (kind for kind, parts in KINDS.items() if any(part.lower() in lowered for part in parts))
    return next(found, "element by element, and the rest")
