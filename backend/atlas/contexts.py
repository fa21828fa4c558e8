"""What the page of the atlas is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from backend.atlas.drawing import HEADS, VERDICT
from backend.atlas.service import MAX_RUNS, Candidate, Course, Moment
from backend.web.contexts import Context

TITLE = "Atlas of contexts"
_HEADS = [(at, head, about) for at, (head, about) in enumerate(HEADS.items())]


@dataclass(frozen=True)
class Key:
    """What the marks stand for, when they are coloured by what its name says."""

    name: str
    title: str
    entries: Sequence[tuple[Markup, str]]


@dataclass(frozen=True)
class CourseShown:
    """A run at the chosen step."""

    course: Course
    mark: Markup  # its colour where runs are told apart; empty for one run
    moment: Moment | None
    cells: Sequence[str]
    answers: Sequence[tuple[str, str, Sequence[int]]]


@dataclass(frozen=True)
class AtlasPage(Context):
    """Contexts of some runs at one step, and everything to look at the others."""

    template = "atlas/page.html"
    nav = "atlas"
    page = "atlas"
    sheets = ("explore", "atlas")

    ids: str  # of the runs, separated by commas
    steps: Sequence[int]
    at: int  # which of them is shown
    shown: Sequence[CourseShown]
    picture: Markup
    strip: Markup
    tasks: Mapping[str, str]  # of all runs: what tells a task from others -> what a reader chooses
    task: str  # the chosen one; empty for none
    keys: Sequence[Key]
    colour: str  # the name of the one that is shown
    data: str  # all steps, as JSON
    between: str  # id of the play that asked between two contexts; empty for none
    # Number of a cell, head, what it means: beside the map, and below it.
    beside: Sequence[tuple[int, str, str]] = tuple(_HEADS[VERDICT])
    below: Sequence[tuple[int, str, str]] = tuple(_HEADS[VERDICT.stop :])

    @property
    def page_title(self) -> str:
        return TITLE


@dataclass(frozen=True)
class AtlasChoice(Context):
    """No run was named, or too many: runs to choose from."""

    template = "atlas/choice.html"
    nav = "atlas"
    page = "atlas"
    sheets = ("explore", "atlas")

    runs: Sequence[Candidate]
    are_named: bool  # more runs were named than a map shows
    most: int = MAX_RUNS

    @property
    def page_title(self) -> str:
        return TITLE
