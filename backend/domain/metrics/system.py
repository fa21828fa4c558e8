"""What a worker samples of GPU, process and machine beside a training; how: docs/decisions/system-metrics.md.

They are of the machine, not of the training: no verdict, goal, alarm or comparison is made of them.
"""

from __future__ import annotations

from collections.abc import Iterable

from backend.domain.metrics.metric import EVERY_SAMPLE, SYSTEM, Metric

PREFIX = "system/"
GPU = ("system/gpu_utilisation", "system/gpu_memory", "system/gpu_power", "system/gpu_temperature")
UTILISATION, MEMORY, POWER, TEMPERATURE = GPU
PROCESS_CPU, PROCESS_MEMORY = "system/cpu_utilisation", "system/process_memory"
MACHINE_MEMORY, DISK_FREE = "system/machine_memory", "system/disk_free"

SYSTEM_METRICS = (
    Metric(
        UTILISATION,
        "GPU utilisation",
        "Share of the time in which the GPU computed anything, however little of it: low values mean that it "
        "waits for the CPU. One slice of a divided GPU (MIG) has none.",
        SYSTEM,
        unit="share",
        label="GPU 0",
        panel="gpu_utilisation",
        recorded=EVERY_SAMPLE,
    ),
    Metric(
        MEMORY,
        "GPU memory in use",
        "Of the whole GPU, or of the slice of it that the run has: what other processes hold is counted.",
        SYSTEM,
        unit="bytes",
        label="GPU 0",
        panel="gpu_memory",
        recorded=EVERY_SAMPLE,
    ),
    Metric(
        POWER,
        "GPU power, watts",
        "What the whole GPU draws, a divided one too.",
        SYSTEM,
        label="GPU 0",
        panel="gpu_power",
        recorded=EVERY_SAMPLE,
    ),
    Metric(
        TEMPERATURE,
        "GPU temperature, °C",
        "Of the chip. A GPU that is too hot slows itself down.",
        SYSTEM,
        label="GPU 0",
        panel="gpu_temperature",
        recorded=EVERY_SAMPLE,
    ),
    Metric(
        PROCESS_CPU,
        "CPU utilisation of the training",
        "CPU time of the training's processes as a share of all cores that they may use: with 8 cores, one "
        "busy core is 12.5 %.",
        SYSTEM,
        unit="share",
        recorded=EVERY_SAMPLE,
    ),
    Metric(
        PROCESS_MEMORY,
        "Resident memory of the training",
        "Of its processes on the first machine.",
        SYSTEM,
        unit="bytes",
        label="training",
        panel="system_memory",
        recorded=EVERY_SAMPLE,
    ),
    Metric(
        MACHINE_MEMORY,
        "Memory in use on the machine",
        "By all processes, or by those of the container that the worker runs in.",
        SYSTEM,
        unit="bytes",
        label="machine",
        panel="system_memory",
        recorded=EVERY_SAMPLE,
    ),
    Metric(
        DISK_FREE,
        "Free disk space",
        "Where checkpoints go.",
        SYSTEM,
        unit="bytes",
        recorded=EVERY_SAMPLE,
    ),
)


def is_of_system(names: Iterable[str]) -> bool:
    """Whether these are the names of a sample: a training never records them together with its own."""
    return next(iter(names), "").startswith(PREFIX)


def of_device(name: str, device: int) -> str:
    """The series of a metric of the run's GPU number `device`: the first has the metric's own name."""
    return f"{name}/{device}" if device else name
