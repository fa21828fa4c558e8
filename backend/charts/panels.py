"""Which metrics stand together in one chart, in the order and the sections of the registry."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from backend.domain.metrics import GROUPS, METRICS, Group, Metric, Section, Unit, metric
from backend.kit.errors import InvalidInput
from backend.kit.expressions import Expression
from backend.metrics.expressions import bound, metrics_of


@dataclass(frozen=True)
class Panel:
    """One chart, and the names of the metrics in it."""

    id: str
    section: Section | Literal["Expressions"]
    title: str
    metrics: tuple[str, ...]
    axis: Unit  # how the axis counts
    about: str
    log: bool = False
    expression: Expression | None = None  # then `metrics` has its text

    @property
    def operands(self) -> Sequence[str]:
        """The metrics that its expression is made of; none without one."""
        return metrics_of([self.expression]) if self.expression else ()

    @property
    def axis_title(self) -> str:
        """The metric's title with its unit, the group's, or the expression; whatever the chart is called."""
        if self.expression:
            return self.metrics[0]
        title = metric(self.metrics[0]).title if len(self.metrics) == 1 else self.title
        return title + {"share": " (%)", "bytes": " (bytes)"}.get(self.axis, "")


UNDEFINED = "division by zero, or the logarithm of zero or less"
ABOUT_EXPRESSIONS = (
    "Computed from metrics of the same run, at every step that all of them have, before the curve is "
    f"thinned. Undefined, and so NaN: {UNDEFINED}."
)
_GROUPS = {group.id: group for group in GROUPS}


def arranged(names: Iterable[str]) -> list[Panel]:
    """The panels that have something to show; what is not registered stands in panels by its folder."""
    shown = [each for each in map(metric, names) if each.charted]
    panels: dict[str, list[Metric]] = {id_: [] for id_ in dict.fromkeys(map(_panel_id, METRICS))}
    for each in sorted(shown, key=_rank):
        panels.setdefault(_panel_id(each), []).append(each)
    return [_panel(panel_id, members) for panel_id, members in panels.items() if members]


def panel_of(names: Iterable[str], panel_id: str) -> Panel | None:
    """The panel called `panel_id` among those that `names` give."""
    return next((panel for panel in arranged(names) if panel.id == panel_id), None)


def panel_of_one(name: str, panel: Panel) -> Panel:
    """A metric of `panel` in a chart of its own, under its own name."""
    own = metric(name)
    foreign = panel.title if len(panel.metrics) == 1 else f"{panel.title}: {own.short}"
    title = own.title if own.panel or name in _RANKS else foreign
    return Panel(name, panel.section, title, (name,), own.unit, own.about, panel.log)


def of_expression(text: str, expression: Expression) -> Panel:
    """An expression in a chart of its own."""
    id_ = f"expression-{sha256(text.encode()).hexdigest()[:12]}"
    return Panel(id_, "Expressions", text, (text,), "number", ABOUT_EXPRESSIONS, expression=expression)


def of_texts(
    asked: Iterable[str], known: Collection[str], lacking: str
) -> tuple[list[Panel], dict[str, str]]:
    """The panels of expressions, and what is wrong with those of which there is none: text -> why. A plain
    name has a panel already."""
    made: list[Panel] = []
    refused: dict[str, str] = {}
    for text in dict.fromkeys(map(str.strip, asked)):
        if not text or text in known:
            continue
        try:
            made.append(of_expression(text, bound(text, known, lacking)))
        except InvalidInput as error:
            refused[text] = f"{error.problems[0].message} {error.problems[0].hint}".rstrip()
    return made, refused


def expressions_of(shown: Iterable[Panel]) -> Mapping[str, Expression]:
    """Text -> expression of the panels that have one."""
    return {panel.metrics[0]: panel.expression for panel in shown if panel.expression}


def title_of(name: str) -> str:
    """How a metric is called inside its panel."""
    return metric(name).short


_RANKS = {each.name: rank for rank, each in enumerate(METRICS)}


def _rank(each: Metric) -> int:
    """Its place in the registry; after it what is not registered, as it came."""
    return _RANKS.get(each.name, len(_RANKS))


def _panel_id(each: Metric) -> str:
    if each.panel or each.name in _RANKS:
        return each.panel or each.name
    by_prefix = (group.id for group in GROUPS if group.prefix and each.name.startswith(group.prefix))
    return next(by_prefix, f"other-{each.name.rpartition('/')[0] or each.name}")


def _panel(panel_id: str, members: Sequence[Metric]) -> Panel:
    first, names = members[0], tuple(dict.fromkeys(each.name for each in members))
    group = _GROUPS.get(panel_id)
    if group is None and (first.panel or first.name in _RANKS):
        return Panel(panel_id, first.section, first.title, names, first.unit, first.about, first.log)
    if group is None:
        return Panel(panel_id, "Other", panel_id.removeprefix("other-"), names, first.unit, first.about)
    return Panel(panel_id, group.section, group.title, names, first.unit, _about(group, members), group.log)


def _about(group: Group, members: Sequence[Metric]) -> str:
    """What the lines have in common, then what each is."""
    each_own = (f"{each.short[0].upper()}{each.short[1:]}: {each.about}" for each in members if each.about)
    return " ".join([*filter(None, [group.about]), *each_own])
