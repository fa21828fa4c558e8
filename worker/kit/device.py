"""Where and how precisely the arithmetic runs."""

from __future__ import annotations

import os
import platform
import shutil
import sysconfig
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch
from torch import nn

from backend.domain.experiment import TrainingConfig
from backend.kit.errors import DeviceMissing, FieldProblem
from backend.kit.format import counted


@dataclass(frozen=True)
class Device:
    """A device of this machine and the precision of the blocks on it."""

    torch: torch.device
    precision: str  # "fp32", "bf16" or "bf16_weights"

    @property
    def name(self) -> str:
        """What people call it: the GPU's name, or the CPU with its threads."""
        if self.torch.type == "cuda":
            return str(torch.cuda.get_device_name(self.torch))
        return f"CPU, {counted(torch.get_num_threads(), 'thread')}"

    @property
    def can_compile(self) -> bool:
        """Whether torch.compile can be used. It builds extensions of Python: for a CPU in C++, for a GPU in C
        that start its kernels. With PyTorch 2.13 x86 CPUs without AVX-512 compute NaN (AVX2) or cannot build
        it (older)."""
        if not _has_python_headers():
            return False
        if self.torch.type != "cpu":
            compilers = [os.environ["CC"]] if "CC" in os.environ else ["gcc", "clang"]
            return any(map(shutil.which, compilers))
        is_x86 = platform.machine().lower() in ("x86_64", "amd64")
        is_right = not is_x86 or "AVX512" in torch.backends.cpu.get_cpu_capability()
        return is_right and shutil.which(os.environ.get("CXX", "g++")) is not None

    def autocast(self) -> AbstractContextManager[object]:
        """The context every forward pass runs in."""
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.torch.type, dtype=torch.bfloat16)

    def prepare(self, model: nn.Module) -> None:
        """Give the weights of a new model their precision."""
        if self.precision == "bf16_weights":
            for parameter in model.parameters():
                parameter.data = parameter.data.bfloat16()

    def memory_bytes(self) -> int:
        """Most GPU memory held so far, or the resident memory of this process."""
        if self.torch.type == "cuda":
            return int(torch.cuda.max_memory_allocated(self.torch))
        return int(psutil.Process().memory_info().rss)


def open_device(training: TrainingConfig) -> Device:
    """The device and precision a config asks for, made ready; DeviceMissing if this machine has no GPU."""
    gpu = torch.cuda.is_available()
    if training.device == "cuda" and not gpu:
        raise DeviceMissing(
            "The config cannot run here.",
            problems=[
                FieldProblem(
                    "training.device",
                    f"this machine has no GPU that torch {torch.__version__} can use.",
                    "Set it to auto or cpu, or start the worker on a machine with a GPU.",
                )
            ],
        )
    if gpu and training.device != "cpu":
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.backends.cudnn.allow_tf32 = True
        return Device(torch.device("cuda", torch.cuda.current_device()), training.precision)
    make_cpu_reproducible()
    return Device(torch.device("cpu"), training.precision)


def make_cpu_reproducible() -> None:
    """The same numbers on every run with the same number of threads: at most one per core at hand.

    `OMP_NUM_THREADS` and an earlier `torch.set_num_threads` are kept where they ask for fewer.
    """
    torch.set_num_threads(min(torch.get_num_threads(), usable_cores()))
    # As `use_deterministic_algorithms`, but without importing the compiler, which takes seconds.
    torch.set_deterministic_debug_mode("error")
    # Filling new memory costs time and hides no randomness of ours.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def _has_python_headers() -> bool:
    """Whether extensions of Python can be built: a distribution may keep the headers in another package."""
    if platform.system() == "Darwin":
        return True  # a framework's headers lie elsewhere, and always come with it
    folders = sysconfig.get_path("include"), sysconfig.get_path("include", "posix_prefix")
    return any(Path(folder, "Python.h").exists() for folder in folders)


def usable_cores() -> int:
    """Cores this process may run on; fewer than the machine's under a CPU set."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
