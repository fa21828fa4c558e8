"""In which order tasks are visited: every visit is a pure function of (seed, canvas, number).

One pass takes each task of the canvas once, each pass in its own order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from worker.data.training_data import TrainingTask

_ORDER_SALT = 1 << 32  # keeps the order of tasks apart from the draws of samples; above every seed


class Visit(NamedTuple):
    """What a sample is of."""

    task: TrainingTask
    asked: int  # place in the task's pairs
    form: float  # in [0, 1): which of its augmentations
    beside: Sequence[int]  # places of the pairs that may be shown


class Order(Protocol):
    """Says what sample `index` of a canvas is of. `draws` are random numbers of that sample alone."""

    def visit(self, index: int, draws: NDArray[np.float64]) -> Visit: ...


class OnePairPerTask:
    """A task is asked one pair of, at random, in a view of that sample's own."""

    def __init__(self, tasks: Sequence[TrainingTask], seed: int, side: int) -> None:
        self._tasks, self._seed, self._side = tasks, seed, side
        self._pass, self._order = -1, np.empty(0, dtype=np.int64)

    def visit(self, index: int, draws: NDArray[np.float64]) -> Visit:
        number, place = divmod(index, len(self._tasks))
        if number != self._pass:
            drawn = _of_pass(self._seed, self._side, number).random(len(self._tasks))
            self._pass, self._order = number, drawn.argsort()
        task = self._tasks[int(self._order[place])]
        return _asking(task, int(draws[0] * task.samples), float(draws[1]), number)


class EveryPair:
    """A task is asked all its pairs, of a pool those drawn, in one view, one sample after the other.

    So a task with more pairs is trained on more often, by their number.
    """

    def __init__(self, tasks: Sequence[TrainingTask], seed: int, side: int) -> None:
        self._tasks, self._seed, self._side = tasks, seed, side
        self._counts = np.array([task.samples for task in tasks])
        self._samples = int(self._counts.sum())  # of a pass
        self._pass = -1
        self._order = self._ends = np.empty(0, dtype=np.int64)
        self._forms = np.empty(0)

    def visit(self, index: int, draws: NDArray[np.float64]) -> Visit:
        number, place = divmod(index, self._samples)
        if number != self._pass:
            generator = _of_pass(self._seed, self._side, number)
            self._pass, self._order = number, generator.random(len(self._tasks)).argsort()
            self._ends = self._counts[self._order].cumsum()  # where each task's samples end
            self._forms = generator.random(len(self._tasks))
        visited = int(np.searchsorted(self._ends, place, side="right"))
        task = self._tasks[int(self._order[visited])]
        pair = place - int(self._ends[visited])  # counted from the end
        return _asking(task, pair, float(self._forms[visited]), number)


def _asking(task: TrainingTask, which: int, form: float, number: int) -> Visit:
    """The pair `which` of those that visit `number` of the task asks."""
    if task.draw is None:
        asked = task.asked[which]
        return Visit(task, asked, form, task.beside(asked))
    drawn = task.draw.visit(number)
    return Visit(task, drawn.asked[which], form, drawn.shown[which])


def _of_pass(seed: int, side: int, number: int) -> np.random.Generator:
    """A counter-based generator: any pass can be drawn without those before it."""
    philox = np.random.Philox(key=[seed + _ORDER_SALT, side], counter=[0, number, 0, 0])
    return np.random.Generator(philox)
