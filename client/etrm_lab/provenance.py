"""What a script is computed with: code, packages and machine. Whatever cannot be found out is left out."""

from __future__ import annotations

import hashlib
import platform
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

MAX_CHANGES = 1 << 20  # characters of a diff that are sent; the lab keeps less
_PATIENCE = 10.0  # seconds for one call of git
_DRIVER = Path("/proc/driver/nvidia")
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")  # the lab refuses these in a text


def collect() -> dict[str, Any]:
    """The body of `PUT /runs/{id}/provenance`. Never starts CUDA, and never raises."""
    folder = _script_folder()
    commit = _git(folder, "rev-parse", "HEAD").strip()
    changes = _changes(folder) if commit else ""
    torch = sys.modules.get("torch")
    found = {
        "commit": commit,
        "remote": _git(folder, "remote", "get-url", "origin").strip()[:1000] if commit else "",
        "diff": hashlib.sha256(changes.encode()).hexdigest() if changes else "",
        "changes": changes[:MAX_CHANGES],
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


def _changes(folder: Path) -> str:
    """A diff of what is not committed, with the new Python files."""
    top = Path(_git(folder, "rev-parse", "--show-toplevel").strip() or folder)
    added = _git(top, "ls-files", "--others", "--exclude-standard", "-z", "--", "*.py").split("\0")
    as_new = ("diff", "--no-index", "/dev/null")
    new = "".join(_git(top, *as_new, name, expect=(0, 1)) for name in added[:200] if name)
    return _plain(_git(top, "diff", "--binary", "HEAD") + new)


def _plain(text: str) -> str:
    return _UNPRINTABLE.sub("", text.replace("\r\n", "\n"))


def _git(folder: Path, *arguments: str, expect: tuple[int, ...] = (0,)) -> str:
    command = ["git", "-C", str(folder), "-c", "core.quotepath=off", *arguments]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode(errors="replace") if done.returncode in expect else ""


def _packages() -> dict[str, str]:
    """Name -> version, read off the names of folders: opening the files of each package takes long."""
    found = {}
    for folder in map(Path, reversed(sys.path)):  # what comes first in the path is what is imported
        for info in folder.glob("*.dist-info") if folder.is_dir() else ():
            name, _, version = info.name[: -len(".dist-info")].rpartition("-")
            found[re.sub(r"[-_.]+", "-", name).lower()] = version
    return dict(sorted(found.items())[:2000])


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found[found.lastindex or 0].strip() if found else ""
