"""The weights of checkpoints on disk, as they are downloaded: which files, how large, with which checksum."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from backend.kit.errors import Conflict, NotFound
from backend.runs.tables import Checkpoint

NAMES = {"ema": "ema.safetensors", "raw": "weights.safetensors"}
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class WeightsFile:
    """One file of weights of a checkpoint."""

    weights: str  # ema, raw
    path: Path
    size_bytes: int
    sha256: str


def of(artifacts: Path, checkpoint: Checkpoint) -> Sequence[WeightsFile]:
    """The averaged and the raw weights; empty where the files are not on this machine, or are damaged."""
    try:
        return _read(artifacts / checkpoint.path, checkpoint.sha256)
    except (OSError, ValueError, LookupError, TypeError):
        return ()


def get(artifacts: Path, checkpoint: Checkpoint, weights: str) -> WeightsFile:
    """The file of `weights`, ema or raw; NotFound where it is not on this machine, Conflict if it changed."""
    found = next((each for each in of(artifacts, checkpoint) if each.weights == weights), None)
    if found is None or not found.path.is_file():
        raise NotFound(
            f"The files of the checkpoint of step {checkpoint.step} are not where this server looks.",
            f"It looks in {artifacts / checkpoint.path}: share the artifacts folder (ETRM_ARTIFACTS).",
        )
    state = found.path.stat()
    if _digest(found.path, state.st_size, state.st_mtime_ns) != found.sha256:
        raise Conflict(
            f"{found.path} is not what was written: its checksum differs.", "Take another checkpoint."
        )
    return found


def remove(artifacts: Path, paths: Sequence[str]) -> None:
    """Remove checkpoints from disk whose rows are gone (and committed)."""
    for path in paths:
        target = artifacts / path
        if target.is_dir():
            shutil.rmtree(target, ignore_errors=True)
        else:
            target.unlink(missing_ok=True)


@lru_cache(maxsize=1024)
def _digest(path: Path, size: int, changed_at: int) -> str:
    """SHA-256 of a file, computed once for as long as it does not change."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@lru_cache(maxsize=1024)
def _read(folder: Path, manifest_sha256: str) -> Sequence[WeightsFile]:
    """A checkpoint never changes once written, so it is read once; one that is away is looked for again."""
    content = (folder / MANIFEST).read_bytes()
    if hashlib.sha256(content).hexdigest() != manifest_sha256:
        raise ValueError("not the manifest that was written")
    digests = json.loads(content)["sha256"]
    return tuple(
        WeightsFile(weights, folder / name, (folder / name).stat().st_size, digests[name])
        for weights, name in NAMES.items()
    )
