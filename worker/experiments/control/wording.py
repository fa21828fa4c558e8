"""Shares, differences and steps in words."""

from __future__ import annotations

from collections.abc import Sequence

from backend.domain.statistics import Difference
from worker.experiments.control.results import Solved


def share(solved: Solved) -> str:
    """`72 % [54, 86], seeds 81, 68, 68 of 100`."""
    counts = ", ".join(f"{value * solved.tasks:.4g}" for value in solved.shares)
    return f"{short_share(solved)}, seeds {counts} of {solved.tasks}"


def short_share(solved: Solved) -> str:
    """`72 % [54, 86]`."""
    low, high = solved.interval
    return f"{100 * solved.share.mean:.0f} % [{100 * low:.0f}, {100 * high:.0f}]"


def points(difference: Difference | None) -> str:
    """`+11 [-11, +34]`, in points; None is the difference of single seeds."""
    if difference is None:
        return "no interval from one seed"
    mean, low, high = (100 * value for value in (difference.mean, difference.low, difference.high))
    return f"{mean:+.0f} [{low:+.0f}, {high:+.0f}]"


def steps(values: Sequence[int | None]) -> str:
    """`600, 700, never`."""
    return ", ".join("never" if value is None else f"{value:,}" for value in values)
