"""How the reader wants to see charts, as the address says it: x axis, smoothing, zoom, scales."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any

from fastapi import Depends, Query
from sqlalchemy.orm import Session

from backend.charts import figures as charts
from backend.charts.lines import Axis, Clock, Window, steps_shown
from backend.charts.panels import Panel
from backend.charts.static_chart import still, swatch
from backend.kit.expressions import Expression
from backend.kit.format import percent, significant, size
from backend.metrics import expressions
from backend.metrics import service as series
from backend.metrics.pyramid.buckets import Buckets
from backend.metrics.pyramid.queries import StepRange
from backend.metrics.service import Curve
from backend.web.drawn import Drawn, LegendEntry

SMOOTHING = 0.6
MAX_STILLS = 24  # of one page; charts further down are drawn once they are scrolled to


@dataclass(frozen=True)
class ChartView:
    """One board's settings; `toggled` names the panels whose scale is not their own."""

    axis: Axis = "step"
    smoothing: float = SMOOTHING
    low: float | None = None
    high: float | None = None
    toggled: frozenset[str] = frozenset()

    def window(self, panel: Panel) -> Window:
        """What of the panel's curves to draw."""
        return Window(self.low, self.high, self.smoothing, self.is_log(panel), self.axis)

    def is_log(self, panel: Panel) -> bool:
        """Whether the panel's values stand on a logarithmic axis."""
        return panel.log != (panel.id in self.toggled)


def chart_view(
    x: Axis = "step",
    smooth: Annotated[float, Query(ge=0, lt=1)] = SMOOTHING,
    low: Annotated[float | None, Query(alias="from", allow_inf_nan=False)] = None,
    high: Annotated[float | None, Query(alias="to", allow_inf_nan=False)] = None,
    log: Annotated[str, Query(max_length=4000)] = "",
) -> ChartView:
    """The view that an address asks for; a window that is upside down is turned over."""
    if low is not None and high is not None:
        low, high = min(low, high), max(low, high)
    return ChartView(x, smooth, low, high, frozenset(filter(None, log.split(","))))


View = Annotated[ChartView, Depends(chart_view)]
Expressions = Annotated[list[str] | None, Query(max_length=20, description="Expressions to chart.")]
PanelIds = Annotated[list[str], Query(alias="panel", min_length=1, max_length=100)]


def curves_of(
    session: Session,
    names: Collection[str],
    clocks: Mapping[str, Clock],
    view: ChartView,
    parsed: Mapping[str, Expression] = MappingProxyType({}),
) -> dict[str, dict[str, Curve]]:
    """Metrics of the runs that have `clocks`, by run and name, as finely as the view shows them. A name that
    is one of `parsed` is the text of that expression."""
    window = Window(view.low, view.high, axis=view.axis)

    def in_detail(run_id: str, buckets: Buckets) -> StepRange | None:
        return steps_shown(buckets, clocks[run_id], window)

    runs, plain = list(clocks), [name for name in names if name not in parsed]
    found = series.overview(session, runs, plain, charts.MAX_POINTS // 2, in_detail) if plain else {}
    made = expressions.of_runs(session, runs, {name: parsed[name] for name in names if name in parsed})
    return {run_id: {**found.get(run_id, {}), **made[run_id]} for run_id in runs}


def _last(panel: Panel, raw: charts.Figure, last_nan: Mapping[str, int]) -> str:
    """The newest value of a line: NaN where that came after the last number."""
    if last_nan.get(raw["meta"]["key"], -1) > next(iter(raw["x"][-1:]), -1):
        return "NaN"
    return valued(panel.axis, next(iter(raw["y"][-1:]), None))


def drawn(panel: Panel, figure: charts.Figure, view: ChartView) -> Drawn:
    """The figure drawn here, with its legend and what the lines do not show."""
    lines = [trace for trace in figure["data"] if trace["meta"].get("role") == "smooth"]
    raws = {t["meta"]["key"]: t for t in figure["data"] if t["meta"].get("role") == "raw"}
    legend = [
        LegendEntry(
            swatch(line),
            line["name"],
            _last(panel, raws[line["meta"]["key"]], figure["notes"]["last_nan"]),
        )
        for line in lines
    ]
    notes = figure["notes"]
    said = (
        (notes["nan"], "× {} NaN"),
        (notes["off_scale"], "↕ {} off the scale"),
        (notes["not_positive"], "▿ {} not positive"),
        (notes["undefined"], "÷ {} undefined"),
    )
    return Drawn(
        still=still(figure, view.axis),
        legend=tuple(legend),
        notes=tuple(text.format(number) for number, text in said if number),
        caption=figure["caption"],
        log=view.is_log(panel),
    )


def valued(axis: str, value: Any) -> str:
    """A metric's value as its axis counts it."""
    if axis == "share":
        return percent(value)
    return size(value) if axis == "bytes" else significant(value)
