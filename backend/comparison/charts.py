"""The charts of a comparison: one per metric, a line per run, or per variation with its seeds as a band."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from backend.charts import panels
from backend.charts.lines import SHADES, Clock, Line, Seeds, clock_of, seeds_label
from backend.charts.panels import Panel
from backend.comparison.service import SeedBand, Variation, differing, field_words, over_seeds, variations
from backend.domain.looks import look_of
from backend.domain.metrics.metric import SYSTEM
from backend.metrics.service import Curve
from backend.run_view.views import RunView

NAMED_FIELDS = 2  # in which runs of one name differ

Curves = Mapping[str, Mapping[str, Curve]]  # run id -> metric -> curve


@dataclass(frozen=True)
class Style:
    """How a run looks in every chart, and what it is called."""

    label: str
    colour: str
    shade: int = 0
    dash: str = "solid"


def panels_of(metrics: Iterable[str]) -> list[Panel]:
    """One chart per metric of the trainings, in the order and the sections of a run's page.

    What was sampled of their machines says nothing of what was learned.
    """
    return [
        panels.panel_of_one(metric, panel)
        for panel in panels.arranged(metrics)
        if panel.section != SYSTEM
        for metric in panel.metrics
    ]


def styles_of(found: Sequence[RunView]) -> dict[str, Style]:
    """Hue by variant, dash by seed, and a shade for each further variation of one variant."""
    names = Counter(run.name for run in found)
    shades = _shades(variations(found))
    labels = {
        run_id: label
        for name, times in names.items()
        for run_id, label in _labels([run for run in found if run.name == name], times).items()
    }
    made = {}
    for run in found:
        label = labels[run.id]
        look = look_of(run.variant)
        made[run.id] = Style(label, look.hue, shades[run.id], look.dash(run.seed or 0))
    return made


def _labels(namesakes: Sequence[RunView], times: int) -> dict[str, str]:
    """Run id -> its name; of several of that name also the first fields in which they differ, or a part of
    its id where these do not tell all of them apart."""
    if times == 1:
        return {run.id: run.name for run in namesakes}
    rows = differing(namesakes)[:NAMED_FIELDS]
    labels = {}
    for run in namesakes:
        labels[run.id] = " · ".join([run.name, *(field_words(row, run.id) for row in rows)])
    told = Counter(labels.values())
    return {run_id: text if told[text] == 1 else f"{text} · {run_id[:4]}" for run_id, text in labels.items()}


def styles_over_seeds(found: Sequence[Variation]) -> dict[str, Style]:
    """The same for variations, whose seeds are one line; those that have recorded nothing do not count.

    No seed needs dashes here, so they tell the lines apart without colour, in the order of the paper's.
    """
    shades = _shades(found)
    made = {}
    for place, each in enumerate(found):
        recorded = sum(bool(run.metrics or run.results) for run in each.runs)
        look, label = look_of(each.variant), seeds_label(each.label, recorded, len(each.runs))
        made[each.key] = Style(label, look.hue, shades[each.key], look.dash(place))
    return made


def _shades(found: Sequence[Variation]) -> dict[str, int]:
    """Run id -> shade: the variations of one variant from its hue towards the ink."""
    seen: Counter[str] = Counter()
    shades: dict[str, int] = {}
    for variation in found:
        shades |= {run.id: seen[variation.variant] % SHADES for run in variation.members}
        seen[variation.variant] += 1
    return shades


def run_lines(
    metric: str,
    found: Sequence[RunView],
    curves: Curves,
    styles: Mapping[str, Style],
    sizes: Mapping[str, int],
) -> list[Line]:
    """One line per run that has the metric."""
    return [
        _line(run, metric, styles[run.id], curves[run.id][metric], clock_of(run, sizes))
        for run in found
        if metric in curves[run.id]
    ]


def seed_lines(
    metric: str,
    found: Sequence[Variation],
    curves: Curves,
    styles: Mapping[str, Style],
    sizes: Mapping[str, int],
) -> list[Line]:
    """One line per variation: the mean of its seeds, and their range."""
    lines = []
    for variation in found:
        having = [run for run in variation.runs if metric in curves[run.id]]
        members = [curves[run.id][metric] for run in having]
        if not members:
            continue
        first = having[0]
        of = len(variation.runs)
        label = seeds_label(variation.label, len(members), of)
        clock, style = clock_of(first, sizes), replace(styles[variation.key], label=label)
        if len(members) == 1:
            line = _line(first, metric, style, members[0], clock, variation.key)
            seeds = Seeds(variation.label, of, (0,), (1,)) if of > 1 else None
            lines.append(replace(line, seeds=seeds))
            continue
        made = over_seeds(members, [run.started_at or run.created_at for run in having])
        line = _line(first, metric, style, made.mean, clock, variation.key)
        seeds = _seeds(variation.label, of, made)
        lines.append(replace(line, band=(made.low, made.high), seeds=seeds))
    return lines


def _seeds(label: str, of: int, band: SeedBand) -> Seeds:
    """How many seeds the mean is of, where that changes."""
    changes = np.flatnonzero(np.diff(band.numbers, prepend=0))
    steps, numbers = band.mean.steps[changes].tolist(), band.numbers[changes].tolist()
    return Seeds(label, of, tuple(steps), tuple(numbers))


def _line(run: RunView, metric: str, style: Style, curve: Curve, clock: Clock, key: str = "") -> Line:
    return Line(
        key=key or run.id,
        run=run.id,
        metric=metric,
        name=style.label,
        colour=style.colour,
        curve=curve,
        clock=clock,
        shade=style.shade,
        dash=style.dash,
    )
