"""What the alarms of encoder health are called, wherever they are raised, judged or drawn."""

from __future__ import annotations

STARVATION = "starvation"
COLLAPSE = "collapse"
EXPLOSION = "gradient explosion"
UNUSED_CONTEXT = "unused context"
MEMORISATION = "memorisation"


def gap(exact: float, upper: float) -> float:
    """How far exact training accuracy is above the upper end of the interval of held-out pass@1."""
    return exact - upper
