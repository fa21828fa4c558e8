"""What a check found."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from backend.settings import Settings


class Level(StrEnum):
    """How bad it is. Only a problem makes `etrm doctor` exit with 1."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """One sentence on one part of the lab, and what to do about it."""

    part: str
    level: Level
    what: str
    advice: str = ""


Check = Callable[[Settings], Iterable[Finding]]


def ok(part: str, what: str) -> Finding:
    return Finding(part, Level.OK, what)


def warning(part: str, what: str, advice: str) -> Finding:
    return Finding(part, Level.WARNING, what, advice)


def problem(part: str, what: str, advice: str) -> Finding:
    return Finding(part, Level.PROBLEM, what, advice)
