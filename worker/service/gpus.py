"""What the driver tells of the GPUs that this process may use, through NVML, which neither loads torch nor
waits for the GPU.

Nothing here raises: without the package, the driver or the GPU, and for a GPU that fell off its bus, there
is nothing to tell.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import Any

from backend.domain.metrics.system import MEMORY, POWER, TEMPERATURE, UTILISATION


@dataclass(frozen=True)
class _Gpu:
    """Handles of NVML. `board` is the whole GPU, also where the process has a slice of it (MIG)."""

    device: Any
    board: Any


_FIGURES: Mapping[str, Callable[[Any, _Gpu], float]] = MappingProxyType(
    {
        UTILISATION: lambda nvml, gpu: nvml.nvmlDeviceGetUtilizationRates(gpu.device).gpu / 100,
        MEMORY: lambda nvml, gpu: nvml.nvmlDeviceGetMemoryInfo(gpu.device).used,
        POWER: lambda nvml, gpu: nvml.nvmlDeviceGetPowerUsage(gpu.board) / 1000,  # from milliwatts
        TEMPERATURE: lambda nvml, gpu: nvml.nvmlDeviceGetTemperature(gpu.board, nvml.NVML_TEMPERATURE_GPU),
    }
)


class Gpus:
    """The GPUs of this process in the order in which CUDA numbers them.

    They are looked up again at each reading, which takes microseconds: a reset driver gives new handles.
    """

    def __init__(self) -> None:
        self._nvml: Any = None

    def read(self, uuids: Sequence[str] | None = None) -> list[dict[str, float]]:
        """Of each GPU the metrics that it tells; in their units, by name.

        `uuids` are those that CUDA gave; without them CUDA_VISIBLE_DEVICES says which there are.
        """
        nvml = self._nvml or _opened()
        if nvml is None:
            return []
        self._nvml = nvml  # once opened it stays: to open it can take seconds, to open it in vain does not
        found = [_by_uuid(nvml, uuid) for uuid in uuids] if uuids is not None else _visible(nvml)
        return [_read(nvml, gpu) if gpu else {} for gpu in found]


def _opened() -> Any:
    """NVML, ready; None without its package or a driver."""
    try:
        nvml = import_module("pynvml")
    except (ImportError, OSError):
        return None
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return None
    return nvml


def _read(nvml: Any, gpu: _Gpu) -> dict[str, float]:
    values = {}
    for name, figure in _FIGURES.items():
        with suppress(nvml.NVMLError):  # not every GPU tells everything, a slice of one has no utilisation
            values[name] = float(figure(nvml, gpu))
    return values


def _visible(nvml: Any) -> list[_Gpu | None]:
    """What CUDA_VISIBLE_DEVICES leaves; numbers count by the bus, as those of nvidia-smi do."""
    wanted = os.environ.get("CUDA_VISIBLE_DEVICES")
    if wanted is None:
        return [_as_cuda_sees(nvml, handle) for handle in _all(nvml)]
    found: list[_Gpu | None] = []
    for each in filter(None, (part.strip() for part in wanted.split(","))):
        gpu = _by_number(nvml, int(each)) if each.isdecimal() else _by_uuid(nvml, each)
        if gpu is None:
            break  # CUDA ignores what follows a device that is not there
        found.append(gpu)
    return found


def _by_number(nvml: Any, number: int) -> _Gpu | None:
    with suppress(nvml.NVMLError):
        return _as_cuda_sees(nvml, nvml.nvmlDeviceGetHandleByIndex(number))
    return None


def _by_uuid(nvml: Any, uuid: str) -> _Gpu | None:
    """A GPU or a slice of one by its UUID, which may be shortened (GPU-8932f937) or without its prefix."""
    if uuid.startswith("MIG-"):
        with suppress(nvml.NVMLError):
            return _slice(nvml, nvml.nvmlDeviceGetHandleByUUID(uuid))
        return None
    beginning = uuid if uuid.startswith("GPU-") else f"GPU-{uuid}"
    for handle in _all(nvml):
        with suppress(nvml.NVMLError):
            if _text(nvml.nvmlDeviceGetUUID(handle)).startswith(beginning):
                return _as_cuda_sees(nvml, handle)
    return None if uuid.startswith("GPU-") else _by_uuid(nvml, f"MIG-{uuid}")


def _as_cuda_sees(nvml: Any, board: Any) -> _Gpu:
    """Of a divided GPU CUDA takes the first slice."""
    with suppress(nvml.NVMLError):
        divided, _ = nvml.nvmlDeviceGetMigMode(board)
        if divided:
            return _Gpu(nvml.nvmlDeviceGetMigDeviceHandleByIndex(board, 0), board)
    return _Gpu(board, board)


def _slice(nvml: Any, device: Any) -> _Gpu:
    return _Gpu(device, nvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(device))


def _all(nvml: Any) -> Iterator[Any]:
    count = 0
    with suppress(nvml.NVMLError):
        count = nvml.nvmlDeviceGetCount()
    for number in range(count):
        with suppress(nvml.NVMLError):  # it fell off its bus
            yield nvml.nvmlDeviceGetHandleByIndex(number)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
