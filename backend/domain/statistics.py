"""What may be said of scores: means over seeds, pass@k over k, whether two differ on the same tasks."""

from __future__ import annotations

import math
import random
import sys
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate

from backend.domain.intervals import DIFFERENCE, NORMAL, SHARE, UNBOUNDED, Bounds, wilson_interval, within
from backend.domain.records import Score

MAX = sys.float_info.max
SAFE_EXPONENT = 480  # of two: the squares of larger values are infinite
CONFIDENCE = 0.95  # of an interval that nobody asks to be wider
RESAMPLES = 10_000  # of a bootstrap: its ends then scatter by about 1 % of its width

# Task id -> per test input the place of the truth among the candidates, None where nobody voted for it.
Ranks = Mapping[str, Sequence[int | None]]


@dataclass(frozen=True)
class Mean:
    """The mean of `n` values and its interval, of 95 % unless asked otherwise; None with fewer than two, or
    where all are the same: nothing is known of how they scatter."""

    n: int
    mean: float
    low: float | None
    high: float | None


def mean_of(
    values: Sequence[float], confidence: float = CONFIDENCE, bounds: Bounds = UNBOUNDED
) -> Mean | None:
    """The mean of independent values with Student's interval, which takes them to scatter normally.

    No end of it passes the `bounds` of the values, unless one of the values does, as a script may log it.
    None where there are no values. A value that is no finite number makes the mean NaN or infinite, without
    an interval: it is a value, and no mean leaves it out.
    """
    n = len(values)
    if n == 0:
        return None
    if not all(map(math.isfinite, values)):
        return Mean(n, sum(values), None, None)
    scale = _safe_scale(values)
    scaled = [value * scale for value in values]
    mean = average(values) * scale
    if min(values) == max(values):
        return Mean(n, values[0], None, None)
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in scaled) / (n - 1))
    half = student_t(n - 1, confidence) * deviation / math.sqrt(n)
    low, high = within((mean - half) / scale, (mean + half) / scale, (-MAX, MAX))
    if bounds[0] <= min(values) and max(values) <= bounds[1]:
        low, high = within(low, high, bounds)
    return Mean(n, mean / scale, low, high)


def average(values: Sequence[float]) -> float:
    """The mean of at least one value, without an interval."""
    if len(values) == 1 or not all(map(math.isfinite, values)):
        return sum(values)
    scale = _safe_scale(values)
    return math.fsum(value * scale for value in values) / len(values) / scale


def _safe_scale(values: Sequence[float]) -> float:
    """The power of two by which squares and sums of `values` stay floats; 1 for all but extreme ones."""
    exponent = math.frexp(max(map(abs, values)))[1]
    return 2.0 ** (SAFE_EXPONENT - exponent) if exponent > SAFE_EXPONENT else 1.0


def mean_of_shares(
    shares: Sequence[float], trials: int | None = None, confidence: float = CONFIDENCE
) -> Mean | None:
    """The mean of independent shares in [0, 1], one per seed, with an interval that stays inside.

    `trials` is the number of tasks that every seed was asked, where each share is of tasks solved: the seeds
    are asked the same ones, so more seeds are not more tasks. With 2 to 5
    seeds Student's interval leaves [0, 1], and is empty where all seeds solve the same number. This one is
    Wilson's (1927) with an effective number of trials in place of the real one: the number that gives the
    variance seen between the seeds, cut for their few degrees of freedom and never above `trials`, so that
    it is at least as wide as that of one seed's tasks. Korn and Graubard (1998), Survey Methodology 24,
    193-201, with Wilson's interval as in Franco, Little, Louis and Slud (2019), J. Survey Statistics and
    Methodology 7, 334-364. None without shares. Values outside [0, 1], as a script may log them, are no
    shares: Student's interval.
    """
    found = mean_of(shares, confidence)
    if found is None or found.n == 1 or not all(0 <= each <= 1 for each in shares):
        return found
    # Student's half width is t standard errors: (z / half)^2 is (z / t)^2 / variance.
    half = 0.0 if found.low is None or found.high is None else (found.high - found.low) / 2
    z = normal_quantile(confidence)
    most = math.inf if trials is None else float(trials)
    effective = min(most, found.mean * (1 - found.mean) * (z / half) ** 2) if half else most
    if math.isinf(effective):  # equal shares of nobody knows how many
        return found
    low, high = wilson_interval(found.mean * effective, effective, z)
    return Mean(found.n, found.mean, min(low, found.mean), max(high, found.mean))  # but for rounding


def mean_over_seeds(
    values: Sequence[float], bounds: Bounds, trials: int | None = None, confidence: float = CONFIDENCE
) -> Mean | None:
    """The mean of values that lie within `bounds`, with an interval that does: of shares `mean_of_shares`, of
    others `mean_of`. None without values."""
    if bounds == SHARE:
        return mean_of_shares(values, trials, confidence)
    return mean_of(values, confidence, bounds)


@cache
def student_t(freedom: int, confidence: float = CONFIDENCE) -> float:
    """What Student's t with that many degrees of freedom does not exceed in size with probability
    `confidence`, to 1e-9, by bisection: for 0.95 the 97.5 % quantile."""
    low, high = 0.0, 16.0  # 12.7 with one degree of freedom at 0.95; less with more
    while _within(high, freedom) < confidence:
        low, high = high, 2 * high
    while high - low > 1e-10 * max(1.0, low):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, freedom) < confidence else (low, middle)
    return (low + high) / 2


def normal_quantile(confidence: float) -> float:
    """The same of the standard normal distribution."""
    if confidence == CONFIDENCE:
        return NORMAL
    from statistics import NormalDist  # which takes decimals and fractions along

    return NormalDist().inv_cdf((1 + confidence) / 2)


def t_p_value(t: float, freedom: int) -> float:
    """Two-sided p-value of a Student's t with that many degrees of freedom."""
    return max(0.0, 1.0 - _within(abs(t), freedom))


def _within(t: float, freedom: int) -> float:
    """Probability that |T| <= t, by its finite series (Abramowitz and Stegun 26.7.3 and 26.7.4)."""
    angle = math.atan(t / math.sqrt(freedom))
    cosine2, odd = math.cos(angle) ** 2, freedom % 2
    term = math.cos(angle) if odd else 1.0
    total = term if freedom > 1 else 0.0
    for k in range(2 + odd, freedom, 2):
        term *= (k - 1) / k * cosine2
        total += term
    if odd:
        return 2 / math.pi * (angle + math.sin(angle) * total)
    return math.sin(angle) * total


def ranks_by_task(ranks: Iterable[tuple[str, int | None]]) -> dict[str, list[int | None]]:
    """From (task id, the truth's rank) of test inputs; tasks and inputs stay in their order."""
    found: dict[str, list[int | None]] = {}
    for task_id, rank in ranks:
        found.setdefault(task_id, []).append(rank)
    return found


def task_scores(ranks: Ranks, k: int) -> dict[str, float]:
    """Each task's score at k attempts: the share of its test inputs whose truth is among the first k."""
    return {
        task_id: sum(rank is not None and rank <= k for rank in of_task) / len(of_task)
        for task_id, of_task in ranks.items()
    }


def pass_at(ranks: Ranks, k: int) -> Score:
    """pass@k: the sum of the task scores, of the tasks evaluated."""
    return Score(math.fsum(task_scores(ranks, k).values()), len(ranks))


def pass_curve(ranks: Ranks) -> dict[int, Score]:
    """pass@k at k = 1 and 2, and at every k where it rises: flat in between and after."""
    placed = {rank for of_task in ranks.values() for rank in of_task if rank is not None}
    return {k: pass_at(ranks, k) for k in sorted({1, 2} | placed)}


def unseen_share(tasks: int, confidence: float = CONFIDENCE) -> float:
    """How many tasks may be otherwise, as a share, where none of those asked is: by Wilson, of 0 of n.

    A difference that is the same on all n tasks, most often none, has no scatter to make an interval of. Of
    tasks that were not asked, that many may still differ from it, each by 1 at most.
    """
    return wilson_interval(0, tasks, normal_quantile(confidence))[1]


@dataclass(frozen=True)
class Difference:
    """`mean` of a minus b, with its 95 % interval."""

    mean: float
    low: float
    high: float

    @property
    def is_decided(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low > 0 or self.high < 0


def mcnemar_exact(only_a: int, only_b: int) -> float:
    """Two-sided p-value that a and b are equally good, from the tasks that only one of them solves.

    McNemar's test with the exact binomial distribution: of those tasks each is a's with probability 1/2.
    """
    n = only_a + only_b
    tail = sum(math.comb(n, k) for k in range(min(only_a, only_b) + 1))
    return min(1.0, float(2 * tail / 2**n))


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values adjusted for being several, in their order: those still below 0.05 are significant.

    Holm (1979), Scandinavian J. Statistics 6, 65-70: the smallest of m times m, the next times m - 1, none
    below one before it. It holds the chance of any false decision to the level, however the tests depend on
    one another, which those against one baseline do.
    """
    m, least = len(p_values), 0.0
    adjusted = [1.0] * m
    for place, at in enumerate(sorted(range(m), key=p_values.__getitem__)):
        least = max(least, min(1.0, (m - place) * p_values[at]))
        adjusted[at] = least
    return adjusted


def paired_bootstrap(
    a: Mapping[str, float], b: Mapping[str, float], seed: int = 0, resamples: int = RESAMPLES
) -> Difference:
    """Mean difference a - b of task scores (fractional ones too), with its percentile interval.

    Tasks are drawn with replacement and keep their pair; where all differ alike, the interval is what n tasks
    leave open (`unseen_share`). The same input and seed give the same interval.
    ValueError unless both have the same tasks, and at least one.
    """
    if not a or a.keys() != b.keys():
        raise ValueError("a paired bootstrap needs the same tasks on both sides, at least one")
    differences = [a[task_id] - b[task_id] for task_id in sorted(a)]
    n = len(differences)
    if len(set(differences)) == 1:  # every resample is the same
        room = unseen_share(n)
        return Difference(differences[0], *within(differences[0] - room, differences[0] + room, DIFFERENCE))
    telling = [each for each in differences if each]  # ties add nothing: only how many are drawn matters
    draw = random.Random(seed)
    counts = _binomial_table(n, len(telling) / n)
    means = sorted(
        math.fsum(draw.choices(telling, k=bisect_left(counts, draw.random()))) / n if telling else 0.0
        for _ in range(resamples)
    )
    at = round(0.025 * (resamples - 1))
    return Difference(math.fsum(differences) / n, means[at], means[-1 - at])


def _binomial_table(n: int, share: float) -> list[float]:
    """P(X <= k) for k = 0 to n; the last entry is 1."""
    if share in (0.0, 1.0):
        return [1.0 - share] * n + [1.0]
    logs = [
        math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
        + k * math.log(share) + (n - k) * math.log1p(-share)
        for k in range(n + 1)
    ]  # fmt: skip
    return [*list(accumulate(math.exp(each) for each in logs))[:-1], 1.0]


def difference_of_shares(a: Score, b: Score) -> Difference | None:
    """Share a - share b of different tasks, for example trained-on and held-out ones; None if one is empty.

    The interval is Newcombe's (1998, method 10), made of both Wilson intervals.
    """
    if not a.n or not b.n:
        return None
    p, q = a.solved / a.n, b.solved / b.n
    (p_low, p_high), (q_low, q_high) = wilson_interval(a.solved, a.n), wilson_interval(b.solved, b.n)
    low = p - q - math.hypot(p - p_low, q_high - q)
    high = p - q + math.hypot(p_high - p, q - q_low)
    return Difference(p - q, low, high)
