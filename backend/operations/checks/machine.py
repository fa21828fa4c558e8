"""This machine: the artifacts folder, disks, devices, packages."""

from __future__ import annotations

import os
import platform
import subprocess
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import psutil
from packaging.requirements import Requirement

from backend.kit.disk import free_bytes
from backend.kit.format import counted, size
from backend.operations.checks.finding import Finding, ok, problem, warning
from backend.settings import Settings

PROGRAM = "etrm-lab"
NVIDIA_SECONDS = 4.0
QUERY = ("--query-gpu=name,memory.used,memory.total,temperature.gpu", "--format=csv,noheader")


def check_artifacts(settings: Settings) -> Iterator[Finding]:
    """Whether checkpoints can be written, and how much room there is."""
    folder = settings.artifacts
    if not folder.exists():
        yield warning("artifacts", f"{folder} is not there yet.", "It is made by etrm up, web and worker.")
    else:
        try:
            with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-") as probe:
                probe.write(b"etrm")
                probe.flush()
            yield ok("artifacts", f"{folder} can be written to")
        except OSError as error:
            yield problem(
                "artifacts",
                f"{folder} cannot be written to: {error.strerror}.",
                "Grant write permission, free space, or set ETRM_ARTIFACTS to another folder.",
            )
    for place in _disks(folder, settings.home):
        yield from _room(place, settings)


def _disks(*folders: Path) -> list[Path]:
    """Those of the folders that are on different disks, the first of each."""
    found: dict[int, Path] = {}
    for folder in folders:
        place = next((each for each in (folder, *folder.parents) if each.exists()), Path("/"))
        found.setdefault(place.stat().st_dev, folder)
    return list(found.values())


def _room(folder: Path, settings: Settings) -> Iterator[Finding]:
    free = free_bytes(folder)
    if free is None:
        yield warning("disk", f"The free space of {folder} is not known.", "Check the mount.")
    elif free < settings.min_free_bytes:
        yield problem(
            "disk",
            f"{folder} has {size(free)} free, less than ETRM_MIN_FREE_GIB: "
            "uploads and checkpoints are refused.",
            "Free some space (etrm storage --free RUN), or lower ETRM_MIN_FREE_GIB.",
        )
    elif free < 2 * settings.min_free_bytes:
        yield warning("disk", f"{folder} has {size(free)} free.", "Free some space soon.")
    else:
        yield ok("disk", f"{folder} has {size(free)} free")


def check_devices(_settings: Settings) -> Iterator[Finding]:
    """The GPUs that the driver shows, or the CPU."""
    memory = size(psutil.virtual_memory().total)
    yield ok("machine", f"{counted(os.cpu_count() or 1, 'core')}, {memory} of memory, {platform.platform()}")
    try:
        answer = subprocess.run(
            ["nvidia-smi", *QUERY], capture_output=True, text=True, timeout=NVIDIA_SECONDS, check=True
        )
    except FileNotFoundError:
        yield ok("devices", "no NVIDIA driver: trainings here take the CPU")
        return
    except (OSError, subprocess.SubprocessError) as error:
        yield problem(
            "devices", f"nvidia-smi does not answer: {error}.", "Reload the driver, or restart the machine."
        )
        return
    for line in answer.stdout.splitlines():
        name, used, total, temperature = (part.strip() for part in line.split(","))
        yield ok("devices", f"{name}, {used} of {total} in use, {temperature} °C")


def check_packages(_settings: Settings) -> Iterator[Finding]:
    """Whether what the program needs is installed, in versions that it works with."""
    wrong = list(_unsatisfied())
    yield from wrong
    if not wrong:
        torch = _version("torch")
        yield ok(
            "packages",
            f"{PROGRAM} {metadata.version(PROGRAM)}, Python {platform.python_version()}, "
            + (f"PyTorch {torch}" if torch else "no PyTorch: this machine serves, and does not train"),
        )


def _unsatisfied() -> Iterator[Finding]:
    for line in metadata.requires(PROGRAM) or ():
        needed = Requirement(line)
        if needed.marker and not needed.marker.evaluate({"extra": ""}):
            continue
        installed = _version(needed.name)
        if installed is None:
            yield problem("packages", f"{needed.name} is not installed.", "Run make install.")
        elif not needed.specifier.contains(installed, prereleases=True):
            yield problem(
                "packages", f"{needed.name} is {installed}; needed: {needed.specifier}.", "Run make install."
            )


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
