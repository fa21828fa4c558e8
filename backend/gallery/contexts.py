"""Answers to tasks: the gallery, the tasks of a set, one task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from backend.data.service import SetSummary
from backend.domain.arc.task import Task
from backend.evaluation_page.traces import AdaptationView, SearchView, StepsView, VotesView
from backend.gallery.learning import CourseView, Learning, State
from backend.gallery.service import Answer
from backend.gallery.service import Choices as GalleryChoices
from backend.gallery.service import Filter as GalleryFilter
from backend.gallery.service import Item as GalleryItem
from backend.gallery.service import Source as GallerySource
from backend.run_view.views import RunView
from backend.web.contexts import Context


@dataclass(frozen=True)
class GalleryPage(Context):
    """Test inputs and what evaluations made of them, one by one or several evaluations side by side."""

    template = "gallery/page.html"
    nav = "gallery"
    page = "gallery"
    sheets = ("gallery",)

    asked: GalleryFilter
    items: Sequence[GalleryItem]
    columns: Sequence[GallerySource]  # side by side, A and B first
    earlier: Sequence[GallerySource]  # of A's run, on the same set with the same settings
    not_comparable: Mapping[int, str]  # evaluation -> how its protocol differs from that of A
    modes: Mapping[str, int]  # first attempts, whatever mode is filtered for
    choices: GalleryChoices
    meanings: Mapping[str, str]  # failure mode -> what it means
    changes: Mapping[str, str]
    view: str  # grid, table
    next_address: str | None
    query: str  # of this page, without view and cursor
    problem: str


@dataclass(frozen=True)
class LearningPage(Context):
    """Test inputs by checkpoints of one run."""

    template = "gallery/learning.html"
    nav = "runs"
    sheets = ("gallery", "comparison")

    run: RunView
    learning: Learning
    courses: Sequence[CourseView]  # those in the chosen state
    state: str  # empty: all
    states: Mapping[State, str]  # -> what it means
    first: int  # index of the first checkpoint shown: older ones are in the files

    @property
    def page_title(self) -> str:
        return f"Learning by task of {self.run.name}"


@dataclass(frozen=True)
class TaskTile:
    """A task in the browser; how many test inputs first attempts solved, of those asked, over all
    evaluations."""

    task: Task
    solved: int
    asked: int


@dataclass(frozen=True)
class TasksPage(Context):
    """The tasks of a set as thumbnails."""

    template = "gallery/tasks/browse.html"
    nav = "tasks"
    page = "tasks"
    sheets = ("gallery", "gallery_tasks")

    sets: Sequence[SetSummary]
    set_name: str
    text: str
    size: str
    tiles: Sequence[TaskTile]
    next_address: str | None


@dataclass(frozen=True)
class RunOnTask:
    """What a run made of a test input: its newest answer, and one answer for every evaluated checkpoint."""

    newest: Answer
    by_step: Sequence[Answer]

    @property
    def is_right(self) -> bool:
        """Whether the newest first attempt is."""
        candidates = self.newest.outcome.candidates
        return bool(candidates) and candidates[0].correct


@dataclass(frozen=True)
class TaskPage(Context):
    """One puzzle, what every run made of one of its test inputs, and the votes behind one answer."""

    template = "gallery/tasks/page.html"
    nav = "tasks"
    page = "task"
    sheets = ("gallery", "gallery_tasks")

    set_name: str
    task: Task
    test_index: int
    runs: Sequence[RunOnTask]
    by_variant: Mapping[str, tuple[int, int]]  # runs right at the first attempt, of how many; the best first
    chosen: Answer | None
    votes: VotesView | None  # who voted for what in the chosen answer, where it was kept
    steps: StepsView | None  # its ACT steps, where they were recorded
    adaptation: AdaptationView | None  # how its model learned the task, where it did
    search: SearchView | None  # how its latent was searched, where it was
    flips: Sequence[tuple[int, bool]]  # (step, whether the answer is right from there on)
    before: str | None
    behind: str | None
    meanings: Mapping[str, str]

    @property
    def page_title(self) -> str:
        return self.task.id
