"""Rows of TRM's puzzle table: one per task and augmentation that is trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate

UNKNOWN_ROW = 0  # stays zero


class PuzzleTable:
    """Row of (task, augmentation index). Rows of one task follow one another; row 0 is the unknown puzzle."""

    def __init__(
        self,
        task_ids: Sequence[str] = (),
        augmentations: int = 0,
        forms: Mapping[str, Sequence[int]] | None = None,
    ) -> None:
        """`augmentations` per task besides the original; of a task with `forms` the augmentations of these
        indices alone. Encoders need no task in it: row 0 alone."""
        self._all = range(augmentations + 1)
        self._forms = {task_id: (forms or {}).get(task_id, self._all) for task_id in task_ids}
        firsts = accumulate((len(each) for each in self._forms.values()), initial=1)
        self._first_rows = dict(zip(self._forms, firsts, strict=False))  # the last is the number of rows
        self._places = {
            task_id: {index: place for place, index in enumerate(each)}
            for task_id, each in self._forms.items()
            if each is not self._all
        }

    @property
    def rows(self) -> int:
        return 1 + sum(map(len, self._forms.values()))

    def lacks(self, task_id: str) -> bool:
        """Whether the model needs an embedding of the task and has none; an encoder needs none."""
        return bool(self._first_rows) and task_id not in self._first_rows

    def row(self, task_id: str, index: int) -> int:
        """UNKNOWN_ROW for a task, or a form of it, that is not trained on."""
        first = self._first_rows.get(task_id)
        place = self._place(task_id, index)
        return UNKNOWN_ROW if first is None or place is None else first + place

    def forms(self, task_id: str) -> Sequence[int]:
        """Indices of the augmentations of a task that are trained on; none of an unknown task."""
        return self._forms.get(task_id, ())

    def _place(self, task_id: str, index: int) -> int | None:
        if task_id in self._places:
            return self._places[task_id].get(index)
        return index if index in self._all else None


class OwnTable(PuzzleTable):
    """Each task has a table of its own, with the same rows in the same places: none is unknown."""

    def __init__(self, augmentations: int) -> None:
        super().__init__(augmentations=augmentations)

    @property
    def rows(self) -> int:
        return 1 + len(self._all)

    def lacks(self, task_id: str) -> bool:
        return False

    def row(self, task_id: str, index: int) -> int:
        return UNKNOWN_ROW if index not in self._all else 1 + index

    def forms(self, task_id: str) -> Sequence[int]:
        return self._all
