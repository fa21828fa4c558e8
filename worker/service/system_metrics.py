"""Samples of GPU, process and machine beside a training, recorded as its other series are.

A thread of the training's own process takes them: it knows which GPUs the training has, and what it records
goes through the same journal under the same attempt. It reads counters of the driver and of the system and
never waits for the GPU. Why so: docs/decisions/system-metrics.md.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from backend.domain.metrics.system import (
    DISK_FREE,
    MACHINE_MEMORY,
    PROCESS_CPU,
    PROCESS_MEMORY,
    of_device,
)
from backend.kit.disk import free_bytes
from worker.kit.recorder import LostRun
from worker.recording.database import DbRecorder
from worker.service import machine, parallel
from worker.service.gpus import Gpus

LEAVE_SECONDS = 2.0  # for which the end of a training waits for a sample that is being taken


@contextmanager
def sampled(recorder: DbRecorder, folder: Path, interval: float) -> Iterator[None]:
    """Record a sample every `interval` seconds inside this block, once the training has begun; 0: none.

    `folder` is where its checkpoints go.
    """
    over = threading.Event()
    sampler = _Sampler(recorder, folder, interval, over)
    thread = threading.Thread(target=sampler.to_the_end, name="system metrics", daemon=True)
    if interval:
        thread.start()
    try:
        yield
    finally:
        over.set()
        if interval:
            thread.join(LEAVE_SECONDS)  # a driver or a network folder that hangs must not keep it


class Readings:
    """What there is to read of this process, its sisters of the same run, its GPUs and its machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._gpus = Gpus()
        self._processes = _processes()
        self._cpu_share()  # it counts from one call to the next

    def take(self) -> dict[str, float]:
        """The metrics by name, those that can be read."""
        values = {PROCESS_CPU: self._cpu_share(), MACHINE_MEMORY: float(machine.memory_in_use())}
        with suppress(psutil.Error):  # a sister has just ended
            values[PROCESS_MEMORY] = float(sum(each.memory_info().rss for each in self._processes))
        if (free := free_bytes(self._folder)) is not None:
            values[DISK_FREE] = float(free)
        uuids = gpu_uuids()
        for number, figures in enumerate(self._gpus.read(uuids)):
            values |= {of_device(name, number): value for name, value in figures.items()}
        return values

    def _cpu_share(self) -> float:
        busy = 0.0
        for process in self._processes:
            with suppress(psutil.Error):
                busy += process.cpu_percent() / 100
        return min(1.0, busy / machine.usable_cores())


class _Sampler:
    """Records the mean of the samples since the training last recorded a step, at that step.

    So a step has one point, and a resumed run writes over the points of the steps that it repeats.
    """

    def __init__(self, recorder: DbRecorder, folder: Path, interval: float, over: threading.Event) -> None:
        self._recorder = recorder
        self._folder = folder
        self._interval = interval
        self._over = over
        self._step: int | None = None
        self._samples: dict[str, list[float]] = {}

    def to_the_end(self) -> None:
        try:
            while self._recorder.step is None:
                if self._over.wait(min(self._interval, 1.0)):
                    return
            readings = Readings(self._folder)
            while not self._over.wait(self._interval):
                self._record(readings.take())
        except LostRun:
            pass  # the training leaves for it
        except Exception as error:  # noqa: BLE001 — no training may end for want of these
            with suppress(Exception):  # the recorder itself has failed
                self._recorder.log(f"System metrics end here: {type(error).__name__}: {error}", "warning")

    def _record(self, sample: dict[str, float]) -> None:
        step = self._recorder.step
        if step is None or self._over.is_set():
            return
        if step != self._step:
            self._step, self._samples = step, defaultdict(list)
        for name, value in sample.items():
            self._samples[name].append(value)
        means = {name: sum(values) / len(values) for name, values in self._samples.items()}
        self._recorder.metrics(step, means)


def gpu_uuids() -> Sequence[str]:
    """The UUIDs of the GPUs that the processes of this run have on this machine, by their rank; of a training
    on the CPU none."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return []
    count = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    visible = [each.strip() for each in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")]
    if visible[0].startswith("MIG-"):  # of a slice torch may tell the UUID of the whole GPU
        return visible[:count]
    return [str(torch.cuda.get_device_properties(rank).uuid) for rank in range(count)]


def _processes() -> list[psutil.Process]:
    """This process, or all that share its batches on this machine."""
    if not parallel.is_one_of_several():
        return [psutil.Process()]
    return list(psutil.Process(os.getppid()).children())
