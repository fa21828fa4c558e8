"""What a page shows of a chart before Plotly is there, and the x axes to choose from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

AXES: Mapping[str, str] = {
    "step": "step",
    "samples": "samples",
    "epoch": "epoch",
    "time": "relative time",
    "wall": "wall time",
}


@dataclass(frozen=True)
class LegendEntry:
    """A line's mark, its name and its last value in words."""

    swatch: Markup
    name: str
    value: str


@dataclass(frozen=True)
class Drawn:
    """A chart as the first paint shows it."""

    still: Markup | str = ""
    legend: tuple[LegendEntry, ...] = ()
    notes: tuple[str, ...] = ()
    caption: str = ""  # what its lines and bands are
    log: bool = False
    problem: str = ""  # why there is no drawing


NOT_YET = Drawn()
