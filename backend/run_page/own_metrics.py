"""The newest values of what a script logs under names of its own, for the head of its run's page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from backend.domain.metrics import METRICS, Metric, Unit, metric
from backend.kit.format import count, percent, significant, size
from backend.run_view.views import MetricView, RunView

SHOWN = 5
_TEXT: Mapping[Unit, Callable[[float | None], str]] = {
    "share": percent,
    "bytes": size,
    "number": significant,
}
_RANKS = {each.name: rank for rank, each in enumerate(METRICS)}


@dataclass(frozen=True)
class OwnMetric:
    """A metric as the head shows it: its newest value, and below it the step and its range."""

    title: str
    text: str
    note: str


def own_metrics(run: RunView) -> Sequence[OwnMetric]:
    """The metrics of a run with the newest points, first those that the lab knows, then by name; what was
    sampled of the machine is left out."""
    known = [each for each in map(metric, run.metrics) if each.charted and not each.is_of_system]

    def rank(each: Metric) -> tuple[bool, int, int, str]:
        is_foreign = each.name not in _RANKS
        return is_foreign, _RANKS.get(each.name, 0), -run.metrics[each.name].step, each.name

    return [_shown(each, run.metrics[each.name]) for each in sorted(known, key=rank)[:SHOWN]]


def _shown(known: Metric, found: MetricView) -> OwnMetric:
    return OwnMetric(
        known.title, _TEXT[known.unit](found.last), f"step {count(found.step)}{_range(known, found)}"
    )


def _range(known: Metric, found: MetricView) -> str:
    """The best value where one direction is good, else the least and the greatest."""
    if found.min is None or found.max is None or found.min == found.max:
        return ""
    text = _TEXT[known.unit]
    if known.better:
        best = found.max if known.better == "higher" else found.min
        return f" · best {text(best)}"
    return f" · {text(found.min)} to {text(found.max)}"
