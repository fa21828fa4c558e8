"""The panels of a dashboard as figures and tables for a paper."""

from __future__ import annotations

from backend.charts.view import ChartView
from backend.comparison import paper_tables
from backend.comparison import service as compare
from backend.comparison.bars import bars_figure
from backend.dashboards.panels import Panels, Shown, ShownGrid
from backend.domain.dashboards import AnyPanel, BarsPanel, CurvesPanel, GridsPanel, ScatterPanel, TablePanel
from backend.kit.errors import NotFound
from backend.kit.exports.figures import Axes, Figure
from backend.kit.exports.typeset import Row, Typeset
from backend.kit.format import NO_VALUE

GRIDS_HEAD = ("example", "part", "caption", "grid", "truth")
MAX_DEMONSTRATIONS = 4  # pairs of a task
NO_AXES = Axes("", (0.0, 1.0))
OF_SCATTER = "Save it as PNG or CSV on its dashboard."


def figure_of(panels: Panels, panel: AnyPanel, view: ChartView) -> Figure:
    """The panel as a figure; NotFound for one that is none, or that has nothing to show."""
    if isinstance(panel, ScatterPanel):
        raise NotFound(f"Panel {panel.id!r} is a scatter, which is not drawn for a paper.", OF_SCATTER)
    if not isinstance(panel, CurvesPanel | BarsPanel | GridsPanel):
        raise NotFound(f"Panel {panel.id!r} is not a figure.", "Export a table as LaTeX, Typst or Markdown.")
    if isinstance(panel, CurvesPanel):
        chart = panels.chart(panel) if panels.runs else None
        if chart is None:
            raise NotFound(f"No run has recorded {panel.metric} yet.")
        return panels.board(panel.by).paper_figure(panel.id, chart, view)
    shown = _shown(panels, panel)
    if isinstance(panel, BarsPanel):
        title = panel.title or panel.measure
        return bars_figure(panel.id, title, panel.measure, shown.bars, shown.basis)
    return _grids(shown, panel)


def table_of(panels: Panels, panel: AnyPanel) -> Typeset:
    """The panel as a typeset table; NotFound for one that is none, or that has nothing to show."""
    if not isinstance(panel, TablePanel):
        hint = OF_SCATTER if isinstance(panel, ScatterPanel) else "Export a figure as PDF or SVG."
        raise NotFound(f"Panel {panel.id!r} is not a table.", hint)
    if panel.table == "published":
        return paper_tables.published_results()
    shown = _shown(panels, panel)
    if panel.table == "results":
        return paper_tables.results(panels.board(panel.by), panel.at, published=False)
    if panel.table == "significance":
        code = compare.warning_of_code(panels.session, [run.id for run in panels.runs])
        return paper_tables.significance_over_seeds(shown.pairs, shown.base, 1, code)
    subject = "Configuration" if panel.by == "seed" else "Run"
    return _encoder(shown, subject) if panel.table == "encoder" else _config(shown)


def _shown(panels: Panels, panel: AnyPanel) -> Shown:
    shown = panels.shown(panel, ChartView())
    if shown.problem or shown.nothing:
        raise NotFound(shown.problem or shown.nothing)
    return shown


def _encoder(shown: Shown, subject: str) -> Typeset:
    titles, lines = shown.encoder
    rows: list[Row] = []
    for line in lines:
        readings = (line.measures.get(title) for title in titles)
        cells = (f"{reading.text}, {reading.word}" if reading else NO_VALUE for reading in readings)
        rows.append((line.label, line.learning_words, line.words, *cells))
    head = (subject, "Learning", "Encoder", *titles)
    remarks = [f"{title}: {about}" for title, about in titles.items()]
    return Typeset("encoder", "Encoder health, with the range over seeds.", head, [rows], {}, remarks)


def _config(shown: Shown) -> Typeset:
    rows = [
        (row.path, *(row.values.get(column.key, NO_VALUE) for column in shown.columns))
        for row in shown.config
    ]
    head = ("Field", *(column.label for column in shown.columns))
    return Typeset("config", "What differs between the configs.", head, [rows], {})


def _grids(shown: Shown, panel: GridsPanel) -> Figure:
    """Each example with its demonstrations, the test input, the truth and the answers."""
    data = []
    for example in shown.examples:
        parts = {
            "demonstrations": example.demonstrations[: 2 * MAX_DEMONSTRATIONS],
            "test": example.grids,
        }
        data += [_grid(example.title, part, grid) for part, grids in parts.items() for grid in grids]
    note = f"{shown.basis} A white corner marks a cell that differs from the truth."
    runs = f"Runs: {', '.join(shown.runs)}"
    title = panel.title or "Predictions"
    return Figure(panel.id, title, "grids", NO_AXES, (), GRIDS_HEAD, data, note, runs)


def _grid(title: str, part: str, grid: ShownGrid) -> tuple[str, ...]:
    return title, part, grid.caption, grid.digits, grid.truth
