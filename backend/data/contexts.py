"""The task sets, importing one, and the leak check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backend.data.leaks import LeakReport
from backend.data.service import SetSummary
from backend.domain.arc.task import Task
from backend.web.contexts import Context


@dataclass(frozen=True)
class SetCard:
    """A task set with its first tasks."""

    summary: SetSummary
    tasks: Sequence[Task]


@dataclass(frozen=True)
class DataPage(Context):
    """The task sets, the import form as it was sent, and a leak check if two sets are named."""

    template = "data/page.html"
    nav = "data"
    page = "data"
    sheets = ("gallery", "lab")

    sets: Sequence[SetCard]
    training: str
    evaluated: str
    report: LeakReport | None
    leak_problem: str
    imported: str  # name of the set that was just imported
    import_problem: str
    name: str
    notes: Sequence[str] = ()  # of that import
    left_out: Sequence[str] = ()
