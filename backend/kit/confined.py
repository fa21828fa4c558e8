"""Paths that people type, kept inside folders that the operator named."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def is_inside(path: str, folders: Iterable[Path]) -> bool:
    """Whether an absolute path leads into one of the folders, `..` and symbolic links followed.

    Whether anything is there is not looked at, so that the answer says nothing of what lies outside.
    """
    try:
        given = Path(path)
        target = given.resolve()
    except (ValueError, RuntimeError, OSError):  # a null byte, a circle of links, a name that is too long
        return False
    return given.is_absolute() and any(target.is_relative_to(folder.resolve()) for folder in folders)
