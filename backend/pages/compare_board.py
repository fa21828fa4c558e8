"""The compared runs as lines of charts: one per run, or one per variation over its seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup
from sqlalchemy.orm import Session

from backend.domain.errors import NotFound
from backend.pages import charts
from backend.pages.chart_view import ChartView, Drawn, drawn
from backend.pages.compare_charts import (
    Curves,
    Style,
    panels_of,
    run_lines,
    seed_lines,
    styles_of,
    styles_over_seeds,
)
from backend.pages.panels import Panel
from backend.pages.still import swatch
from backend.services import compare, datasets, series
from backend.services.run_view import RunView

LINES_DRAWN = 120  # by the server, over all charts of the first paint

By = Literal["run", "seed"]


@dataclass(frozen=True)
class LegendLine:
    """A line of a comparison in the legend that all its charts share."""

    key: str
    label: str
    swatch: Markup
    hidden: bool


class Board:
    """The compared runs with their looks, and the charts of their metrics."""

    def __init__(self, session: Session, found: Sequence[RunView], by: By = "run") -> None:
        self._session = session
        self.by = by
        self.runs = found
        self.variations = compare.variations(found)
        self.styles: dict[str, Style] = (
            styles_of(found) if by == "run" else styles_over_seeds(self.variations)
        )
        self.sizes = {each.name: each.tasks for each in datasets.sets(session)}
        self.panels = panels_of(sorted({name for run in found for name in run.metrics}))

    def panel(self, metric: str) -> Panel:
        """The chart of a metric; NotFound where no run has it."""
        found = next((panel for panel in self.panels if panel.id == metric), None)
        if found is None:
            raise NotFound(f"No compared run has a metric {metric!r}.", "Reload the page.")
        return found

    def figure(self, panel: Panel, view: ChartView, curves: Curves | None = None) -> charts.Figure:
        """One metric of all runs."""
        curves = curves or series.of_runs(self._session, [run.id for run in self.runs], panel.metrics)
        lines = (
            run_lines(panel.metrics[0], self.runs, curves, self.styles, self.sizes)
            if self.by == "run"
            else seed_lines(panel.metrics[0], self.variations, curves, self.styles, self.sizes)
        )
        made = charts.lines_figure(panel, lines, view.window(panel))
        return {**made, "version": 0, "runs": [run.id for run in self.runs]}

    def first_paint(self, view: ChartView) -> dict[str, Drawn]:
        """The charts that a window shows at first, drawn here."""
        shown = self.panels[: max(3, min(24, LINES_DRAWN // max(1, len(self.styles))))]
        metrics = [panel.id for panel in shown]
        curves = series.of_runs(self._session, [run.id for run in self.runs], metrics)
        return {panel.id: drawn(panel, self.figure(panel, view, curves), view) for panel in shown}

    def legend(self, hidden: frozenset[str]) -> list[LegendLine]:
        """Every line with its mark."""
        return [
            LegendLine(key, style.label, mark_of(style), key in hidden) for key, style in self.styles.items()
        ]


def mark_of(style: Style) -> Markup:
    """The short line that stands for a run or variation."""
    trace = {"meta": {"colour": style.colour, "shade": style.shade}, "line": {"dash": style.dash}}
    return swatch(trace)
