"""Checkpoints: a folder that is complete or not there, with a checksum of every file.

`checkpoints/step-000000600/` holds `weights.safetensors` (raw), `ema.safetensors`, `state.safetensors` and
`state.json` (optimiser, data positions, carries, generator, sums since the last recorded point) and
`manifest.json`. It is written under another name, synced, and renamed, so a kill at any moment leaves the
ones before it as they were.

A checkpoint belongs to an attempt at the run; of later attempts than the first the folder's name ends in
`-attempt-0002`. A worker that was cut off from the database may still be writing when its run has gone to
another: `checkpoints/attempt` says who came last. An attempt that was replaced saves nothing more, and none
ever removes what a later one has saved.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from backend.domain.experiment import ExperimentConfig
from backend.domain.records import Checkpoint
from backend.kit.errors import CheckpointCorrupt, CheckpointMissing, StorageFull
from worker.kit.recorder import LostRun
from worker.models.weight_formats import SAID
from worker.training.checkpoints.tensor_tree import pack, unpack

FORMAT = 2
MANIFEST = "manifest.json"
FENCE = "attempt"  # number of the last attempt that began
_UNFINISHED = ".unfinished-"  # prefix of folders that a kill may leave; removed at the next start
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Snapshot:
    """Everything a run needs to resume as if it had never stopped; tensors on the CPU when loaded."""

    step: int
    config: ExperimentConfig
    weights: Mapping[str, Tensor]
    ema: Mapping[str, Tensor]
    state: Any  # tree of dicts, lists, tuples, plain values and tensors
    measured: Mapping[str, float] = field(default_factory=dict)  # the series that the best are chosen by


def begin(run_folder: Path, attempt: int = 0) -> None:
    """Claim the run's checkpoints for this attempt, and remove what a killed one may have left half written.

    LostRun if a later attempt has begun.
    """
    _check_fence(run_folder, attempt)
    root = run_folder / "checkpoints"
    for leftover in root.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    if attempt:
        root.mkdir(parents=True, exist_ok=True)
        written = root / f".{FENCE}"
        _write_file(written, str(attempt).encode())
        written.replace(root / FENCE)
        _sync_folder(root)


def save(run_folder: Path, snapshot: Snapshot, attempt: int = 0) -> Checkpoint:
    """Write the checkpoint of this step. Those before it stay (`retention` says which go).

    The path in the result is relative to the folder that holds the run's. LostRun if a later attempt has
    begun. StorageFull if there is no room: the checkpoints before this one are then untouched.
    """
    _check_fence(run_folder, attempt)
    root = run_folder / "checkpoints"
    final = folder_of(run_folder, snapshot.step, attempt)
    unfinished = root / (_UNFINISHED + final.name)
    try:
        unfinished.mkdir(parents=True)
        size = _write(unfinished, snapshot)
        _check_fence(run_folder, attempt)  # writing can take minutes
        _move_into_place(unfinished, final)
    except (OSError, LostRun) as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        if isinstance(error, LostRun):
            raise
        _check_fence(run_folder, attempt)  # the successor removes what is half written
        if error.errno in _NO_ROOM:
            raise _storage_full(final, error) from error
        raise
    manifest_hash = hashlib.sha256((final / MANIFEST).read_bytes()).hexdigest()
    path = str(final.relative_to(run_folder.parent))
    return Checkpoint(snapshot.step, path, manifest_hash, size, snapshot.measured)


def load(checkpoint: Path) -> Snapshot:
    """Read and verify one checkpoint folder; CheckpointMissing or CheckpointCorrupt names what is wrong."""
    manifest = _manifest(checkpoint)
    files = {name: _verified(checkpoint / name, digest) for name, digest in manifest["sha256"].items()}
    try:
        tensors = {name: safetensors.torch.load(files[f"{name}.safetensors"]) for name in _TENSOR_FILES}
        state = unpack(json.loads(files["state.json"]), tensors["state"])
        config = ExperimentConfig.model_validate(manifest["config"])
    except (KeyError, ValueError, SafetensorError) as error:
        raise _corrupt(checkpoint, f"cannot be read: {error}") from error
    measured = manifest.get("measured", {})
    return Snapshot(manifest["step"], config, tensors["weights"], tensors["ema"], state, measured)


def load_newest(run_folder: Path, warn: Callable[[str], None]) -> Snapshot | None:
    """The newest checkpoint that is whole, or None where there is none at all.

    Each damaged one on the way is reported to `warn`; CheckpointCorrupt if all are damaged.
    """
    checkpoints = list_checkpoints(run_folder)
    for checkpoint in reversed(checkpoints):
        try:
            return load(checkpoint)
        except CheckpointCorrupt as error:
            if checkpoint == checkpoints[0]:
                raise
            warn(f"{error.message} Resuming from the checkpoint before it.")
    return None


def list_checkpoints(run_folder: Path) -> list[Path]:
    """The folders of the finished checkpoints of a run, oldest first."""
    return sorted((run_folder / "checkpoints").glob("step-*"))


def find(run_folder: Path, step: int | None = None) -> Path:
    """The checkpoint of `step`, or the newest; CheckpointMissing says which there are."""
    checkpoints = list_checkpoints(run_folder)
    wanted = [each for each in checkpoints if step is None or step_of(each) == step]
    if wanted:
        return wanted[-1]
    known = ", ".join(str(step) for step in dict.fromkeys(map(step_of, checkpoints)))
    what = "No checkpoint" if step is None else f"No checkpoint of step {step}"
    raise CheckpointMissing(
        f"{what} in {run_folder}.",
        f"Available steps: {known}." if known else "Train first, or name another run.",
    )


def weights_file(checkpoint: Path, weights: str) -> Path:
    """The file of a checkpoint's `weights`, ema or raw, once it is verified; CheckpointCorrupt."""
    name = next(f"{name}.safetensors" for name, said in _SAID_OF.items() if said == weights)
    _verified(checkpoint / name, _manifest(checkpoint)["sha256"].get(name, ""))
    return checkpoint / name


def step_of(checkpoint: Path) -> int:
    """The step of a checkpoint's folder."""
    return _parsed(checkpoint)[0]


_TENSOR_FILES = ("weights", "ema", "state")
_SAID_OF = {"weights": "raw", "ema": "ema"}


def folder_of(run_folder: Path, step: int, attempt: int = 0) -> Path:
    """Where an attempt saves the checkpoint of a step."""
    return run_folder / "checkpoints" / _name(step, attempt)


def measured_of(checkpoint: Path, series: str) -> float | None:
    """The value of a recorded series at a checkpoint; None where it has none, or is damaged."""
    try:
        value = _manifest(checkpoint).get("measured", {}).get(series)
    except (CheckpointCorrupt, CheckpointMissing):
        return None
    return value if isinstance(value, float) else None


def usable(run_folder: Path, saved: Path) -> list[Path]:
    """What the attempt that saved `saved` could go on from, oldest first, and nothing of a later attempt.

    What an earlier attempt has from the first own step on was never gone on from, nor was any later step: it
    was damaged and passed over, or is of an earlier try.
    """
    step, attempt = _parsed(saved)
    present = owned(run_folder, saved)
    first_own = min(step_of(each) for each in present if _parsed(each)[1] == attempt)
    return [
        each
        for each in present
        if step_of(each) <= step and (_parsed(each)[1] == attempt or step_of(each) < first_own)
    ]


def owned(run_folder: Path, saved: Path) -> list[Path]:
    """What the attempt that saved `saved` may remove: of its own, and of those before it."""
    attempt = _parsed(saved)[1]
    return [each for each in list_checkpoints(run_folder) if _parsed(each)[1] <= attempt]


def remove(checkpoint: Path) -> None:
    """Remove a checkpoint so that a kill never leaves half of it under its name; nothing where it is gone.

    OSError where the folder takes no change: then all of it is still there.
    """
    leaving = checkpoint.with_name(f"{_UNFINISHED}removed-{checkpoint.name}")
    shutil.rmtree(leaving, ignore_errors=True)  # left where one of this name could not be removed to the end
    try:
        checkpoint.rename(leaving)
    except FileNotFoundError:
        return
    shutil.rmtree(leaving, ignore_errors=True)  # what is left goes at the next start


def _name(step: int, attempt: int) -> str:
    """Sorted as text, they are sorted by step, and by attempt within a step."""
    return f"step-{step:09d}" + (f"-attempt-{attempt:04d}" if attempt > 1 else "")


def _parsed(checkpoint: Path) -> tuple[int, int]:
    """(step, attempt) of a checkpoint's folder."""
    step, _, attempt = checkpoint.name.removeprefix("step-").partition("-attempt-")
    return int(step), int(attempt or 1)


def _check_fence(run_folder: Path, attempt: int) -> None:
    try:
        last = int((run_folder / "checkpoints" / FENCE).read_text())
    except (FileNotFoundError, ValueError):  # a run of an earlier version, or one without attempts
        return
    if attempt and last > attempt:
        raise LostRun(f"run {run_folder.name}, attempt {attempt}")


def _write(folder: Path, snapshot: Snapshot) -> int:
    """Write all files of a checkpoint; returns their bytes."""
    state_tensors, skeleton = pack(snapshot.state)
    trees = {"weights": pack(snapshot.weights)[0], "ema": pack(snapshot.ema)[0], "state": state_tensors}
    digests = {}
    for name, tensors in trees.items():
        said = {SAID: _SAID_OF[name]} if name in _SAID_OF else None  # a downloaded file says what it is
        digests[f"{name}.safetensors"] = _write_file(
            folder / f"{name}.safetensors", safetensors.torch.save(tensors, metadata=said)
        )
    digests["state.json"] = _write_file(folder / "state.json", json.dumps(skeleton).encode())
    manifest = {
        "format": FORMAT,
        "step": snapshot.step,
        "config": snapshot.config.model_dump(mode="json"),
        "sha256": digests,
        "measured": dict(snapshot.measured),
    }
    _write_file(folder / MANIFEST, json.dumps(manifest, indent=1).encode())
    return sum(file.stat().st_size for file in folder.iterdir())


def _write_file(path: Path, content: bytes) -> str:
    """Write and sync; returns the SHA-256."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return hashlib.sha256(content).hexdigest()


def _move_into_place(unfinished: Path, final: Path) -> None:
    _sync_folder(unfinished)
    if final.exists():  # a damaged one that was passed over, or the same step trained again
        remove(final)
    unfinished.rename(final)
    _sync_folder(final.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _manifest(checkpoint: Path) -> dict[str, Any]:
    path = checkpoint / MANIFEST
    if not checkpoint.is_dir():
        raise CheckpointMissing(f"No checkpoint at {checkpoint}.", "It may have been removed.")
    try:
        manifest = json.loads(path.read_bytes())
        known = manifest["format"] == FORMAT and {"step", "config", "sha256"} <= manifest.keys()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _corrupt(path, "is missing or no manifest.") from error
    if not known:
        raise _corrupt(path, f"is of format {manifest['format']}, this version reads {FORMAT}.")
    return dict(manifest)


def _verified(path: Path, digest: str) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _corrupt(path, f"cannot be read: {error.strerror}.") from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise _corrupt(path, "is not what was written: its checksum differs.")
    return content


def _corrupt(path: Path, what: str) -> CheckpointCorrupt:
    return CheckpointCorrupt(
        f"{path} {what}",
        "Remove that checkpoint's folder to resume from the one before it, or train again from the start.",
    )


def _storage_full(final: Path, error: OSError) -> StorageFull:
    return StorageFull(
        f"Not enough disk space to write the checkpoint {final}: {error.strerror}.",
        "Free some space, lower training.keep_checkpoints or keep_best, or move the artifacts folder; "
        "then resume: the checkpoint before this one is untouched.",
    )
