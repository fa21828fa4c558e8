"""Values of W&B scripts that are no numbers: what of them a run keeps is text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from etrm_lab.output import left_out, tell_once

MAX_ROWS = 200  # of a table, in the log
FILES_STAY = "Files stay where they are; run.log_checkpoint(path) notes one with its SHA-256."


class Table:
    """Rows under columns. Logged, it is a table of text in the run's log. Whatever is given, making and
    filling one raises nothing: it happens within trainings."""

    def __init__(
        self,
        columns: Sequence[Any] | None = None,
        data: Any = None,
        dataframe: Any = None,
        **_: Any,
    ) -> None:
        self.columns = ["Input", "Output", "Expected"]
        self.data: list[list[Any]] = []
        try:
            if hasattr(data, "columns"):
                dataframe, data = data, None
            if dataframe is not None:
                columns, data = list(dataframe.columns), dataframe.values.tolist()
            self.columns = [str(name) for name in columns or self.columns]
            self.data = [list(row) for row in (() if data is None else data)]
        except Exception as error:  # noqa: BLE001 — a training must not end for values of any kind
            tell_once(f"Table: rows are left out: {error}")

    def add_data(self, *row: Any) -> None:
        """Add a row. One of another length than there are columns is told once, and cut or left short."""
        if len(row) != len(self.columns):
            tell_once(f"Table: there are {len(self.columns)} columns, but {len(row)} values in a row.")
        self.data.append(list(row))

    def add_column(self, name: Any, data: Iterable[Any], **_: Any) -> None:
        """Add a column with a value for each row; to a table without rows, as many as there are values."""
        try:
            values = list(data)
            rows = self.data or [[""] * len(self.columns) for _ in values]
            self.data = [[*row, value] for row, value in zip(rows, values, strict=True)]
            self.columns.append(str(name))
        except Exception as error:  # noqa: BLE001 — a training must not end for values of any kind
            tell_once(f"Table: the column {name} is left out: {error}")

    def text(self) -> str:
        """The table with columns of equal width."""
        rows = [self.columns, *([_cell(value) for value in row] for row in self.data[:MAX_ROWS])]
        widths = [max(len(row[at]) for row in rows if at < len(row)) for at in range(len(self.columns))]
        lines = [
            "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)) for row in rows
        ]
        more = len(self.data) - MAX_ROWS
        return "\n".join(
            line.rstrip() for line in [*lines, *([f"… and {more} more rows"] if more > 0 else [])]
        )


class Image:
    """A picture. A run keeps it where it is an ARC grid: rows of colours 0 to 9."""

    def __init__(self, data_or_path: Any, caption: str | None = None, **_: Any) -> None:
        self.data, self.caption = data_or_path, caption or ""


class Artifact:
    """W&B's: it takes every call and keeps nothing, which is told."""

    def __init__(self, *_: Any, **__: Any) -> None:
        left_out("Artifact", FILES_STAY)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *_, **__: self


def _cell(value: Any) -> str:
    return " ".join((f"{value:.6g}" if isinstance(value, float) else str(value)).split())[:60]
