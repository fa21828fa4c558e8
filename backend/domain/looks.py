"""How a variant looks wherever it is shown: the hue, the marker and the dashes of its runs.

An encoder's look follows from its place among the encoders, so nobody chooses one and none changes when
another is added. There are fewer hues than there may be encoders: beyond them a hue comes back with another
marker and with dashes of its own, so that colour is never what alone tells two variants apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backend.domain.experiment.encoders import ENCODERS

# Names in tokens.css (Okabe-Ito, then two that stay apart from it), in the order in which encoders get them.
HUES = ("series-1", "series-2", "series-4", "series-3", "series-5", "series-6", "series-8", "series-9")
INK, GREY = "series-7", "variant-external"
# Names in tables.css. One more than hues, with no factor in common: no two of 72 encoders look alike.
MARKERS = ("square", "triangle", "diamond", "circle", "bars", "pentagon", "cross", "down", "hourglass")
# By seed, or by line where seeds are averaged; in CSS pixels, as both Plotly and SVG read them.
DASHES = ("solid", "9px,9px", "3px,3px", "9px,3px,3px,3px", "15px,15px")
STROKES = (24, 16, 11, 7, 4)  # the same where a hue comes back: a stroke, then points


@dataclass(frozen=True)
class Look:
    """The look of a variant; `turn` counts how often its hue was given before."""

    hue: str
    marker: str
    turn: int = 0

    def dash(self, number: int = 0) -> str:
        """Plotly's dash of a seed's line, or of the mean at this place: `solid`, or lengths that SVG takes as
        well."""
        at = number % len(DASHES)
        return f"{STROKES[at]}px,3px" + ",1px,3px" * (self.turn + 1) if self.turn else DASHES[at]


def look_at(place: int) -> Look:
    """The look of the encoder at this place, counted from 0."""
    return Look(HUES[place % len(HUES)], MARKERS[place % len(MARKERS)], place // len(HUES))


LOOKS: Mapping[str, Look] = {
    **{kind: look_at(place) for place, kind in enumerate(ENCODERS)},
    "etrm": look_at(0),  # as a kind of model, in the form
    "trm": Look(INK, "square"),
    "": Look(GREY, "hollow"),  # a run of somebody's own script
}
_UNKNOWN = Look(GREY, "square")


def look_of(variant: str) -> Look:
    """The look of a run's variant; grey where this version has no such variant."""
    return LOOKS.get(variant, _UNKNOWN)
