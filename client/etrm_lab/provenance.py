"""What a script is computed with: code, packages and machine. Whatever cannot be found out is left out."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

MAX_CHANGES = 1 << 20  # bytes of a diff that are read; the lab keeps less
_PATIENCE = 10.0  # seconds for all that git is asked: the end of a script waits for it
# As `git apply` reads it, whatever the settings of this machine are.
_DIFF = (
    "diff",
    *("--binary", "--no-color", "--no-ext-diff", "--no-textconv", "--src-prefix=a/", "--dst-prefix=b/"),
    *("--submodule=short", "--ignore-submodules=dirty"),
)
_LATE = "\nMore may have been changed: git did not answer in time.\n"
_DRIVER = Path("/proc/driver/nvidia")
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")  # the lab refuses these in a text


def collect() -> dict[str, Any]:
    """The body of `PUT /runs/{id}/provenance`. Never starts CUDA, and never raises."""
    folder = _script_folder()
    git = _Git(folder)
    commit = git.ask("rev-parse", "HEAD").strip()
    remote = git.ask("remote", "get-url", "origin").strip()[:1000] if commit else ""
    changes = _changes(git, folder) if commit else ""
    torch = sys.modules.get("torch")
    found = {
        "commit": commit,
        "remote": remote,
        "diff": hashlib.sha256(changes.encode()).hexdigest() if changes else "",
        "changes": changes,
        "python": platform.python_version(),
        "packages": _packages(),
        "cuda": str(getattr(getattr(torch, "version", None), "cuda", None) or ""),
        "driver": _first(r"\b\d{3}\.\d+(?:\.\d+)*\b", _text(_DRIVER / "version")),
        "devices": [_first(r"Model:\s*(.+)", _text(each)) for each in _gpu_files()],
        "processor": _first(r"model name\s*:\s*(.+)", _text(Path("/proc/cpuinfo"))) or platform.machine(),
        "platform": platform.platform()[:200],
        "host": socket.gethostname()[:200],
        "command": " ".join(_plain(" ".join(getattr(sys, "orig_argv", sys.argv))).split())[:4000],
    }
    return {name: value for name, value in found.items() if value}


def _gpu_files() -> list[Path]:
    return sorted(_DRIVER.glob("gpus/*/information"))[:64]


def _script_folder() -> Path:
    script = Path(sys.argv[0]) if sys.argv and sys.argv[0] else Path()
    return script.resolve().parent if script.is_file() else Path.cwd()


def _changes(git: _Git, folder: Path) -> str:
    """A diff of what is not committed, with the new Python files; with a word where git had no time left."""
    git.folder = Path(git.ask("rev-parse", "--show-toplevel").strip() or folder)
    parts = [git.ask(*_DIFF, "HEAD")]
    added = git.ask("ls-files", "--others", "--exclude-standard", "-z", "--", "*.py").split("\0")
    new = (*_DIFF, "--no-index", "--", "/dev/null")
    parts += [git.ask(*new, name, expect=(0, 1)) for name in added[:200] if name]
    return _plain("".join(parts)) + (_LATE if git.is_late else "")


def _plain(text: str) -> str:
    return _UNPRINTABLE.sub("", text.replace("\r\n", "\n"))


class _Git:
    """Git in a folder. All that it is asked for together takes `_PATIENCE` seconds and prints about
    `MAX_CHANGES` bytes at most.

    `worker/kit/sources.py` asks git the same way, and stays apart: this package is installed without the lab,
    and the lab without this package. One test holds both to the same answers.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.is_late = False  # an answer is not whole, because there was no time left
        self._ends = time.monotonic() + _PATIENCE
        self._room = MAX_CHANGES

    def ask(self, *arguments: str, expect: tuple[int, ...] = (0,)) -> str:
        """What git prints, as much of it as is sent; empty where it fails."""
        options = ("--no-optional-locks", "-c", "core.quotepath=off", "-c", "core.fsmonitor=false")
        command = ["git", "-C", str(self.folder), *options, *arguments]
        seconds = self._ends - time.monotonic()
        if seconds <= 0 or not self._room:
            self.is_late = self.is_late or seconds <= 0
            return ""
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
        late = threading.Timer(seconds, _kill, [process])
        late.daemon = True  # the script may end meanwhile
        late.start()
        with process:
            content = process.stdout.read(self._room + 1)
            is_long = len(content) > self._room
            if is_long:
                _kill(process)
            status = process.wait()
        late.cancel()
        if not is_long and status not in expect:
            if self._ends > time.monotonic():
                return ""
            self.is_late = True
        self._room = max(self._room - len(content), 0)
        return content.decode(errors="replace")


def _kill(process: subprocess.Popen[bytes]) -> None:
    """With what git has started: a filter would keep its output open."""
    if sys.platform == "win32":
        process.kill()
    else:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _packages() -> dict[str, str]:
    """Name -> version, read off the names of folders: opening the files of each package takes long.

    A folder inside a package holds that package's own copies. Setuptools adds its folder to the path once it
    is imported, as PyTorch does to compile: two starts would differ by what they had imported.
    """
    found = {}
    for folder in reversed(sys.path):  # what comes first in the path is what is imported
        if os.path.isfile(os.path.join(folder, os.pardir, "__init__.py")):
            continue
        for info in _names_in(folder):
            if info.endswith(".dist-info"):
                name, _, version = info[: -len(".dist-info")].rpartition("-")
                found[re.sub(r"[-_.]+", "-", name).lower()] = version
    return dict(sorted(found.items())[:2000])


def _names_in(folder: str) -> list[str]:
    try:
        return os.listdir(folder or os.curdir)
    except OSError:  # an archive, not there, or not ours to read: Python passes over it, too
        return []


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found[found.lastindex or 0].strip() if found else ""
