"""What the table of runs shows, as it stands in its address."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from backend.runs_table.search import NEWEST_FIRST

RICH = (
    "status",
    "accuracy",
    "pass1",
    "encoder",
    "when",
)  # columns drawn in a way of their own


@dataclass(frozen=True)
class TableState:
    """Everything but the rows. Columns are rich ones or names of the filter language."""

    filter: str = ""
    sort: str = NEWEST_FIRST
    columns: tuple[str, ...] = RICH
    baseline: str = ""
    group: str = ""  # "seed": one row for runs that differ in it alone
    cursor: str | None = None

    def pairs(self, **changes: Any) -> list[tuple[str, str]]:
        """The parts of the address that say something, as a form's fields; a change starts at page one."""
        new = replace(self, **{"cursor": None, **changes})
        columns = [("column", name) for name in new.columns] if new.columns != RICH else []
        said = [
            ("filter", new.filter),
            ("sort", "" if new.sort == NEWEST_FIRST else new.sort),
            *columns,
            ("baseline", new.baseline),
            ("group", new.group),
            ("cursor", new.cursor or ""),
        ]
        return [(key, text) for key, text in said if text]

    def query(self, **changes: Any) -> str:
        """The same as a query, without `?`."""
        return urlencode(self.pairs(**changes))

    def address(self, **changes: Any) -> str:
        """The page with these parts changed."""
        query = self.query(**changes)
        return f"/?{query}" if query else "/"

    def hidden(self, *own: str) -> list[tuple[str, str]]:
        """What a form has to pass on that asks for the parts called `own` itself."""
        return [(key, text) for key, text in self.pairs() if key not in own]

    @property
    def is_default_columns(self) -> bool:
        return self.columns == RICH
