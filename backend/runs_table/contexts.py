"""The table of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from backend.domain.health import Health
from backend.domain.learning import Learning
from backend.groups.views import GroupSummary
from backend.kit.errors import FieldProblem
from backend.run_view.views import RunView
from backend.runs_table.cells import NAME_COLUMN, RICH_TITLES, Cell, Column
from backend.runs_table.configurations import VariationRow
from backend.runs_table.saved_views import SavedViewView
from backend.runs_table.state import RICH, TableState
from backend.web.contexts import Context


@dataclass(frozen=True)
class RunRow:
    """A run in the table, with its sparkline as points of an SVG polyline (0..100, 0..24)."""

    run: RunView
    learning: Learning
    health: Health
    sparkline: str
    cells: Mapping[str, Cell]  # by column


@dataclass(frozen=True)
class RunsPage(Context):
    """The table of runs. `problem` says what is wrong with the address; the rows then are of a plain one."""

    template = "runs_table/page.html"
    nav = "runs"
    page = "runs"

    rows: Sequence[RunRow]
    variations: Sequence[VariationRow]  # instead of rows where runs are grouped
    pinned: RunRow | None  # the baseline, above the rows
    baseline: RunView | None
    columns: Sequence[Column]
    state: TableState
    problem: FieldProblem | None
    notes: Sequence[str]  # on what the address asks for, where it may not mean what one thinks
    next_cursor: str | None
    any_runs: bool
    group: GroupSummary | None  # of which these are the runs
    views: Sequence[SavedViewView]
    name_column: Column = NAME_COLUMN
    rich: Mapping[str, str] = field(default_factory=lambda: RICH_TITLES)
    default_columns: Sequence[str] = RICH
