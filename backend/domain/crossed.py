"""A mean difference over seeds and tasks, where every seed was asked every task.

Two configurations, or two ways to use the same weights, are compared on some seeds and n tasks. Both are
samples: of trainings that could have been, and of tasks that could have been asked. Readers and cases in the
evaluation of medical images are crossed in the same way, and the interval here is the one used there: the
variance of the mean from a two-way analysis of variance, with the degrees of freedom of Hillis (2007),
Statistics in Medicine 26, 596-619. Where seeds scatter it is Student's interval over the seeds, which three
seeds that happen to agree in sign do not make narrow; where they do not it is that of the tasks. Where
neither do, as where no task tells the sides apart, it is as wide as n tasks leave open (Wilson 1927). Scores
are shares, so no interval of their difference passes -1 or 1.

There are two designs. Seeds are *paired* where row s of both sides is one training, or two with the same seed
on the same data: the table of differences is analysed. They are *unpaired* where two configurations were
trained, each with seeds of its own and perhaps not as many: seeds are nested in the sides and are taken to
scatter alike in both, as two or three of each would not tell; the tasks are shared.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from backend.domain.intervals import DIFFERENCE, within
from backend.domain.statistics import CONFIDENCE, Difference, student_t, t_p_value, unseen_share

MAX_FREEDOM = 1000  # degrees of freedom beyond which Student's t is the normal distribution

Table = Sequence[Sequence[float]]  # (seeds, tasks): shares of a task solved


@dataclass(frozen=True)
class CrossedDifference(Difference):
    """A difference with the two-sided p-value that there is none."""

    p_value: float


def crossed_difference(a: Table, b: Table, confidence: float = CONFIDENCE) -> CrossedDifference:
    """Mean of a minus mean of b with its interval; row s of both belongs to seed s, column t to task t.

    Seeds that scatter less than the rest of the table are taken not to differ, and pooled with it. ValueError
    unless both are tables of one shape, with at least two seeds and two tasks.
    """
    m, n = len(a), len(a[0]) if a else 0
    if min(m, n) < 2 or len(b) != m or any(len(row) != n for row in (*a, *b)):
        raise ValueError("paired results need the same seeds and tasks on both sides, at least two of each")
    table = [[x - y for x, y in zip(*rows, strict=True)] for rows in zip(a, b, strict=True)]
    return _estimated([table], confidence)


def unpaired_difference(a: Table, b: Table) -> CrossedDifference:
    """The same where the seeds of a and b are different trainings: only column t of both is one task.

    One seed alone says nothing of other seeds; the scatter on the other side stands for both. With one on
    both sides it is Student's interval over the tasks, for these two trainings. ValueError unless both have
    the same two or more tasks.
    """
    n = len(a[0]) if a else 0
    if n < 2 or not b or any(len(row) != n for row in (*a, *b)):
        raise ValueError("results need the same tasks on both sides, at least two")
    return _estimated([a, [[-value for value in row] for row in b]])


@dataclass(frozen=True)
class _Scatter:
    """Sums of squares of a table (seeds, tasks), and the means over its seeds."""

    m: int
    of_tasks: Sequence[float]
    seeds: float
    rest: float


def _scatter(table: Table) -> _Scatter:
    m, n = len(table), len(table[0])
    of_seeds = [math.fsum(row) / n for row in table]
    of_tasks = [math.fsum(column) / m for column in zip(*table, strict=True)]
    mean = math.fsum(of_seeds) / m
    rest = math.fsum(
        (value - seed - task + mean) ** 2
        for row, seed in zip(table, of_seeds, strict=True)
        for value, task in zip(row, of_tasks, strict=True)
    )
    return _Scatter(m, of_tasks, n * _squares(of_seeds, mean), rest)


def _estimated(tables: Sequence[Table], confidence: float = CONFIDENCE) -> CrossedDifference:
    """The sum of the means of tables on the same tasks."""
    sides = [_scatter(table) for table in tables]
    of_tasks = [math.fsum(parts) for parts in zip(*(side.of_tasks for side in sides), strict=True)]
    n = len(of_tasks)
    mean = math.fsum(of_tasks) / n
    tasks = _squares(of_tasks, mean) / (n - 1)
    freedom = sum(side.m - 1 for side in sides)
    if freedom:
        total, freedom = _with_seeds(sides, tasks, freedom, n)
    else:
        total, freedom = tasks / n, min(n - 1, MAX_FREEDOM)
    if not total:
        room = unseen_share(n, confidence)
        return CrossedDifference(mean, *within(mean - room, mean + room, DIFFERENCE), 0.0 if mean else 1.0)
    error = math.sqrt(total)
    half = student_t(freedom, confidence) * error
    ends = within(mean - half, mean + half, DIFFERENCE)
    return CrossedDifference(mean, *ends, t_p_value(mean / error, freedom))


def _with_seeds(sides: Sequence[_Scatter], tasks: float, freedom: int, n: int) -> tuple[float, int]:
    """Variance of the mean with its degrees of freedom; `tasks` is the variance of the tasks' means."""
    seeds = math.fsum(side.seeds for side in sides) / freedom
    rest = math.fsum(side.rest for side in sides) / (freedom * (n - 1))
    per_task = math.fsum(1 / side.m for side in sides)  # variance of a sum of means, in those of one seed
    scattered = freedom if seeds > rest else freedom * n
    seeds = max(seeds, rest) * per_task / n
    total = seeds + max(tasks - rest * per_task, 0.0) / n
    return total, min(int((total / seeds) ** 2 * scattered), MAX_FREEDOM) if seeds else MAX_FREEDOM


def _squares(values: Sequence[float], mean: float) -> float:
    return math.fsum((value - mean) ** 2 for value in values)
