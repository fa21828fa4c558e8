"""Checkpoints held while they are backed up: hard links, since a training removes old ones at any moment."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from sqlalchemy.orm import Session

from backend.artifacts.manifest import MANIFEST
from backend.artifacts.service import ObjectStore
from backend.kit.errors import CheckpointCorrupt, CheckpointMissing
from backend.runs import journal_queries as journal

FOLDER = ".backup-"  # prefix, in the artifacts folder


@dataclass(frozen=True)
class Listed:
    """A checkpoint as the database lists it; `path` is relative to the artifacts folder."""

    id: int
    run_id: str
    step: int
    path: str
    sha256: str  # of its manifest

    def __str__(self) -> str:
        return f"run {self.run_id}, step {self.step}"


def listed(session: Session) -> list[Listed]:
    """All checkpoints that the database lists."""
    return [Listed(*row) for row in journal.listed_checkpoints(session)]


def prefix_here(artifacts: Path, kind: str) -> str:
    """For the name of a folder of this process in the artifacts; those of killed ones are removed."""
    for left in artifacts.glob(f"{kind}*"):
        number = left.name.removeprefix(kind).partition("-")[0]
        if number.isdecimal() and not psutil.pid_exists(int(number)):
            shutil.rmtree(left, ignore_errors=True)
    return f"{kind}{os.getpid()}-"


@contextmanager
def place(artifacts: Path, elsewhere: Path) -> Iterator[Path]:
    """A folder for the links, gone afterwards: in the artifacts, or `elsewhere` if these are read-only."""
    prefix = prefix_here(artifacts, FOLDER)
    try:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=artifacts))
    except OSError:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=elsewhere))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def pin(
    artifacts: Path, checkpoints: Sequence[Listed], folder: Path, store: ObjectStore | None = None
) -> list[Listed]:
    """Hold the files of these checkpoints under their paths in `folder`; those whose files are not there.

    What is only in the object store is fetched from it.
    """
    return [
        each
        for each in checkpoints
        if not _pinned(artifacts / each.path, folder / each.path)
        and (store is None or not _fetched(store, each, folder))
    ]


def let_go(folder: Path, checkpoints: Collection[Listed]) -> None:
    """Hold these no longer."""
    for each in checkpoints:
        shutil.rmtree(folder / each.path, ignore_errors=True)


def files(folder: Path, checkpoint: Listed) -> list[Path]:
    """The files of a pinned checkpoint, in order of their names."""
    return sorted(path for path in (folder / checkpoint.path).rglob("*") if path.is_file())


def _pinned(source: Path, target: Path) -> bool:
    try:
        shutil.copytree(source, target, copy_function=_link)
    except (OSError, shutil.Error):  # removed meanwhile
        shutil.rmtree(target, ignore_errors=True)
        return False
    return (target / MANIFEST).is_file()


def _fetched(store: ObjectStore, checkpoint: Listed, folder: Path) -> bool:
    try:
        store.fetch(checkpoint.path, checkpoint.sha256, folder)
    except (CheckpointMissing, CheckpointCorrupt):
        return False
    return True


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:  # another file system, or one without links
        shutil.copy2(source, target)
