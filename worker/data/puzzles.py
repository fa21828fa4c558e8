"""Rows of TRM's puzzle table: one per task and augmentation that is trained on."""

from __future__ import annotations

from collections.abc import Sequence

UNKNOWN_ROW = 0  # stays zero


class PuzzleTable:
    """Row of (task, augmentation index). Rows of one task follow one another; row 0 is the unknown puzzle."""

    def __init__(self, task_ids: Sequence[str] = (), augmentations: int = 0) -> None:
        """`augmentations` per task besides the original. Encoders need no task in it: row 0 alone."""
        self._forms = augmentations + 1
        self._first_rows = {task_id: 1 + place * self._forms for place, task_id in enumerate(task_ids)}

    @property
    def rows(self) -> int:
        return 1 + len(self._first_rows) * self._forms

    def row(self, task_id: str, index: int) -> int:
        """UNKNOWN_ROW for a task, or a form of it, that is not trained on."""
        first = self._first_rows.get(task_id)
        return UNKNOWN_ROW if first is None or index >= self._forms else first + index


class OwnTable(PuzzleTable):
    """Each task has a table of its own, with the same rows in the same places: none is unknown."""

    def __init__(self, augmentations: int) -> None:
        super().__init__(augmentations=augmentations)

    @property
    def rows(self) -> int:
        return 1 + self._forms

    def row(self, task_id: str, index: int) -> int:
        return UNKNOWN_ROW if index >= self._forms else 1 + index
