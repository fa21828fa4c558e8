"""How sure the objective of a trial is: by the lab's own statistics, never by a point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from backend.domain.intervals import Bounds, wilson_interval
from backend.domain.statistics import mean_over_seeds


@dataclass(frozen=True)
class Value:
    """The objective of one seed. `tasks`: of how many it is the share solved; None for a recorded series."""

    value: float
    tasks: int | None = None


@dataclass(frozen=True)
class Estimate:
    """The objective of a configuration over `seeds` seeds, with its 95 % interval where there is one."""

    seeds: int
    mean: float
    low: float | None
    high: float | None


def estimate(values: Sequence[Value], bounds: Bounds) -> Estimate | None:
    """The mean over the seeds of a configuration, whose values lie within bounds; None without any.

    One score has Wilson's interval of its tasks, several have that of `mean_of_shares`.
    A recorded series has no interval with one seed, nor where its values are all the same: then nothing is
    known of how they scatter.
    """
    numbers, tasks = [each.value for each in values], [each.tasks for each in values]
    if not numbers:
        return None
    counted = max((each for each in tasks if each is not None), default=None)
    if len(numbers) == 1 and tasks[0]:
        return Estimate(1, numbers[0], *wilson_interval(numbers[0] * tasks[0], tasks[0]))
    mean = mean_over_seeds(numbers, bounds, counted or None)
    assert mean is not None
    known = mean.low is not None and mean.high is not None and mean.low < mean.high
    return Estimate(mean.n, mean.mean, mean.low if known else None, mean.high if known else None)


def is_worse(one: Estimate | None, other: Estimate | None, better: Literal["higher", "lower"]) -> bool:
    """Whether the whole interval of `one` lies on the bad side of the whole interval of `other`."""
    if one is None or other is None:
        return False
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return False
    return one.high < other.low if better == "higher" else one.low > other.high
