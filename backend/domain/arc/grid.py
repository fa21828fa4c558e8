"""An ARC grid: 1 to 30 rows and columns of colours 0 to 9."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MAX_SIDE = 30
COLOURS = 10
# How ARC shows colours 0 to 9; web/grids.js has them too.
PALETTE = (
    "#000000", "#0074D9", "#FF4136", "#2ECC40", "#FFDC00",
    "#AAAAAA", "#F012BE", "#FF851B", "#7FDBFF", "#870C25",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Grid:
    """An immutable grid, row by row. A prediction may be empty (0 rows); a task's grid may not."""

    rows: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, rows: Iterable[Iterable[int]]) -> Grid:
        """Build from any nested iterable (lists, arrays) of integers."""
        return cls(tuple(tuple(int(cell) for cell in row) for row in rows))

    @classmethod
    def from_digits(cls, digits: str) -> Grid:
        """Read `"012/345"`: rows joined by `/`, as `digits` writes them; `""` is the empty grid."""
        return (
            cls(tuple(tuple(int(cell) for cell in row) for row in digits.split("/"))) if digits else cls(())
        )

    @property
    def digits(self) -> str:
        """Rows of digits joined by `/`: how grids are stored and shipped."""
        return "/".join("".join(map(str, row)) for row in self.rows)

    @property
    def height(self) -> int:
        return len(self.rows)

    @property
    def width(self) -> int:
        return len(self.rows[0]) if self.rows else 0

    @property
    def cells(self) -> Sequence[int]:
        """All colours in reading order."""
        return [cell for row in self.rows for cell in row]

    def as_lists(self) -> list[list[int]]:
        """Nested lists, the form of ARC's JSON."""
        return [list(row) for row in self.rows]
