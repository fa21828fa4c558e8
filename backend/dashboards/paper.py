"""All of a dashboard for a paper, as one archive: figures with their data, tables, and what they rest on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from typing import cast, get_args

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from backend.charts.view import ChartView
from backend.dashboards import service as dashboards
from backend.dashboards.panel_csv import as_csv
from backend.dashboards.panels import Panels, panels_of
from backend.dashboards.paper_figures import figure_of, table_of
from backend.dashboards.service import DashboardView
from backend.db.session import reading_scope
from backend.domain.dashboards import AnyPanel, Content, ProsePanel, TablePanel
from backend.kit.boundary import Broken, shielded
from backend.kit.clock import to_the_minute
from backend.kit.exports.figures import Figure, archive, check_installed, figure_file, file_stem
from backend.kit.exports.table_files import File, LongFile, check
from backend.kit.exports.typeset import ENDINGS, MEDIA_TYPES, Typesetting, typeset
from backend.run_view.views import RunView
from backend.runs import provenance

Opened = Callable[[Session], DashboardView]  # finds the dashboard that may be shown
TYPESETTINGS: tuple[Typesetting, ...] = ("latex", "typst", "markdown")
HOW = """## To draw the figures again

`python redraw.py` needs Python 3.10, matplotlib and the CSV files beside it, and writes `figures/` again:
each figure as PDF and SVG, 3.5 and 7 inches wide. `figures.csv` has the titles of the axes (`x_title`,
`y_title`), their ends (where `y_scale` is `log`, exponents of ten) and notes, `lines.csv` names and looks,
`data/` the numbers. Fonts are embedded in the PDF files; letters in SVG files are paths.

Curves: faint, as recorded; strong, the moving average of the page, which looks back only; band, least to
greatest of the seeds. Smoothing 0 gives figures without an average. Long curves are thinned so that every
extreme stays; `etrm run curves RUN` writes all points.
"""


def paper(engine: Engine, name: str, content: Content, view: ChartView) -> LongFile:
    """The archive of a dashboard, or of what one would show. Memory holds one panel at a time.

    Unavailable, at once, without matplotlib.
    """
    check_installed()
    contents = _Paper(engine, name, content, view)
    parts = archive(contents.parts(), lambda problems: [contents.readme(problems)])
    return LongFile(f"{file_stem(name)}-paper.zip", "application/zip", parts)


def panel_figure_file(
    engine: Engine, opened: Opened, panel_id: str, view: ChartView, width: str, as_: str
) -> File:
    """A panel as a figure; it is drawn once the database is read."""
    with reading_scope(engine) as session:
        dashboard = opened(session)
        figure = figure_of(panels_of(session, dashboard.content), dashboard.panel(panel_id), view)
    return figure_file(figure, width, as_)


def panel_table_file(engine: Engine, opened: Opened, panel_id: str, as_: str) -> File:
    """A panel as a typeset table."""
    check("format", as_, get_args(Typesetting))
    with reading_scope(engine) as session:
        dashboard = opened(session)
        panels = panels_of(session, dashboard.content)
        return _table_file(panels, dashboard.panel(panel_id), cast(Typesetting, as_))


def _table_file(panels: Panels, panel: AnyPanel, as_: Typesetting) -> File:
    """A table of a dashboard in one typesetting."""
    source = typeset(table_of(panels, panel), as_)
    return File(f"{panel.id}.{ENDINGS[as_]}", MEDIA_TYPES[as_], source.encode())


class _Paper:
    def __init__(self, engine: Engine, name: str, content: Content, view: ChartView) -> None:
        self.engine, self.name, self.content, self.view = engine, name, content, view
        self.listed: list[str] = []  # what the archive holds, in words
        self.problems: list[str] = []  # and what it does not

    def parts(self) -> Iterator[Figure | File]:
        """Panel by panel what there is of it; each is read when its turn comes."""
        for panel in self.content.panels:
            title = panel.title or panel.id
            parts = shielded(f"panel {title!r}", partial(self._of_panel, panel))
            if isinstance(parts, Broken):
                self.problems.append(f"{title}: {parts.text}")
            else:
                yield from parts

    def _of_panel(self, panel: AnyPanel) -> Sequence[Figure | File]:
        if isinstance(panel, ProsePanel):
            self.listed.append(f"`text/{panel.id}.md`")
            return [File(f"text/{panel.id}.md", "text/markdown", f"{panel.text}\n".encode())]
        with reading_scope(self.engine) as session:
            panels = panels_of(session, self.content)
            if not isinstance(panel, TablePanel):
                figure = figure_of(panels, panel, self.view)
                note = f": {figure.note}" if figure.note else ""
                self.listed.append(f"`figures/{panel.id}-…`, `data/{panel.id}.csv`, {figure.title}{note}")
                return [figure]
            files = [_table_file(panels, panel, as_) for as_ in TYPESETTINGS]
            shown = panels.shown(panel, self.view)
        files.append(File(f"{panel.id}.csv", "text/csv", as_csv(shown).encode()))
        basis = f": {shown.basis}" if shown.basis else ""
        endings = ", ".join(f".{file.name.rpartition('.')[2]}" for file in files)
        self.listed.append(f"`tables/{panel.id}` ({endings}), {panel.title or panel.table}{basis}")
        return [replace(file, name=f"tables/{file.name}") for file in files]

    def readme(self, problems: Sequence[str]) -> File:
        """What is in the archive, of which runs, measured how, by which code, and what is missing."""
        with reading_scope(self.engine) as session:
            runs = dashboards.runs_of(session, self.content.source)
            codes = provenance.newest_of(session, [run.id for run in runs])
        of_code = {run_id: record.code_name for run_id, record in codes.items()}
        missing = [*self.problems, *problems]
        lines = [
            f"# {_one_line(self.name)}",
            "",
            f"Made with ETRM Lab {version('etrm-lab')}. Curves are smoothed by {self.view.smoothing:g}, the "
            "decay of the average per point.",
            "",
            "## Runs",
            "",
            "| Run | Name | Encoder | Seed | Status | Started | Code |",
            "|---|---|---|---|---|---|---|",
            *(_run_line(run, of_code.get(run.id, "not recorded")) for run in runs),
            "",
            "## Files",
            "",
            *(f"- {_one_line(text)}" for text in self.listed),
            "",
            *(["## Left out", "", *(f"- {_one_line(text)}" for text in missing), ""] if missing else []),
        ]
        return File("README.md", "text/markdown", "\n".join([*lines, HOW]).encode())


def _run_line(run: RunView, code: str) -> str:
    seed = "" if run.seed is None else str(run.seed)
    started = to_the_minute(run.started_at or run.created_at)
    cells = (run.id, run.name, run.variant, seed, str(run.status), started, code)
    return f"| {' | '.join(_one_line(cell).replace('|', '¦') for cell in cells)} |"


def _one_line(text: str) -> str:
    return " ".join(text.split())
