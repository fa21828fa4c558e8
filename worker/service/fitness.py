"""What a machine needs to carry runs, one check each: folder, room, schema, clock, device.

A check returns None, or what is wrong and what to do about it. None of them waits for long: a network folder
or a driver that hangs is itself what is wrong.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.orm import Session

from backend.artifacts import service as objects
from backend.db.clock import HARMFUL_SKEW
from backend.db.migrate import mismatch
from backend.kit.aside import aside
from backend.kit.disk import free_bytes
from backend.kit.errors import EtrmError
from backend.kit.format import rough_duration
from backend.settings import Settings
from worker.service.machine import device_info

PATIENCE = 10.0  # seconds that a folder or a driver may take to answer
STORE_PATIENCE = 5.0  # seconds for each of its answers
PROBE = "folder probe"  # name of the thread that may hang
GIB = 2**30
TORCH_PATIENCE = 120.0  # seconds: torch is read from disk, and the device woken
TORCH_PROBE = "import torch; torch.zeros(1, device='cuda').add_(1).item()"


@dataclass(frozen=True)
class Trouble:
    """Why this machine can take no work, and what to do about it."""

    cause: str
    advice: str


TORCH_IS_TRIED = Trouble(
    "torch is being tried on the GPU of this machine.",
    f"Wait: it may take {TORCH_PATIENCE:.0f} s. Longer means that driver and GPU do not work together.",
)


def folder(artifacts: Path) -> Trouble | None:
    """Whether the artifacts folder is there and takes a file."""
    try:
        _in_time(lambda: _write_a_file(artifacts))
    except TimeoutError:
        cause = f"The artifacts folder {artifacts} has not answered for {PATIENCE:.0f} s."
        return Trouble(cause, "Check its disk or network mount.")
    except OSError as error:
        cause = f"The artifacts folder {artifacts} cannot be written: {error.strerror or error}."
        return Trouble(cause, "Mount it again, or set ETRM_ARTIFACTS to a folder that can be written.")
    return None


def object_store(settings: Settings) -> Trouble | None:
    """Whether the object store, if there is one, takes, shows and removes an object."""
    try:
        if store := objects.of(settings, STORE_PATIENCE):
            store.probe()
    except EtrmError as error:
        return Trouble(error.message, error.hint)
    return None


def room(artifacts: Path, reserve: float) -> Trouble | None:
    """Whether at least `reserve` GiB are free there, so that a checkpoint fits."""
    free = free_bytes(artifacts)
    if free is None:
        return Trouble(f"The free space of {artifacts} cannot be read.", "Mount it again.")
    if free >= reserve * GIB:
        return None
    return Trouble(
        f"The disk of {artifacts} has {free / GIB:.2f} GiB free, less than the {reserve:g} GiB to keep free.",
        "Remove old checkpoints on the storage page or with `etrm storage`, or lower ETRM_MIN_FREE_GIB.",
    )


def schema(session: Session) -> Trouble | None:
    """Whether the database has the tables that this program was written for."""
    found = mismatch(session.connection())
    return Trouble(found.message, found.hint) if found else None


def clock_of(ahead: float) -> Trouble | None:
    """Whether the host's clock is near enough to the database's for logs and certificates to make sense."""
    if abs(ahead) <= HARMFUL_SKEW:
        return None
    how = "ahead of" if ahead > 0 else "behind"
    cause = f"The clock of this machine is {rough_duration(abs(ahead))} {how} the database's."
    return Trouble(cause, "Set it, for example by turning on NTP.")


def device(kind: str) -> Trouble | None:
    """Whether the driver still answers for a device that was there when the worker started."""
    if kind == device_info().kind:
        return None
    return Trouble(
        f"The {'GPU' if kind == 'cuda' else kind} of this machine no longer answers.",
        "See what `nvidia-smi` says; a restart of the machine may be needed.",
    )


def torch_device(kind: str) -> Trouble | None:
    """Whether torch can compute on the device; takes seconds."""
    if kind == "cpu":
        return None
    try:
        probe = subprocess.run(
            [sys.executable, "-c", TORCH_PROBE],
            capture_output=True, text=True, timeout=TORCH_PATIENCE, check=False,
        )  # fmt: skip
        said = (probe.stderr.strip().splitlines() or ["no reason given"])[-1] if probe.returncode else ""
    except subprocess.TimeoutExpired:
        said = f"no answer for {TORCH_PATIENCE:.0f} s"
    if not said:
        return None
    return Trouble(
        f"torch cannot use the GPU of this machine: {said}.",
        "Install a torch for its driver (ETRM_TORCH), or hide the GPU: CUDA_VISIBLE_DEVICES= etrm worker.",
    )


def _write_a_file(artifacts: Path) -> None:
    with tempfile.NamedTemporaryFile(dir=artifacts, prefix=".fit-") as probe:
        probe.write(b"fit")
        probe.flush()
        os.fsync(probe.fileno())


def _in_time(work: Callable[[], None]) -> None:
    """Do `work` in a thread of its own; TimeoutError if that hangs, or the one before still does."""
    if any(thread.name == PROBE for thread in threading.enumerate()):
        raise TimeoutError
    aside(work, PROBE).result(timeout=PATIENCE)
