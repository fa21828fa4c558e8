"""The code that computes: the digest of its files, its commit, and what of it was not committed."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import backend
import worker

_FOLDERS = tuple(Path(package.__path__[0]) for package in (backend, worker))
ROOT = _FOLDERS[0].parent
_COMPUTING = ("backend/domain", "worker")  # what trains and scores; pages and commands move no number
_PATIENCE = 10.0  # seconds for one call of git; a repository may lie on a slow disk


@dataclass(frozen=True)
class Checkout:
    """The git repository of the code. `changes` is a diff that `git apply` takes, new files included."""

    commit: str
    remote: str
    changes: str


@cache
def digest() -> str:
    """SHA-256 over the files that train and score, the same wherever they are installed."""
    total = hashlib.sha256()
    for part in _COMPUTING:
        for file in sorted((ROOT / part).rglob("*.py")):
            name = file.relative_to(ROOT).as_posix()
            total.update(f"{name}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()


def checkout(root: Path = ROOT) -> Checkout | None:
    """The repository whose top is `root`; None where it is none, or without git."""
    top = _git(root, "rev-parse", "--show-toplevel").strip()
    commit = _git(root, "rev-parse", "HEAD").strip()
    if not commit or Path(top).resolve() != root.resolve():
        return None  # an installed package may lie in somebody else's repository
    remote = _git(root, "remote", "get-url", "origin").strip()
    changed = _git(root, "diff", "--binary", "HEAD")
    added = _git(root, "ls-files", "--others", "--exclude-standard", "-z").split("\0")
    as_new = ("diff", "--binary", "--no-index", "/dev/null")
    new = "".join(_git(root, *as_new, name, expect=(0, 1)) for name in added if name)
    return Checkout(commit, remote, changed + new)


def _git(root: Path, *arguments: str, expect: Sequence[int] = (0,)) -> str:
    """What git prints; empty where it fails."""
    command = ["git", "-C", str(root), "-c", "core.quotepath=off", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_PATIENCE, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode(errors="replace") if done.returncode in expect else ""
