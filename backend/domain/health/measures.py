"""What the alarms of encoder health are called, wherever they are raised, judged or drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from backend.kit.format import fine_percent, points, significant

STARVATION = "starvation"
COLLAPSE = "collapse"
EXPLOSION = "gradient explosion"
UNUSED_CONTEXT = "unused context"
MEMORISATION = "memorisation"

PROBE_VIEWS = 2  # augmentations of each task of a probe
FEWEST_PROBED = 2  # tasks that a probe can compare


def chance_of_retrieval(tasks: int) -> float:
    """How often the nearest other view would be of the same task if views of `tasks` tasks lay anyhow."""
    return (PROBE_VIEWS - 1) / (PROBE_VIEWS * tasks - 1)


def gap(exact: float, upper: float) -> float:
    """How far exact training accuracy is above the upper end of the interval of held-out pass@1."""
    return exact - upper


_IN_WORDS: Mapping[str, Callable[[float | None], str]] = {
    STARVATION: fine_percent,
    COLLAPSE: fine_percent,
    UNUSED_CONTEXT: points,
    MEMORISATION: points,
}


def in_words(alarm: str, value: float | None) -> str:
    """A value or threshold of an alarm in the unit that its evidence has."""
    return _IN_WORDS.get(alarm, significant)(value)
