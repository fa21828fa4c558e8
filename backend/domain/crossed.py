"""A mean difference over seeds and tasks, where every seed was asked every task.

Two configurations, or two ways to use the same weights, are compared on m seeds and n tasks. Both are
samples: of trainings that could have been, and of tasks that could have been asked. Readers and cases in the
evaluation of medical images are crossed in the same way, and the interval here is the one used there: the
variance of the mean from a two-way analysis of variance, with the degrees of freedom of Hillis (2007),
Statistics in Medicine 26, 596-619. Where seeds scatter it is Student's interval over the seeds, which three
seeds that happen to agree in sign do not make narrow; where they do not it is that of the tasks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from backend.domain.statistics import Difference, student_t, t_p_value

MAX_FREEDOM = 1000  # degrees of freedom beyond which Student's t is the normal distribution

Table = Sequence[Sequence[float]]  # (seeds, tasks)


@dataclass(frozen=True)
class CrossedDifference(Difference):
    """A difference with the two-sided p-value that there is none."""

    p_value: float


def crossed_difference(a: Table, b: Table) -> CrossedDifference:
    """Mean of a minus mean of b with its 95 % interval; row s of both belongs to seed s, column t to task t.

    Seeds that scatter less than the rest of the table are taken not to differ, and pooled with it. ValueError
    unless both are tables of one shape, with at least two seeds and two tasks.
    """
    m, n = len(a), len(a[0]) if a else 0
    if min(m, n) < 2 or len(b) != m or any(len(row) != n for row in (*a, *b)):
        raise ValueError("paired results need the same seeds and tasks on both sides, at least two of each")
    table = [[x - y for x, y in zip(*rows, strict=True)] for rows in zip(a, b, strict=True)]
    of_seeds = [math.fsum(row) / n for row in table]
    of_tasks = [math.fsum(column) / m for column in zip(*table, strict=True)]
    mean = math.fsum(of_seeds) / m
    seeds = n * _squares(of_seeds, mean) / (m - 1)
    tasks = m * _squares(of_tasks, mean) / (n - 1)
    rest = math.fsum(
        (value - seed - task + mean) ** 2
        for row, seed in zip(table, of_seeds, strict=True)
        for value, task in zip(row, of_tasks, strict=True)
    ) / ((m - 1) * (n - 1))
    freedom = m - 1 if seeds > rest else (m - 1) * n
    seeds = max(seeds, rest)
    total = seeds + max(tasks - rest, 0.0)
    if not total:
        return CrossedDifference(mean, mean, mean, 0.0 if mean else 1.0)
    error = math.sqrt(total / (m * n))
    freedom = min(int((total / seeds) ** 2 * freedom), MAX_FREEDOM) if seeds else MAX_FREEDOM
    half = student_t(freedom) * error
    return CrossedDifference(mean, mean - half, mean + half, t_p_value(mean / error, freedom))


def _squares(values: Sequence[float], mean: float) -> float:
    return math.fsum((value - mean) ** 2 for value in values)
