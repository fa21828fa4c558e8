"""What NVML tells of the GPUs that CUDA would show, with a driver that exists in these tests only."""

# ruff: noqa: N802 — NVML's own names

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from backend.domain.metrics.system import MEMORY, POWER, TEMPERATURE, UTILISATION
from worker.service.gpus import Gpus
from worker.service.use import DeviceUse


class NVMLError(Exception):
    pass


@dataclass
class Board:
    """A GPU as its driver knows it: whole, or divided into slices by UUID -> bytes in use."""

    uuid: str
    percent: int = 0
    watts: float = 100.0
    slices: dict[str, int] = field(default_factory=dict)
    lost: bool = False


class Slice(SimpleNamespace):
    board: Board
    used: int


class Driver(types.ModuleType):
    """`pynvml`, as far as it is used here."""

    NVMLError = NVMLError
    NVML_TEMPERATURE_GPU = 0

    def __init__(self, *boards: Board, present: bool = True) -> None:
        super().__init__("pynvml")
        self.boards, self.present = boards, present

    def nvmlInit(self) -> None:
        if not self.present:
            raise NVMLError("Driver Not Loaded")

    def nvmlDeviceGetCount(self) -> int:
        return len(self.boards)

    def nvmlDeviceGetHandleByIndex(self, number: int) -> Board:
        if not 0 <= number < len(self.boards):
            raise NVMLError("Invalid Argument")
        return self._answering(self.boards[number])

    def nvmlDeviceGetUUID(self, handle: Board) -> str:
        return handle.uuid

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> Slice:
        for board in self.boards:
            if uuid in board.slices:
                return Slice(board=board, used=board.slices[uuid])
        raise NVMLError("Not Found")

    def nvmlDeviceGetMigMode(self, handle: Board) -> list[int]:
        return [int(bool(handle.slices))] * 2

    def nvmlDeviceGetMigDeviceHandleByIndex(self, handle: Board, number: int) -> Slice:
        return Slice(board=handle, used=list(handle.slices.values())[number])

    def nvmlDeviceGetDeviceHandleFromMigDeviceHandle(self, handle: Slice) -> Board:
        return handle.board

    def nvmlDeviceGetUtilizationRates(self, handle: Any) -> SimpleNamespace:
        if isinstance(handle, Slice):
            raise NVMLError("Not Supported")
        return SimpleNamespace(gpu=self._answering(handle).percent, memory=3)

    def nvmlDeviceGetMemoryInfo(self, handle: Any) -> SimpleNamespace:
        used = handle.used if isinstance(handle, Slice) else self._answering(handle).percent * 2**30
        return SimpleNamespace(used=used, total=80 << 30)

    def nvmlDeviceGetPowerUsage(self, handle: Board) -> int:
        return int(self._answering(handle).watts * 1000)

    def nvmlDeviceGetTemperature(self, handle: Board, _sensor: int) -> int:
        return 20 + self._answering(handle).percent // 2

    @staticmethod
    def _answering(handle: Board) -> Board:
        if handle.lost:
            raise NVMLError("GPU is lost")
        return handle


Install = Callable[..., Driver]


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def install(*boards: Board, present: bool = True) -> Driver:
        made = Driver(*boards, present=present)
        monkeypatch.setitem(sys.modules, "pynvml", made)
        return made

    return install


def three() -> list[Board]:
    return [Board("GPU-aaaa-1", 10), Board("GPU-bbbb-2", 20), Board("GPU-cccc-3", 30)]


def percents(readings: list[dict[str, float]]) -> list[int | None]:
    return [round(each[UTILISATION] * 100) if UTILISATION in each else None for each in readings]


def test_a_gpu_tells_four_figures_in_the_units_of_their_metrics(driver: Install) -> None:
    driver(Board("GPU-1", 40, 312.5))
    assert Gpus().read() == [{UTILISATION: 0.4, MEMORY: 40 * 2.0**30, POWER: 312.5, TEMPERATURE: 40.0}]
    assert DeviceUse("cuda").read() == (0.4, 40 * 2**30)


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (None, [10, 20, 30]),
        ("", []),
        ("2,0", [30, 10]),
        ("GPU-bbbb-2", [20]),
        ("GPU-cc, GPU-aaaa", [30, 10]),  # CUDA takes shortened ones
        ("1,7,0", [20]),  # and nothing behind one that is not there
        ("-1", []),
    ],
)
def test_those_that_cuda_shows_in_its_order(
    driver: Install, monkeypatch: pytest.MonkeyPatch, visible: str | None, expected: list[int]
) -> None:
    driver(*three())
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert percents(Gpus().read()) == expected


def test_a_uuid_that_torch_gave_wins_over_the_order_of_the_bus(
    driver: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver(*three())
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")  # CUDA may number the fastest first
    assert percents(Gpus().read(["cccc-3", "GPU-aaaa-1"])) == [30, 10]


@pytest.mark.parametrize("visible", ["MIG-two", None])
def test_a_slice_tells_its_memory_and_the_power_of_its_gpu(
    driver: Install, monkeypatch: pytest.MonkeyPatch, visible: str | None
) -> None:
    slices = {"MIG-one": 1 << 30, "MIG-two": 2 << 30} if visible else {"MIG-two": 2 << 30}
    driver(Board("GPU-1", 60, 250.0, slices=slices))
    if visible:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    expected = {MEMORY: 2.0 * 2**30, POWER: 250.0, TEMPERATURE: 50.0}
    assert Gpus().read() == [expected]
    assert Gpus().read(["MIG-two"]) == Gpus().read(["two"]) == [expected]


def test_a_gpu_that_falls_off_its_bus_tells_nothing_until_it_is_back(driver: Install) -> None:
    first, second = Board("GPU-1", 10), Board("GPU-2", 20)
    driver(first, second)
    gpus = Gpus()
    assert percents(gpus.read(["GPU-1", "GPU-2"])) == [10, 20]
    first.lost = True
    assert gpus.read(["GPU-1", "GPU-2"])[0] == {}
    assert percents(gpus.read(["GPU-1", "GPU-2"])) == [None, 20]
    first.lost = False
    assert percents(gpus.read(["GPU-1", "GPU-2"])) == [10, 20]


def test_without_a_driver_or_its_package_there_is_nothing_to_tell(
    driver: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = driver(Board("GPU-1", 10), present=False)
    gpus = Gpus()
    assert gpus.read() == []
    assert DeviceUse("cuda").read() == (None, None)
    made.present = True  # loaded later
    assert percents(gpus.read()) == [10]
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert Gpus().read() == []
