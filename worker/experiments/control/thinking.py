"""The part of the report on thinking longer: what each method solves for its compute."""

from __future__ import annotations

from collections.abc import Sequence

from worker.experiments.control import wording
from worker.experiments.control.bars import pairs_of
from worker.experiments.control.chart import Line, draw
from worker.experiments.control.document import Figure, Section
from worker.experiments.control.methods import Method
from worker.experiments.control.results import MethodResult, VariantResult
from worker.experiments.control.variants import ACT_STEPS

SEARCH_FILE = "positive-control-search.svg"
COMPARED = "e"  # the variant whose methods are compared in pairs
_HEAD = ("", "method", "grids through the core per test input", "held-out rules solved", "scoring, all seeds")


def thinking_sections(variants: Sequence[VariantResult], measured: Sequence[MethodResult]) -> list[Section]:
    """The chart and table of all methods, and the methods in pairs; none where nothing was measured."""
    if not measured:
        return []
    sections = [
        Section(
            "More compute at test time",
            (
                "A grid through the core once, forwards, is the unit of compute: a decoded demonstration or "
                "an ACT step of the answer; a backward pass counts as two. Each method is measured with the "
                "same amounts; ACT steps end at the 256 that an evaluation takes.",
            ),
            _HEAD,
            [_row(each) for each in measured],
            _chart(variants, measured),
        )
    ]
    compared = [each for each in measured if each.letter == COMPARED]
    methods = list(dict.fromkeys(each.method for each in compared))
    if len(methods) > 1:
        sections.append(_pairs(compared, methods))
    return sections


def _row(result: MethodResult) -> tuple[str, ...]:
    return (
        result.letter,
        result.method.label,
        f"{result.passes:,.0f}",
        wording.share(result.solved),
        f"{result.seconds:,.0f} s",
    )


def _pairs(measured: Sequence[MethodResult], methods: Sequence[Method]) -> Section:
    """First minus second method at each amount, in points."""
    budgets = sorted({each.decodes for each in measured})
    solved = {(each.method.name, each.decodes): each.solved for each in measured}
    rows = [
        (
            f"{one.label} - {other.label}",
            *(
                wording.points(solved[one.name, budget].minus(solved[other.name, budget]))
                for budget in budgets
            ),
        )
        for one, other in pairs_of(methods)
    ]
    passes = [
        max(each.passes for each in measured if each.decodes == budget and each.method.has_signal)
        for budget in budgets
    ]
    return Section(
        f"Methods in pairs at equal compute ({COMPARED})",
        (
            "Difference in points with its 95 % interval, on the same seeds and tasks; ACT steps "
            "end at 256. The intervals are not "
            f"corrected for their number, {len(rows) * len(budgets)}: about one in twenty excludes zero by "
            "chance where there is no difference.",
        ),
        ("difference", *(f"{each:,.0f} grids" for each in passes)),
        rows,
    )


def _chart(variants: Sequence[VariantResult], measured: Sequence[MethodResult]) -> Figure:
    """Solved share over compute, one line per variant and method, each from the answer as it is."""
    plain = {each.letter: each for each in variants}
    lines = []
    for letter, method in dict.fromkeys((each.letter, each.method) for each in measured):
        chosen = [each for each in measured if (each.letter, each.method) == (letter, method)]
        points = {each.passes: each.solved for each in chosen}
        if letter in plain:
            points[ACT_STEPS] = plain[letter].final
        lines.append(
            Line(
                f"{letter} {method.label}",
                [(passes, points[passes].share.mean, *points[passes].interval) for passes in sorted(points)],
                dashed=not method.has_signal,
            )
        )
    svg = draw(
        "Solved share over compute at test time",
        "grids passed through the core per test input",
        "held-out pass@1",
        lines,
        log_x=True,
    )
    return Figure(SEARCH_FILE, "pass@1 over compute, mean and interval over seeds", svg)
