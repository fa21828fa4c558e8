"""What a worker knows of its machine: itself, its neighbours, device and memory. Never imports torch."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

from backend.kit.format import counted

_CONTROL_GROUPS = Path("/sys/fs/cgroup")
_MEMORY_FILES = (  # what a control group uses, and the counter of what of it is to spare
    ("memory.current", "inactive_file"),
    ("memory.usage_in_bytes", "total_inactive_file"),
)


@dataclass(frozen=True)
class DeviceInfo:
    """The device that trainings of this worker take when the config says auto."""

    kind: str  # cpu, cuda
    name: str
    memory_bytes: int


@cache
def worker_id() -> str:
    """HOST.NAMESPACE.PID.START: enough for another process of this host to tell whether this one is dead."""
    pid = os.getpid()
    return ".".join((socket.gethostname(), _pid_namespace(), str(pid), _start(pid) or "0"))


def is_dead(other: str) -> bool:
    """Whether the worker with this id is certainly dead: it was a process of this host, and it is gone."""
    host, namespace, pid, start = ([""] * 4 + other.rsplit(".", 3))[-4:]
    if (host, namespace) != (socket.gethostname(), _pid_namespace()) or not pid.isdecimal():
        return False
    return not psutil.pid_exists(int(pid)) or _start(int(pid)) not in (start, None)


def _start(pid: int) -> str | None:
    """When the process started, "gone" for a zombie, None if that cannot be seen.

    Linux counts ticks since the boot: unlike a date they stay the same when the clock is set.
    """
    fields = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    if fields:
        return "gone" if fields[0] in "ZX" else fields[19]
    try:
        return str(round(psutil.Process(pid).create_time()))
    except psutil.Error:
        return None


def _pid_namespace() -> str:
    """Two containers may share a host name, but not the meaning of a process number."""
    try:
        return str(os.stat("/proc/self/ns/pid").st_ino)
    except OSError:
        return "0"


def device_info() -> DeviceInfo:
    """The first visible GPU, as its driver's tool tells, else the CPU with its usable memory."""
    return _gpu() or DeviceInfo("cpu", f"{cpu_name()}, {counted(usable_cores(), 'core')}", memory_limit())


def _gpu() -> DeviceInfo | None:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    first = "0" if visible is None else visible.split(",")[0].strip()
    query = ["--query-gpu=name,memory.total", "--format=csv,noheader,nounits", f"--id={first}"]
    try:
        answer = subprocess.run(
            ["nvidia-smi", *query], capture_output=True, text=True, timeout=10, check=True
        )
        name, mebibytes = answer.stdout.strip().splitlines()[0].rsplit(",", 1)
        return DeviceInfo("cuda", name.strip(), int(mebibytes) * 2**20)
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None


def cpu_name() -> str:
    """The model of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_limit() -> int:
    """Bytes of memory the processes of this worker may hold: the machine's, or its control group's."""
    limits = [psutil.virtual_memory().total]
    for folder in _own_control_groups():
        for name in ("memory.max", "memory.limit_in_bytes"):
            text = _read(folder / name).strip()
            limits += [int(text)] if text.isdecimal() else []
    return int(min(limits))


def memory_in_use() -> int:
    """Bytes that all processes use, or where memory is limited those of this control group."""
    machine = psutil.virtual_memory()
    if memory_limit() < machine.total:
        for folder in _own_control_groups():
            for used, idle in _MEMORY_FILES:
                if (text := _read(folder / used).strip()).isdecimal():
                    idle_bytes = _counter(folder / "memory.stat", idle) or 0  # files read before are no use
                    return int(text) - idle_bytes
    return int(machine.total - machine.available)


def out_of_memory_kills() -> int:
    """How many processes of this process's control group the kernel has killed for memory; 0 if unknown."""
    for folder in _own_control_groups():
        for name in ("memory.events", "memory.oom_control"):
            if (kills := _counter(folder / name, "oom_kill")) is not None:
                return kills
    return 0


def _counter(file: Path, name: str) -> int | None:
    """The number behind a name in a file of counters; None where there is none."""
    for line in _read(file).splitlines():
        key, _, count = line.partition(" ")
        if key == name:
            return int(count)
    return None


def _own_control_groups() -> list[Path]:
    """Folders that may hold this process's memory counters, most specific first (version 2, version 1)."""
    folders = []
    for line in _read(Path("/proc/self/cgroup")).splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0":
            folders += [_CONTROL_GROUPS / path.lstrip("/"), _CONTROL_GROUPS]
        elif controllers == "memory":
            memory = _CONTROL_GROUPS / "memory"
            folders += [memory / path.lstrip("/"), memory]
    return folders


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
