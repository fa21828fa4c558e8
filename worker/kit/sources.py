"""The code that computes: the digest of its files, its commit, and what of it was not committed."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import backend
import worker

_FOLDERS = tuple(Path(package.__path__[0]) for package in (backend, worker))
ROOT = _FOLDERS[0].parent
_COMPUTING = ("backend/domain", "worker")  # what trains and scores; pages and commands move no number
MAX_CHANGES = 1 << 20  # bytes of a diff that are read; less is kept
_PATIENCE = 10.0  # seconds for all that git is asked: a training waits for it
# As `git apply` reads it, whatever the settings of this machine are.
_DIFF = (
    "diff",
    *("--binary", "--no-color", "--no-ext-diff", "--no-textconv", "--src-prefix=a/", "--dst-prefix=b/"),
    *("--submodule=short", "--ignore-submodules=dirty"),
)


@dataclass(frozen=True)
class Checkout:
    """The git repository of the code. `changes` is a diff that `git apply` takes, new files included, unless
    it is cut: too long, too much work for git, or of a file in another encoding than UTF-8."""

    commit: str = ""
    remote: str = ""
    changes: str = ""
    is_cut: bool = False


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
    git = _Git(root)
    top = git.ask("rev-parse", "--show-toplevel").strip()
    commit = git.ask("rev-parse", "HEAD").strip()
    if not commit or Path(top).resolve() != root.resolve():
        return None  # an installed package may lie in somebody else's repository
    remote = git.ask("remote", "get-url", "origin").strip()
    parts = [git.ask(*_DIFF, "HEAD")]
    for name in git.ask("ls-files", "--others", "--exclude-standard", "-z").split("\0"):
        if git.is_cut:
            break
        if name and not _is_large(root / name):
            parts.append(git.ask(*_DIFF, "--no-index", "--", "/dev/null", name, expect=(0, 1)))
        elif name:
            git.is_cut = True
    return Checkout(commit, remote, "".join(parts), git.is_cut or not git.is_unicode)


def _is_large(file: Path) -> bool:
    try:
        return file.lstat().st_size > MAX_CHANGES
    except OSError:  # gone meanwhile
        return False


class _Git:
    """Git in one repository. `is_cut`: an answer is not whole, because there was too much or no time left;
    `is_unicode`: no letter of an answer is lost.

    `client/etrm_lab/provenance.py` asks git the same way, and stays apart: it is installed without the lab,
    and the lab without it. One test holds both to the same answers.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._ends = time.monotonic() + _PATIENCE
        self._room = MAX_CHANGES
        self.is_cut = False
        self.is_unicode = True

    def ask(self, *arguments: str, expect: Sequence[int] = (0,)) -> str:
        """What git prints; empty where it fails."""
        options = ("--no-optional-locks", "-c", "core.quotepath=off", "-c", "core.fsmonitor=false")
        command = ["git", "-C", str(self._root), *options, *arguments]
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError:
            return ""
        assert process.stdout
        late = threading.Timer(max(self._ends - time.monotonic(), 0), _kill, [process])
        late.start()
        with process:
            content = process.stdout.read(self._room + 1)
            is_long = len(content) > self._room
            if is_long:
                _kill(process)
            status = process.wait()
        late.cancel()
        if is_long or status < 0:
            self.is_cut = True
        elif status not in expect:
            return ""
        self._room = max(self._room - len(content), 0)
        try:
            return content.decode()
        except UnicodeDecodeError:
            self.is_unicode = False
            return content.decode(errors="replace")


def _kill(process: subprocess.Popen[bytes]) -> None:
    """With what git has started: a filter would keep its output open."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
