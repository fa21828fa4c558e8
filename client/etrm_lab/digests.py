"""What a run notes of files that stay where they are: their SHA-256."""

from __future__ import annotations

import hashlib
from pathlib import Path

MAX_CODE_FILES = 2000


def described(path: Path) -> str:
    """`/path/step_100.pt · 12,345,678 bytes · SHA-256 …`, of a file or of all files of a folder."""
    files = sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
    digest, size = hashlib.sha256(), 0
    for file in files:
        with file.open("rb") as opened:
            while block := opened.read(1 << 20):
                digest.update(block)
                size += len(block)
    number = f" in {len(files)} files" if path.is_dir() else ""
    return f"{path.resolve()} · {size:,} bytes{number} · SHA-256 {digest.hexdigest()}"


def code(folder: Path) -> str:
    """A line for each Python file below a folder, hidden ones left out."""
    files = sorted(folder.rglob("*.py"))
    hidden = [each for each in files if any(part.startswith(".") for part in each.relative_to(folder).parts)]
    left = set(files) - set(hidden)
    shown = sorted(left)[:MAX_CODE_FILES]
    lines = [f"{hashlib.sha256(each.read_bytes()).hexdigest()}  {each.relative_to(folder)}" for each in shown]
    more = len(left) - len(shown)
    return "\n".join([*lines, *([f"… and {more:,} more files"] if more else [])]) or "no Python files"
