"""Why a prediction is wrong: the first of eight descriptions that applies."""

from __future__ import annotations

from collections import Counter

from backend.domain.arc.grid import Grid
from backend.domain.records import FailureMode

COLLAPSED_SHARE = 0.95  # of the cells in one colour
NEARLY_RIGHT_SHARE = 0.10  # of the cells wrong, at most


def failure_mode(prediction: Grid, truth: Grid, test_input: Grid) -> FailureMode | None:
    """The failure mode of a prediction, or None where it is right."""
    if prediction == truth:
        return None
    if not prediction.cells:
        return FailureMode.EMPTY
    if _collapsed(prediction, truth):
        return FailureMode.COLLAPSED
    if prediction == test_input:
        return FailureMode.COPIED_INPUT
    if not _same_size(prediction, truth):
        return FailureMode.WRONG_SIZE
    if Counter(prediction.cells) == Counter(truth.cells):
        return FailureMode.WRONG_ARRANGEMENT
    return _by_cells_right(prediction, truth)


def cell_accuracy(prediction: Grid, truth: Grid) -> float:
    """Share of the truth's cells right; 0 where the size differs."""
    if not _same_size(prediction, truth):
        return 0.0
    return _cells_right(prediction, truth) / len(truth.cells)


def _by_cells_right(prediction: Grid, truth: Grid) -> FailureMode:
    """Modes of a prediction of the right size, by how many cells are right."""
    right, cells = _cells_right(prediction, truth), len(truth.cells)
    if cells - right <= NEARLY_RIGHT_SHARE * cells:
        return FailureMode.NEARLY_RIGHT
    if right > max(Counter(truth.cells).values()):  # better than painting all in the majority colour
        return FailureMode.PARTLY_RIGHT
    return FailureMode.STRUCTURED_BUT_WRONG


def _collapsed(prediction: Grid, truth: Grid) -> bool:
    most = max(Counter(prediction.cells).values())
    return most >= COLLAPSED_SHARE * len(prediction.cells) and len(set(truth.cells)) > 1


def _same_size(one: Grid, other: Grid) -> bool:
    return (one.height, one.width) == (other.height, other.width)


def _cells_right(prediction: Grid, truth: Grid) -> int:
    return sum(a == b for a, b in zip(prediction.cells, truth.cells, strict=True))
