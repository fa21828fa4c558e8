"""Which views are computed together: a plan that is the same wherever and whenever it is made.

Batches are numbered. A batch of a plan always holds the same views, so that its numbers do not depend on
who computes it, on what was computed before, or on where an earlier process was stopped.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, groupby

import numpy as np

from backend.domain.arc.task import Task
from backend.domain.experiment import ExperimentConfig, NoAdaptation
from backend.domain.interventions import Intervention
from worker.data.augment import DIHEDRALS, ON_ITS_SIDE
from worker.data.puzzles import PuzzleTable
from worker.evaluation.views import (
    DrawnViews,
    Question,
    QuestionView,
    batch_of,
    distinct_views_of,
    given_row,
    questions_by_canvas,
    region_of,
    views_of,
)
from worker.kit.batch import Batch, Region

KEPT = 64  # questions whose views are kept at hand; batches are mostly asked for in order


@dataclass(frozen=True)
class PlannedBatch:
    """Views that are computed together, on one canvas."""

    number: int
    side: int
    region: Region | None  # of a trimmed canvas
    views: tuple[QuestionView, ...]
    intervention: Intervention = Intervention.NONE

    @property
    def questions(self) -> tuple[Question, ...]:
        """Each once, in order."""
        return tuple(dict.fromkeys(view.question for view in self.views))

    @property
    def cells(self) -> int:
        """What its cost is about proportional to."""
        return len(self.views) * (self.region.cells if self.region else self.side**2)

    def batch(self) -> Batch:
        return batch_of(self.views, self.side, self.region)


@dataclass(frozen=True)
class _Canvas:
    """The questions of one canvas, and where their views lie in the sequence of all its views.

    A trimmed canvas holds the views of a question that fill just its region: some are turned on their side.
    """

    side: int
    region: Region | None
    questions: tuple[Question, ...]
    ends: tuple[int, ...]  # after the last view of each question
    first_batch: int

    @property
    def views(self) -> int:
        return self.ends[-1]

    @property
    def cells(self) -> int:
        """Of one view."""
        return self.region.cells if self.region else self.side**2


class Plan:
    """All batches of an evaluation, by canvas, ascending; questions in the order of the tasks."""

    def __init__(
        self,
        tasks: Iterable[Task],
        config: ExperimentConfig,
        views: int,
        puzzles: PuzzleTable,
        intervention: Intervention = Intervention.NONE,
    ) -> None:
        """`views` per test input: those that look alike computed once, or with `distinct_views` left out.

        An `intervention` changes what they are shown beside their test inputs, never which they are: views
        and colours are drawn as without it.
        """
        self._size = config.evaluation.batch_size
        self._margin = config.evaluation.trim
        self._seed = config.seed
        self._asked = views
        self._views_of = distinct_views_of if config.evaluation.distinct_views else views_of
        self._puzzles = puzzles
        self._at_hand: dict[Question, DrawnViews] = {}
        self._canvases: list[_Canvas] = []
        self._places: dict[Question, list[tuple[_Canvas, int]]] = {}
        self.batches = 0
        self._intervention = intervention
        by_canvas = questions_by_canvas(tasks, config, intervention)
        self.fitting_none: tuple[Question, ...] = tuple(by_canvas.pop(None, ()))
        for side, questions in by_canvas.items():
            if side is not None:
                for together in self._together(questions, config):
                    for region, of_region in self._by_region(side, together).items():
                        self._add(side, region, of_region)

    @property
    def questions(self) -> list[Question]:
        """Those on a canvas, each once."""
        return list(self._places)

    def lacks_embedding(self, question: Question) -> bool:
        """Whether the model would answer it with the embedding of an unknown puzzle."""
        return self._puzzles.lacks(question.task.id)

    @property
    def without_embedding(self) -> list[str]:
        """The tasks on a canvas that the model has no embedding for."""
        return list(dict.fromkeys(each.task.id for each in self.questions if self.lacks_embedding(each)))

    @property
    def views(self) -> int:
        """Distinct views of all questions."""
        return sum(canvas.views for canvas in self._canvases)

    @property
    def views_by_canvas(self) -> dict[tuple[int, Region | None], int]:
        """Distinct views on each canvas, by its side and by the region it is trimmed to."""
        return {(canvas.side, canvas.region): canvas.views for canvas in self._canvases}

    @property
    def cells(self) -> int:
        return sum(canvas.views * canvas.cells for canvas in self._canvases)

    def batch(self, number: int) -> PlannedBatch:
        """Batch `number` of 0 to `batches` - 1; IndexError for another."""
        if not 0 <= number < self.batches:
            raise IndexError(f"batch {number} is not in 0 to {self.batches - 1}")
        canvas = [each for each in self._canvases if each.first_batch <= number][-1]
        first = (number - canvas.first_batch) * self._size
        last = min(first + self._size, canvas.views)
        views: list[QuestionView] = []
        at = bisect_right(canvas.ends, first)
        while first < last:
            start = canvas.ends[at - 1] if at else 0
            end = min(last, canvas.ends[at])
            question = canvas.questions[at]
            places = self._places_on(canvas.region, question)[first - start : end - start]
            views += self._views(question).at(places)
            first, at = end, at + 1
        return PlannedBatch(
            number, canvas.side, canvas.region, tuple(map(self._given, views)), self._intervention
        )

    def batches_of(self, question: Question) -> list[int]:
        """Numbers of the batches that hold views of this question, ascending."""
        numbers: list[int] = []
        for canvas, at in self._places[question]:
            start = canvas.ends[at - 1] if at else 0
            first, last = (canvas.first_batch + view // self._size for view in (start, canvas.ends[at] - 1))
            numbers += range(first, last + 1)
        return numbers

    def side_of(self, question: Question) -> int:
        return self._places[question][0][0].side

    def canvases_of(self, question: Question) -> list[tuple[int, Region | None]]:
        """Those its views lie on, as in `views_by_canvas`."""
        return [(canvas.side, canvas.region) for canvas, _ in self._places[question]]

    def room_of(self, question: Question) -> tuple[int, int]:
        """Height and width of what the unturned question can be answered with."""
        side = self.side_of(question)
        if self._margin is None:
            return side, side
        region = region_of(question.task, side, self._margin)
        return region.height, region.width

    def _given(self, view: QuestionView) -> QuestionView:
        """The view with the row of the puzzle table that it is answered with."""
        row = given_row(view, self._seed, self._puzzles, self._intervention)
        return view if row == view.puzzle_row else replace(view, puzzle_row=row)

    @staticmethod
    def _together(questions: Sequence[Question], config: ExperimentConfig) -> list[list[Question]]:
        """Questions whose views may share a batch: those of one task, where each has a model of its own."""
        if isinstance(config.evaluation.adaptation, NoAdaptation):
            return [list(questions)]
        return [list(of_task) for _, of_task in groupby(questions, key=lambda question: question.task)]

    def _by_region(self, side: int, questions: Sequence[Question]) -> dict[Region | None, list[Question]]:
        """The questions by what their views fill of the canvas: the small regions first."""
        found: dict[Region | None, list[Question]] = {}
        for question in questions:
            regions = self._regions(question, side)
            turns = dict.fromkeys(self._views(question).dihedrals.tolist())
            for region in dict.fromkeys(regions[dihedral] for dihedral in turns):
                found.setdefault(region, []).append(question)
        return dict(sorted(found.items(), key=lambda item: (item[0].cells, item[0]) if item[0] else ()))

    def _regions(self, question: Question, side: int) -> list[Region | None]:
        """What a view of a question fills of its canvas, by dihedral."""
        if self._margin is None:
            return [None] * len(DIHEDRALS)
        upright, lying = (
            region_of(question.task, side, self._margin, turn) for turn in (0, min(ON_ITS_SIDE))
        )
        return [lying if dihedral in ON_ITS_SIDE else upright for dihedral in range(len(DIHEDRALS))]

    def _add(self, side: int, region: Region | None, questions: Sequence[Question]) -> None:
        ends = accumulate(len(self._places_on(region, question)) for question in questions)
        canvas = _Canvas(side, region, tuple(questions), tuple(ends), self.batches)
        self._canvases.append(canvas)
        for at, question in enumerate(canvas.questions):
            self._places.setdefault(question, []).append((canvas, at))
        self.batches += -(-canvas.views // self._size)

    def _places_on(self, region: Region | None, question: Question) -> Sequence[int]:
        """Which of its views, by place, a question has on a canvas that is trimmed to this region."""
        views = self._views(question)
        if region is None:
            return range(len(views))
        fills = np.array([each == region for each in self._regions(question, region.side)])
        return np.flatnonzero(fills[views.dihedrals]).tolist()

    def _views(self, question: Question) -> DrawnViews:
        found = self._at_hand.get(question)
        if found is None:
            if len(self._at_hand) >= KEPT:
                self._at_hand.pop(next(iter(self._at_hand)))
            found = self._at_hand[question] = self._views_of(question, self._asked, self._seed, self._puzzles)
        return found
