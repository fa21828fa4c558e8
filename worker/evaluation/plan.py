"""Which views are computed together: a plan that is the same wherever and whenever it is made.

Batches are numbered. A batch of a plan always holds the same views, so that its numbers do not depend on
who computes it, on what was computed before, or on where an earlier process was stopped.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from backend.domain.experiment import ExperimentConfig
from backend.domain.task import Task
from worker.batch import Batch
from worker.data.puzzles import PuzzleTable
from worker.evaluation.views import Question, QuestionView, batch_of, questions_by_canvas, views_of

KEPT = 64  # questions whose views are kept at hand; batches are mostly asked for in order


@dataclass(frozen=True)
class PlannedBatch:
    """Views that are computed together, on one canvas."""

    number: int
    side: int
    views: tuple[QuestionView, ...]

    @property
    def questions(self) -> tuple[Question, ...]:
        """Each once, in order."""
        return tuple(dict.fromkeys(view.question for view in self.views))

    @property
    def cells(self) -> int:
        """What its cost is about proportional to."""
        return len(self.views) * self.side**2

    def batch(self) -> Batch:
        return batch_of(self.views, self.side)


@dataclass(frozen=True)
class _Canvas:
    """The questions of one canvas, and where their views lie in the sequence of all its views."""

    side: int
    questions: tuple[Question, ...]
    ends: tuple[int, ...]  # after the last view of each question
    first_batch: int

    @property
    def views(self) -> int:
        return self.ends[-1]


class Plan:
    """All batches of an evaluation, by canvas, ascending; questions in the order of the tasks."""

    def __init__(
        self, tasks: Iterable[Task], config: ExperimentConfig, views: int, puzzles: PuzzleTable
    ) -> None:
        """`views` per test input, those that look alike once."""
        self._size = config.evaluation.batch_size
        self._seed = config.seed
        self._asked = views
        self._puzzles = puzzles
        self._at_hand: dict[Question, tuple[QuestionView, ...]] = {}
        self._canvases: list[_Canvas] = []
        self._places: dict[Question, tuple[_Canvas, int]] = {}
        self.batches = 0
        by_canvas = questions_by_canvas(tasks, config)
        self.fitting_none: tuple[Question, ...] = tuple(by_canvas.pop(None, ()))
        for side, questions in by_canvas.items():
            if side is not None and questions:
                self._add(side, questions)

    @property
    def questions(self) -> list[Question]:
        """Those on a canvas, in the order in which their last batch comes."""
        return [question for canvas in self._canvases for question in canvas.questions]

    @property
    def views(self) -> int:
        """Distinct views of all questions."""
        return sum(canvas.views for canvas in self._canvases)

    @property
    def views_by_side(self) -> dict[int, int]:
        """Distinct views on each canvas."""
        return {canvas.side: canvas.views for canvas in self._canvases}

    @property
    def cells(self) -> int:
        return sum(canvas.views * canvas.side**2 for canvas in self._canvases)

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
            views += self._views(canvas.questions[at])[first - start : end - start]
            first, at = end, at + 1
        return PlannedBatch(number, canvas.side, tuple(views))

    def batches_of(self, question: Question) -> range:
        """Numbers of the batches that hold views of this question."""
        canvas, at = self._places[question]
        start = canvas.ends[at - 1] if at else 0
        first, last = (canvas.first_batch + view // self._size for view in (start, canvas.ends[at] - 1))
        return range(first, last + 1)

    def side_of(self, question: Question) -> int:
        return self._places[question][0].side

    def _add(self, side: int, questions: Sequence[Question]) -> None:
        ends = accumulate(len(self._views(question)) for question in questions)
        canvas = _Canvas(side, tuple(questions), tuple(ends), self.batches)
        self._canvases.append(canvas)
        self._places |= {question: (canvas, at) for at, question in enumerate(canvas.questions)}
        self.batches += -(-canvas.views // self._size)

    def _views(self, question: Question) -> tuple[QuestionView, ...]:
        found = self._at_hand.get(question)
        if found is None:
            if len(self._at_hand) >= KEPT:
                self._at_hand.pop(next(iter(self._at_hand)))
            found = self._at_hand[question] = views_of(question, self._asked, self._seed, self._puzzles)
        return found
