"""Charts drawn before. A chart is drawn once for as long as nothing that it is drawn from has changed.

Who asks gives all of that as a key: the version of each run's series, the window, the colours. So there is
nothing to invalidate: new points mean a new version, hence another key, and what is old falls out by age.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from functools import cached_property
from threading import Lock

from sqlalchemy.orm import Session

from backend.charts.figures import Figure
from backend.charts.panels import Panel
from backend.charts.view import ChartView, drawn
from backend.web.drawn import Drawn

MAX_NUMBERS = 2_000_000  # in all kept figures: some 60 MB as Python's lists, a fifth of that as JSON


class Chart:
    """A figure in both forms that pages need, each made when first asked for."""

    def __init__(self, panel: Panel, figure: Figure, view: ChartView) -> None:
        self._panel, self._view = panel, view
        self._figure: Figure | None = figure
        self.numbers = sum(len(trace["x"]) + len(trace["y"]) for trace in figure["data"])

    @cached_property
    def drawn(self) -> Drawn:
        """As the first paint shows it."""
        return drawn(self._panel, self._whole(), self._view)

    @cached_property
    def json(self) -> bytes:
        """As Plotly gets it."""
        return json.dumps(self._whole(), ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()

    def _whole(self) -> Figure:
        assert self._figure is not None, "given up before both forms were made"
        return self._figure

    def slim(self) -> None:
        """Give up the figure once both forms are there: they take a fifth of its memory."""
        if {"drawn", "json"} <= self.__dict__.keys():
            self._figure = None


class Kept:
    """The charts used last, by what they are drawn from."""

    def __init__(self, most_numbers: int = MAX_NUMBERS) -> None:
        self._most = most_numbers
        self._charts: OrderedDict[Hashable, Chart] = OrderedDict()
        self._numbers = 0
        self._lock = Lock()

    def get(self, key: Hashable) -> Chart | None:
        """The chart of exactly this key."""
        with self._lock:
            if key in self._charts:
                self._charts.move_to_end(key)
            return self._charts.get(key)

    def keep(self, key: Hashable, chart: Chart) -> Chart:
        """Keep a chart, and let those go that were not asked for the longest. Returns the chart."""
        with self._lock:
            before = self._charts.pop(key, None)
            self._charts[key] = chart
            self._numbers += chart.numbers - (before.numbers if before else 0)
            while self._numbers > self._most and len(self._charts) > 1:
                _, oldest = self._charts.popitem(last=False)
                self._numbers -= oldest.numbers
        return chart


KEPT = Kept()  # of this process


def database_of(session: Session) -> Hashable:
    """What tells the session's database from others."""
    return session.get_bind().engine.url


def as_json(charts: Mapping[str, Chart]) -> bytes:
    """The figures of several panels by their ids."""
    parts = [json.dumps(panel).encode() + b":" + chart.json for panel, chart in charts.items()]
    for chart in charts.values():
        chart.slim()
    return b'{"figures":{' + b",".join(parts) + b"}}"
