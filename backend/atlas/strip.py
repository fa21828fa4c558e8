"""The strip above the slider: how far apart the contexts of each run are at each step."""

from __future__ import annotations

import math

from markupsafe import Markup

from backend.atlas.drawing import health_of, hue
from backend.atlas.service import Atlas

WIDTH, HEIGHT = 1000, 100
DECADES = 5  # below 1


def strip(atlas: Atlas) -> Markup:
    """A line for each run over the bands of the verdict: logarithmic, and by steps as the slider is."""
    config = health_of(atlas)
    near, collapsed = _height(config.thin_variance), _height(config.least_variance)
    places = {step: at for at, step in enumerate(atlas.steps)}
    last = max(1, len(places) - 1)
    lines = [
        f'<polyline class="course {hue(at) if len(atlas.courses) > 1 else "k1"}" points="'
        + " ".join(
            f"{WIDTH * places[moment.step] / last:.1f},{_height(moment.spread):.1f}"
            for moment in course.moments
        )
        + '"/>'
        for at, course in enumerate(atlas.courses)
    ]
    shaded = [
        f'<rect class="is-near" y="{near:.1f}" width="{WIDTH}" height="{max(0.0, collapsed - near):.1f}"/>',
        f'<rect class="is-collapsed" y="{collapsed:.1f}" width="{WIDTH}" height="{HEIGHT - collapsed:.1f}"/>',
    ]
    now = f'<line id="atlas-now" class="now" y2="{HEIGHT}"/>'
    inside = "".join([*shaded, *lines, now])
    names = [  # outside the drawing, which is stretched
        f'<span style="top:{middle:.1f}%">{words}</span>'
        for words, middle in (
            ("near collapse", (near + collapsed) / 2),
            ("collapsed", (collapsed + HEIGHT) / 2),
        )
    ]
    drawing = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none">{inside}</svg>'
    return Markup(drawing + "".join(names))


def _height(spread: float) -> float:
    """How far below the top a scale-free variance is; 0 is at the bottom."""
    decades = -math.log10(max(spread, 10.0**-DECADES))
    return HEIGHT * min(1.0, max(0.0, decades / DECADES))
