"""Measuring: repeats after a warm-up, contenders in turns, processor time and memory of processes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil

MB = 1e6


def seconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def repeated(action: Callable[[], object], times: int, warm_up: int = 1) -> list[float]:
    """Milliseconds of each call after those of the warm-up."""
    for _ in range(warm_up):
        action()
    return [1000 * seconds(action) for _ in range(times)]


def in_turns(
    actions: Mapping[str, Callable[[], object]], times: int, warm_up: int = 1
) -> dict[str, list[float]]:
    """Milliseconds of each call: A B A B …, so that what else the machine does falls on all of them."""
    for _ in range(warm_up):
        for action in actions.values():
            action()
    taken: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(times):
        for name, action in actions.items():
            taken[name].append(1000 * seconds(action))
    return taken


def until(condition: Callable[[], object], what: str, within: float = 120.0, every: float = 0.005) -> float:
    """Seconds until the condition holds; TimeoutError says what was awaited."""
    started = time.perf_counter()
    while not condition():
        if time.perf_counter() - started > within:
            raise TimeoutError(f"waited {within:.0f} s for {what}")
        time.sleep(every)
    return time.perf_counter() - started


def resident_mb(pid: int) -> float:
    """What a process and its children hold in memory; pages that they share count once for each."""
    process = psutil.Process(pid)
    return sum(each.memory_info().rss for each in (process, *process.children(recursive=True))) / MB


class PeakMemory:
    """The most that one process held in memory since this was made, on Linux."""

    def __init__(self, pid: int) -> None:
        self._folder = Path(f"/proc/{pid}")
        (self._folder / "clear_refs").write_text("5")  # the peak starts again from what is held now

    def mb(self) -> float:
        line = next(
            line for line in (self._folder / "status").read_text().splitlines() if line.startswith("VmHWM")
        )
        return int(line.split()[1]) * 1024 / MB
