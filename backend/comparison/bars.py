"""One number per variation as bars with their intervals, drawn by the server."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from backend.charts.paper import hex_colour
from backend.charts.static_chart import paint
from backend.comparison.replicates import common_protocol, results_of
from backend.comparison.service import Variation
from backend.domain.looks import look_of
from backend.domain.metrics import metric
from backend.domain.statistics import mean_of_shares
from backend.kit.exports.figures import Axes, Figure, Look
from backend.kit.format import percent, solved
from backend.run_view.views import ResultView

ROW = 34  # pixels
LABEL = 210
FIGURE_HEAD = ("line", "value", "low", "high", "basis")


@dataclass(frozen=True)
class Bar:
    """A share with its interval (None: one value alone), and what it rests on, in words."""

    label: str
    colour: str
    value: float
    low: float | None
    high: float | None
    basis: str
    runs: tuple[str, ...]


def bars_of(found: Sequence[Variation], measure: str) -> list[Bar]:
    """The measure of each variation that has it: pass@k of held-out results by the protocol that most
    runs share, or the last of a metric."""
    if measure.startswith("pass@"):
        protocol = common_protocol([run for each in found for run in each.runs])
        made = [_pass(each, results_of(each, protocol), int(measure[5:])) for each in found]
    else:
        made = [_metric(each, measure) for each in found]
    return [bar for bar in made if bar]


def bars_figure(name: str, title: str, measure: str, bars: Sequence[Bar], note: str) -> Figure:
    """The bars as a figure for a paper."""
    known = "" if measure.startswith("pass@") else metric(measure).title
    looks = [Look(str(at), bar.label, hex_colour(bar.colour), at) for at, bar in enumerate(bars)]
    data = [
        (look.key, bar.value, bar.low, bar.high, bar.basis) for look, bar in zip(looks, bars, strict=True)
    ]
    runs = ", ".join(dict.fromkeys(run for bar in bars for run in bar.runs))
    axes = Axes(f"{known or measure} (%)", (0.0, 1.0), unit="share")
    return Figure(name, title, "bars", axes, looks, FIGURE_HEAD, data, note, f"Runs: {runs}")


def _pass(variation: Variation, results: Mapping[str, ResultView], k: int) -> Bar | None:
    """One seed: its Wilson interval. Several: the mean of their shares with its own."""
    scores = [
        (run_id, score) for run_id, result in results.items() if (score := result.pass_at(k)) and score.n
    ]
    if not scores:
        return None
    asked = sum(score.n for _, score in scores)
    mean = mean_of_shares([score.solved / score.n for _, score in scores], max(s.n for _, s in scores))
    assert mean
    low, high = (scores[0][1].low, scores[0][1].high) if mean.n == 1 else (mean.low, mean.high)
    tasks = f"{solved(sum(s.solved for _, s in scores))}/{asked}"
    of = len(variation.runs)
    basis = tasks if of == 1 else f"{tasks}, {_seeds(mean.n, of)}"
    return _bar(variation, mean.mean, low, high, basis, [run for run, _ in scores])


def _metric(variation: Variation, name: str) -> Bar | None:
    last = [
        (run.id, view.last)
        for run in variation.runs
        if (view := run.metrics.get(name)) and view.last is not None
    ]
    mean = mean_of_shares([value for _, value in last])
    if mean is None:
        return None
    of = len(variation.runs)
    basis = "1 run" if of == 1 else _seeds(mean.n, of)
    return _bar(variation, mean.mean, mean.low, mean.high, basis, [run for run, _ in last])


def _seeds(n: int, of: int) -> str:
    return f"{n} of {of} seeds" if n < of else f"{of} seeds"


def _bar(
    variation: Variation, value: float, low: float | None, high: float | None, basis: str, runs: Sequence[str]
) -> Bar:
    return Bar(variation.label, look_of(variation.variant).hue, value, low, high, basis, tuple(runs))


def whiskers(bars: Sequence[Bar]) -> str:
    """What the whiskers are, as it stands beneath the bars; empty without any."""
    return " Whiskers: 95 % interval." if any(bar.low is not None for bar in bars) else ""


def bars_svg(bars: Sequence[Bar], title: str) -> Markup:
    """The bars on a scale from 0 to 100 %, each with its value and basis in words."""
    height = ROW * len(bars) + 24
    parts = [f'<svg class="bars" role="img" aria-label="{escape(title)}" width="100%" height="{height}">']
    scale = f'<svg class="bars-scale" x="{LABEL}" width="calc(100% - {LABEL + 22}px)" height="{height}">'
    inner = [scale]
    for share in (0, 25, 50, 75, 100):
        inner.append(f'<line class="grid" x1="{share}%" x2="{share}%" y1="0" y2="{height - 20}"/>')
        if share % 50 == 0:  # all five would not fit a phone
            inner.append(f'<text class="x" x="{share}%" y="{height - 6}">{share}%</text>')
    for at, bar in enumerate(bars):
        top = at * ROW
        label = bar.label if len(bar.label) <= 30 else f"{bar.label[:29]}…"
        parts.append(f'<text class="y" x="{LABEL - 8}" y="{top + 14}">{escape(label)}</text>')
        said = f"{percent(bar.value)} · {escape(bar.basis)}"
        parts.append(f'<text class="basis" x="{LABEL - 8}" y="{top + 28}">{said}</text>')
        width = max(0.0, min(100.0, 100 * bar.value)) if math.isfinite(bar.value) else 0.0
        inner.append(
            f'<rect x="0" y="{top + 6}" height="18" width="{width:.2f}%" style="fill:{paint(bar.colour)}"/>'
        )
        if bar.low is not None and bar.high is not None:
            low, high = (max(0.0, min(100.0, 100 * each)) for each in (bar.low, bar.high))
            inner += [  # the first keeps the second apart from a bar of its own colour
                f'<line class="{name}" x1="{low:.2f}%" x2="{high:.2f}%" y1="{top + 15}" y2="{top + 15}"/>'
                for name in ("whisker-rim", "whisker")
            ]
    return Markup("".join([*parts, *inner, "</svg></svg>"]))
