"""Samples beside a training: which, at which step, and that they end with it and never end it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from backend.domain.metrics.system import DISK_FREE, MACHINE_MEMORY, PROCESS_CPU, PROCESS_MEMORY
from worker.kit.recorder import LostRun
from worker.service import system_metrics
from worker.service.system_metrics import Readings, sampled

OFTEN = 0.01  # seconds
PATIENCE = 60.0


class Memory:
    """A recorder as far as samples need one; `enough` is set once there are `wanted`."""

    def __init__(self, wanted: int = 1) -> None:
        self.step: int | None = None
        self.points: list[tuple[int, Mapping[str, float]]] = []
        self.lines: list[str] = []
        self.enough = threading.Event()
        self.wanted = wanted
        self.lost = False

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        self.points.append((step, values))
        if len(self.points) >= self.wanted:
            self.enough.set()
        if self.lost:
            raise LostRun("it is another attempt's")

    def log(self, text: str, _level: str) -> None:
        self.lines.append(text)
        self.enough.set()


def test_the_figures_of_this_process_are_those_of_the_system(tmp_path: Path) -> None:
    taken = Readings(tmp_path)
    sum(at * at for at in range(3_000_000))  # CPU time to be seen
    values = taken.take()
    assert values.keys() == {PROCESS_CPU, PROCESS_MEMORY, MACHINE_MEMORY, DISK_FREE}
    assert 0 < values[PROCESS_CPU] <= 1
    assert values[PROCESS_MEMORY] == pytest.approx(psutil.Process().memory_info().rss, rel=0.2)
    assert 0 < values[MACHINE_MEMORY] < psutil.virtual_memory().total
    assert values[DISK_FREE] == pytest.approx(psutil.disk_usage(str(tmp_path)).free, rel=0.2)


def test_nothing_is_sampled_before_the_training_begins_and_after_it_ends(tmp_path: Path) -> None:
    memory = Memory()
    with sampled(memory, tmp_path, OFTEN):  # type: ignore[arg-type]
        assert not memory.enough.wait(0.2)
        memory.step = 40
        assert memory.enough.wait(PATIENCE)
    assert not any(thread.name == "system metrics" for thread in threading.enumerate())
    assert {step for step, _ in memory.points} == {40}
    assert memory.lines == []


def test_an_interval_of_zero_takes_none(tmp_path: Path) -> None:
    memory = Memory()
    memory.step = 1
    with sampled(memory, tmp_path, 0):  # type: ignore[arg-type]
        assert not any(thread.name == "system metrics" for thread in threading.enumerate())
    assert memory.points == []


def test_a_step_has_the_mean_of_its_samples_and_the_next_step_starts_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = iter([{"a": 1.0}, {"a": 3.0, "b": 8.0}, {"a": 5.0}])
    memory = Memory(3)
    memory.step = 10

    def take() -> dict[str, float]:
        values = next(script, None)
        if values is None:
            memory.enough.wait(PATIENCE)
            raise LostRun("the script is over")
        if values == {"a": 5.0}:
            memory.step = 20
        return values

    monkeypatch.setattr(system_metrics, "Readings", lambda _: SimpleNamespace(take=take))
    with sampled(memory, tmp_path, OFTEN):  # type: ignore[arg-type]
        assert memory.enough.wait(PATIENCE)
    assert memory.points == [(10, {"a": 1.0}), (10, {"a": 2.0, "b": 8.0}), (20, {"a": 5.0})]


def test_a_failure_is_told_once_and_a_lost_run_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing, lost = Memory(), Memory()
    failing.step = lost.step = 1
    lost.lost = True
    with sampled(lost, tmp_path, OFTEN):  # type: ignore[arg-type]
        assert lost.enough.wait(PATIENCE)
    assert (len(lost.points), lost.lines) == (1, [])

    def take() -> dict[str, float]:
        raise RuntimeError("no such counter")

    monkeypatch.setattr(system_metrics, "Readings", lambda _: SimpleNamespace(take=take))
    with sampled(failing, tmp_path, OFTEN):  # type: ignore[arg-type]
        assert failing.enough.wait(PATIENCE)
    assert failing.lines == ["System metrics end here: RuntimeError: no such counter"]


def torch_with(*uuids: str, opened: bool = True) -> SimpleNamespace:
    """torch on a machine with these GPUs."""
    cuda = SimpleNamespace(
        is_initialized=lambda: opened,
        get_device_properties=lambda number: SimpleNamespace(uuid=uuids[number]),
    )
    return SimpleNamespace(cuda=cuda)


@pytest.mark.parametrize(
    ("torch", "environment", "expected"),
    [
        (torch_with("a", "b", opened=False), {}, []),  # a training on the CPU of a machine with GPUs
        (torch_with("a", "b"), {}, ["a"]),
        (torch_with("a", "b", "c"), {"LOCAL_WORLD_SIZE": "2"}, ["a", "b"]),
        (torch_with("whole"), {"CUDA_VISIBLE_DEVICES": "MIG-x,MIG-y"}, ["MIG-x"]),
    ],
)
def test_a_run_samples_the_gpus_that_it_has(
    torch: SimpleNamespace,
    environment: dict[str, str],
    expected: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("LOCAL_WORLD_SIZE", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setitem(sys.modules, "torch", torch)
    assert system_metrics.gpu_uuids() == expected
