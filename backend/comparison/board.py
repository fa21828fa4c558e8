"""The compared runs as lines of charts: one per run, or one per variation over its seeds."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from markupsafe import Markup
from sqlalchemy.orm import Session

from backend.charts import panels
from backend.charts.cache import Chart, charts_of, database_of
from backend.charts.figures import Figure, lines_figure
from backend.charts.lines import Line, clock_of
from backend.charts.panels import Panel
from backend.charts.paper import curves_figure
from backend.charts.static_chart import swatch
from backend.charts.view import ChartView, curves_of
from backend.comparison import service as compare
from backend.comparison.charts import (
    Curves,
    Style,
    panels_of,
    run_lines,
    seed_lines,
    styles_of,
    styles_over_seeds,
)
from backend.comparison.service import LACKING
from backend.data import service as datasets
from backend.kit.errors import NotFound
from backend.kit.exports.figures import Figure as PaperFigure
from backend.kit.expressions import looks_like_one
from backend.metrics import service as series
from backend.metrics.expressions import bound
from backend.run_view.views import RunView
from backend.web.drawn import Drawn

LINES_DRAWN = 120  # by the server, over all charts of the first paint

By = Literal["run", "seed"]


@dataclass(frozen=True)
class LegendLine:
    """A line of a comparison in the legend that all its charts share."""

    key: str
    label: str
    swatch: Markup
    hidden: bool


@dataclass(frozen=True)
class Column:
    """A compared run, or a variation over its seeds, as tables head it."""

    key: str
    label: str
    mark: Markup
    run: str  # whose page its name leads to; empty for several seeds


class Board:
    """The compared runs with their looks, and the charts of their metrics."""

    def __init__(
        self, session: Session, found: Sequence[RunView], by: By = "run", asked: Sequence[str] = ()
    ) -> None:
        """`asked` are expressions, each of which gets a chart; `refused` says what is wrong with others."""
        self.session = session
        self.by = by
        self.runs = found
        self.variations = compare.variations(found)
        self.styles: dict[str, Style] = (
            styles_of(found) if by == "run" else styles_over_seeds(self.variations)
        )
        self.sizes = {each.name: each.tasks for each in datasets.available(session)}
        self.metrics = sorted({name for run in found for name in run.metrics})
        drawn, self.refused = panels.of_texts(asked, self.metrics, LACKING)
        self.panels = [*drawn, *panels_of(self.metrics)]

    def panel(self, metric: str) -> Panel:
        """The chart of a metric or of an expression; NotFound where no run has the metric, InvalidInput."""
        found = next((panel for panel in self.panels if panel.id == metric), None)
        if found is None and looks_like_one(metric):
            return panels.of_expression(metric, bound(metric, self.metrics, LACKING))
        if found is None:
            raise NotFound(f"No compared run has a metric {metric!r}.", "Reload the page.")
        return found

    def charts(self, shown: Sequence[Panel], view: ChartView) -> dict[str, Chart]:
        """Panel id -> its chart, drawn now or before."""
        clocks = {run.id: clock_of(run, self.sizes) for run in self.runs}
        return charts_of(
            shown,
            (database_of(self.session), self.by, *sorted(clocks)),
            self._drawn_from,
            view,
            lambda names: curves_of(self.session, names, clocks, view, panels.expressions_of(shown)),
            lambda panel, curves: self._figure(panel, view, curves),
        )

    @cached_property
    def _drawn_from(self) -> tuple[Hashable, ...]:
        """What its charts depend on besides view and panel."""
        versions = series.versions(self.session, [run.id for run in self.runs])
        runs = [
            (run.id, versions.get(run.id, 0), run.started_at or run.created_at, clock_of(run, self.sizes))
            for run in self.runs
        ]
        members = [(each.key, *(run.id for run in each.runs)) for each in self.variations]
        styles = tuple(self.styles.items())
        return tuple(runs), tuple(members), styles

    def _figure(self, panel: Panel, view: ChartView, curves: Curves) -> Figure:
        """One metric of all runs."""
        made = lines_figure(panel, self._lines(panel, curves), view.window(panel))
        return {**made, "version": 0, "runs": [run.id for run in self.runs]}

    def _lines(self, panel: Panel, curves: Curves) -> list[Line]:
        if self.by == "run":
            return run_lines(panel.metrics[0], self.runs, curves, self.styles, self.sizes)
        return seed_lines(panel.metrics[0], self.variations, curves, self.styles, self.sizes)

    def paper_figure(
        self, name: str, panel: Panel, view: ChartView, hidden: frozenset[str] = frozenset()
    ) -> PaperFigure:
        """A chart for a paper, without the lines whose keys are hidden."""
        clocks = {run.id: clock_of(run, self.sizes) for run in self.runs}
        lines = self._lines(
            panel, curves_of(self.session, panel.metrics, clocks, view, panels.expressions_of([panel]))
        )
        places = {key: place for place, key in enumerate(self.styles)}
        return curves_figure(name, panel, lines, view.window(panel), places, hidden)

    def first_paint(self, view: ChartView) -> dict[str, Drawn]:
        """The charts that a window shows at first, drawn here."""
        shown = self.panels[: max(3, min(24, LINES_DRAWN // max(1, len(self.styles))))]
        return {panel_id: chart.drawn for panel_id, chart in self.charts(shown, view).items()}

    def legend(self, hidden: frozenset[str]) -> list[LegendLine]:
        """Every line with its mark."""
        return [
            LegendLine(key, style.label, mark_of(style), key in hidden) for key, style in self.styles.items()
        ]


def mark_of(style: Style) -> Markup:
    """The short line that stands for a run or variation."""
    trace = {"meta": {"colour": style.colour, "shade": style.shade}, "line": {"dash": style.dash}}
    return swatch(trace)


def columns_of(board: Board) -> list[Column]:
    """The lines of the board, in their order."""
    alone = {each.key: len(each.runs) == 1 for each in board.variations}
    return [
        Column(key, style.label, mark_of(style), key if board.by == "run" or alone[key] else "")
        for key, style in board.styles.items()
    ]
