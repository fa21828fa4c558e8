"""The weights of checkpoints as they are downloaded: which files, how large, with which checksum.

They lie in the artifacts folder, or in the object store, if there is one: then what is not here is fetched.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from backend.artifacts import service as objects
from backend.artifacts.bucket import StoreAway
from backend.artifacts.manifest import MANIFEST
from backend.artifacts.service import ObjectStore
from backend.kit.errors import CheckpointMissing, Conflict, EtrmError, NotFound
from backend.runs.tables import Checkpoint
from backend.settings import Settings

NAMES = {"ema": "ema.safetensors", "raw": "weights.safetensors"}
PAGE_SECONDS = 2.0  # that a page waits for the object store
SILENCE = 10.0  # seconds for which one that was away is not asked again
SLOW = 0.5  # seconds after which it counts as away for pages: they show many checkpoints

log = logging.getLogger(__name__)
_ask_again_at: dict[str, float] = {}  # by store, by the monotonic clock


@dataclass(frozen=True)
class WeightsFile:
    """One file of weights of a checkpoint."""

    weights: str  # ema, raw
    path: Path
    size_bytes: int
    sha256: str


def of(settings: Settings, checkpoint: Checkpoint) -> Sequence[WeightsFile]:
    """The averaged and the raw weights; empty where the files are unavailable here, or damaged."""
    folder = settings.artifacts / checkpoint.path
    try:
        return _read(folder, checkpoint.sha256)
    except (OSError, ValueError, LookupError, TypeError):
        return _published(settings, folder, checkpoint)


def get(settings: Settings, checkpoint: Checkpoint, weights: str) -> WeightsFile:
    """The file of `weights`, ema or raw; NotFound where it is unavailable here, Conflict if it changed.

    Unavailable while it is in an object store that is away.
    """
    folder = settings.artifacts / checkpoint.path
    store = objects.of(settings)
    if store is not None and not all((folder / name).is_file() for name in (MANIFEST, NAMES[weights])):
        try:
            store.fetch(checkpoint.path, checkpoint.sha256, settings.artifacts)
        except CheckpointMissing as error:
            raise NotFound(error.message, error.hint) from error
    found = next((each for each in of(settings, checkpoint) if each.weights == weights), None)
    if found is None or not found.path.is_file():
        raise NotFound(
            f"The files of the checkpoint of step {checkpoint.step} are not where this server looks.",
            f"It looks in {folder}: share the artifacts folder (ETRM_ARTIFACTS), "
            "or use an object store (ETRM_ARTIFACTS_URL).",
        )
    state = found.path.stat()
    if _digest(found.path, state.st_size, state.st_mtime_ns) != found.sha256:
        raise Conflict(
            f"{found.path} is not what was written: its checksum differs.", "Take another checkpoint."
        )
    return found


def remove(settings: Settings, paths: Sequence[str]) -> None:
    """Remove checkpoints whose rows are gone (and committed), here and in the object store."""
    for path in paths:
        target = settings.artifacts / path
        if target.is_dir():
            shutil.rmtree(target, ignore_errors=True)
        else:
            target.unlink(missing_ok=True)
    if store := objects.of(settings):
        remove_published(store, paths)


def remove_published(store: ObjectStore, paths: Sequence[str]) -> None:
    """Remove checkpoints from the object store; what it does not remove now is swept later."""
    try:
        for path in paths:
            store.remove(path)
    except StoreAway as error:
        log.warning("Checkpoints stay in the object store until the run is swept or deleted: %s", error)


def _published(settings: Settings, folder: Path, checkpoint: Checkpoint) -> Sequence[WeightsFile]:
    """What the object store has of it; nothing for a while after it was away or slow: a page would wait for
    it once for each checkpoint."""
    store = objects.of(settings, PAGE_SECONDS)
    if store is None or time.monotonic() < _ask_again_at.get(store.url, 0.0):
        return ()
    began = time.monotonic()
    try:
        return _read_published(store, folder, checkpoint.path, checkpoint.sha256)
    except StoreAway as error:
        log.warning("%s", error)
        _ask_again_at[store.url] = time.monotonic() + SILENCE
    except (EtrmError, LookupError, ValueError):
        pass
    finally:
        if time.monotonic() - began > SLOW:
            _ask_again_at[store.url] = time.monotonic() + SILENCE
    return ()


@lru_cache(maxsize=1024)
def _read_published(
    store: ObjectStore, folder: Path, path: str, manifest_sha256: str
) -> Sequence[WeightsFile]:
    contents = store.contents(path)
    if contents[MANIFEST].sha256 != manifest_sha256:
        raise ValueError("not the manifest that was written")
    return tuple(
        WeightsFile(weights, folder / name, contents[name].size_bytes, contents[name].sha256)
        for weights, name in NAMES.items()
    )


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
