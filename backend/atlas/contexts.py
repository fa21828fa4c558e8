"""What the page of the atlas is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from backend.atlas.drawing import HEADS
from backend.atlas.service import MAX_RUNS, Course, Moment
from backend.web.contexts import Context


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
    moment: Moment | None
    cells: Sequence[str]
    answers: Sequence[tuple[str, str, Sequence[int]]]


@dataclass(frozen=True)
class AtlasPage(Context):
    """Contexts of some runs at one step, and everything to look at the others."""

    template = "atlas/page.html"
    nav = "runs"
    page = "atlas"
    sheets = ("explore", "atlas")

    ids: str  # of the runs, separated by commas
    steps: Sequence[int]
    at: int  # which of them is shown
    shown: Sequence[CourseShown]
    picture: Markup
    keys: Sequence[Key]
    colour: str  # the name of the one that is shown
    data: str  # all steps, as JSON
    heads: Mapping[str, str] = field(default_factory=lambda: HEADS)  # of the table of runs -> what it means

    @property
    def page_title(self) -> str:
        return "Atlas of contexts"


@dataclass(frozen=True)
class AtlasChoice(Context):
    """No run was named, or too many."""

    template = "atlas/choice.html"
    nav = "runs"
    page = "atlas"
    sheets = ("explore", "atlas")

    problem: str
    most: int = MAX_RUNS

    @property
    def page_title(self) -> str:
        return "Atlas of contexts"
