"""The studies that come with the lab, as files beside this module."""

from __future__ import annotations

from pathlib import Path

from backend.domain.study import Study, read_study
from backend.kit.problems import unknown

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """What they are called."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def study_called(name: str) -> Study:
    """One of them; NotFound suggests the nearest."""
    if name not in names():
        raise unknown("study", name, names())
    return read_study((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
