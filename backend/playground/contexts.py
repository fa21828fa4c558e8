"""The playground."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backend.playground.views import PlayView
from backend.web.contexts import Context


@dataclass(frozen=True)
class PlayPage(Context):
    """The editor, what is asked, and the answer."""

    template = "playground/page.html"
    nav = "play"
    page = "play"
    sheets = ("playground", "gallery_tasks")

    start: str  # JSON: the task, its name, the run and the step that the page begins with
    play: PlayView | None  # what it begins with, where somebody asked it already
    checkpoints: Sequence[tuple[str, str, str]]  # (id, name, words) of runs to choose from
    presets: Sequence[tuple[str, str]]  # (name, title) of models that a link is imported into
    sets: Sequence[str]  # names of task sets to pick a task from
    longest: int = 500  # characters of a name or a link
    colours: int = 10
    largest: int = 30  # side of a grid
