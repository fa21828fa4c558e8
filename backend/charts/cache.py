"""Charts drawn before. A chart is drawn once for as long as nothing that it is drawn from has changed.

Who asks says which chart it is, and gives all that it is drawn from: the version of each run's series, the
clocks, the colours. So there is nothing to invalidate: new points mean a new version, and a chart of another
version is drawn again, in the place of the old one. What was not asked for the longest falls out.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from functools import cached_property, partial
from threading import Lock
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from backend.charts.figures import Figure
from backend.charts.panels import Panel
from backend.charts.view import ChartView, drawn
from backend.kit.boundary import Broken, shielded
from backend.kit.fast_json import dumped
from backend.web.drawn import Drawn

Curves = Mapping[str, Any]  # by metric; of several runs by run
Part = TypeVar("Part")

MAX_NUMBERS = 2_000_000  # in all kept figures: some 60 MB as Python's lists, a fifth of that as JSON


class Chart:
    """A figure in both forms that pages need, each made when first asked for; or why there is none."""

    def __init__(self, panel: Panel, figure: Figure | Broken, view: ChartView) -> None:
        self._panel, self._view = panel, view
        self._figure: Figure | Broken | None = figure
        traces = [] if isinstance(figure, Broken) else figure["data"]
        self.numbers = sum(len(trace["x"]) + len(trace["y"]) for trace in traces)

    @cached_property
    def drawn(self) -> Drawn:
        """As the first paint shows it."""
        figure = self._whole()
        made = figure if isinstance(figure, Broken) else self._shielded(lambda: self._drawn(figure))
        return Drawn(problem=made.text) if isinstance(made, Broken) else made

    @cached_property
    def json(self) -> bytes:
        """As Plotly gets it; `{"problem": text}` where there is none."""
        figure = self._whole()
        made = figure if isinstance(figure, Broken) else self._shielded(lambda: dumped(figure))
        return dumped({"problem": made.text}) if isinstance(made, Broken) else made

    def _drawn(self, figure: Figure) -> Drawn:
        return drawn(self._panel, figure, self._view)

    def _shielded(self, make: Callable[[], Part]) -> Part | Broken:
        return shielded(f"chart {self._panel.title!r}", make)

    def _whole(self) -> Figure | Broken:
        assert self._figure is not None, "given up before both forms were made"
        return self._figure

    def slim(self) -> None:
        """Give up the figure once both forms are there: they take a fifth of its memory."""
        if {"drawn", "json"} <= self.__dict__.keys():
            self._figure = None


class Kept:
    """The charts used last, each as it was drawn last."""

    def __init__(self, most_numbers: int = MAX_NUMBERS) -> None:
        self._most = most_numbers
        self._charts: OrderedDict[Hashable, tuple[Hashable, Chart]] = OrderedDict()
        self._numbers = 0
        self._lock = Lock()

    def get(self, key: Hashable, drawn_from: Hashable) -> Chart | None:
        """The chart of this key, if it was drawn from exactly this."""
        with self._lock:
            if key in self._charts:
                self._charts.move_to_end(key)
            before, chart = self._charts.get(key, (None, None))
            return chart if before == drawn_from else None

    def keep(self, key: Hashable, drawn_from: Hashable, chart: Chart) -> Chart:
        """Keep a chart in the place of what it was drawn from before, and let those go that were not asked
        for the longest. Returns the chart."""
        with self._lock:
            _, before = self._charts.pop(key, (None, None))
            self._charts[key] = drawn_from, chart
            self._numbers += chart.numbers - (before.numbers if before else 0)
            while self._numbers > self._most and len(self._charts) > 1:
                _, (_, oldest) = self._charts.popitem(last=False)
                self._numbers -= oldest.numbers
        return chart


KEPT = Kept()  # of this process


def charts_of(
    shown: Sequence[Panel],
    of: tuple[Hashable, ...],
    drawn_from: Hashable,
    view: ChartView,
    read: Callable[[Collection[str]], Curves],
    figure: Callable[[Panel, Curves], Figure],
) -> dict[str, Chart]:
    """Panel id -> its chart, drawn now or before. One that fails says so in its place.

    `of` tells these charts from others; with `view` and a panel it names one. `drawn_from` is all that may
    change about it. `read` gives the curves of some metrics; they are read at once, and chart by chart where
    that fails.
    """
    found = {panel.id: KEPT.get((*of, view, panel), drawn_from) for panel in shown}
    missing = [panel for panel in shown if found[panel.id] is None]
    names = list(dict.fromkeys(name for panel in missing for name in panel.metrics))
    together = shielded("the curves", lambda: read(names)) if names else None
    for panel in missing:
        made = shielded(f"chart {panel.title!r}", partial(_figure_of, panel, together, read, figure))
        chart = Chart(panel, made, view)
        is_broken = isinstance(made, Broken)
        found[panel.id] = chart if is_broken else KEPT.keep((*of, view, panel), drawn_from, chart)
    return {panel_id: chart for panel_id, chart in found.items() if chart}


def _figure_of(
    panel: Panel,
    together: Curves | Broken | None,
    read: Callable[[Collection[str]], Curves],
    figure: Callable[[Panel, Curves], Figure],
) -> Figure:
    if together is None or isinstance(together, Broken):
        return figure(panel, read(panel.metrics))
    return figure(panel, together)


def database_of(session: Session) -> Hashable:
    """What tells the session's database from others."""
    return session.get_bind().engine.url


def as_json(charts: Mapping[str, Chart]) -> bytes:
    """The figures of several panels by their ids."""
    parts = [dumped(panel) + b":" + chart.json for panel, chart in charts.items()]
    for chart in charts.values():
        chart.slim()
    return b'{"figures":{' + b",".join(parts) + b"}}"
