"""Expressions over the metrics of one run: `train - heldout`, at every step that all of its metrics have.

They are evaluated on the recorded points, before anything is thinned. A quotient by zero and a logarithm of
zero or less are NaN and are counted; whatever is made of NaN is NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import reduce

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from backend.domain import metrics
from backend.kit import expressions
from backend.kit.expressions import Call, Expression, Name, Negative, Number, Operation
from backend.kit.lists import unquoted
from backend.kit.problems import invalid_query
from backend.metrics import queries as segments
from backend.metrics import service as series
from backend.metrics.points import Points, Values
from backend.metrics.pyramid.queries import StepRange
from backend.metrics.service import Curve
from backend.metrics.thinning import thin

MAX_POINTS = 2_000_000  # of all metrics that one answer is evaluated from: 48 MB
Steps = NDArray[np.int64]


def sorted_out(
    asked: Iterable[str], known: Collection[str], lacking: str
) -> tuple[list[str], dict[str, Expression]]:
    """What was asked for as names of metrics, and expressions by their text.

    A name that is `known` is that metric, whatever it looks like. InvalidInput for a mistake in an expression
    and for a metric in it that is not known: it says `lacking` and the name.
    """
    names: list[str] = []
    parsed: dict[str, Expression] = {}
    for text in asked:
        if text in known or text in metrics.NAMES or not expressions.looks_like_one(text):
            names.append(text)
        else:
            parsed[text] = bound(text, known, lacking)
    return names, parsed


def bound(text: str, known: Collection[str], lacking: str) -> Expression:
    """The expression; InvalidInput for a mistake in it, and for a metric that is not known."""
    tree = expressions.parse(text)
    every = {*known, *metrics.NAMES}  # of which some may be recorded yet
    explicit = {name for name in expressions.names(tree) if metric_of(name) in every}
    expressions.check_names(tree, {*every, *explicit}, lacking)
    return tree


def metric_of(name: str) -> str:
    """`metric("loss")` -> `loss`; a plain name is that of a metric already."""
    return unquoted(name[len("metric(") : -1]) if name.startswith('metric("') and name[-1] == ")" else name


def metrics_of(trees: Iterable[Expression]) -> list[str]:
    """Names of the metrics that the expressions are made of."""
    return list(dict.fromkeys(metric_of(name) for tree in trees for name in expressions.names(tree)))


def of_runs(
    session: Session,
    run_ids: Collection[str],
    parsed: Mapping[str, Expression],
    max_points: int | None = None,
    first: int | None = None,
    last: int | None = None,
) -> dict[str, dict[str, Curve]]:
    """Run id -> text of the expression -> curve; a run that lacks one of its metrics leaves it out.

    With `max_points` the result is thinned so that every extreme survives. InvalidInput where too many points
    would have to be read.
    """
    if not parsed:
        return {run_id: {} for run_id in run_ids}
    names = metrics_of(parsed.values())
    points = segments.count_between(session, run_ids, names, first, last)
    if points > MAX_POINTS:
        raise invalid_query(
            "expression",
            f"would read {points:,} points of its metrics; {MAX_POINTS:,} at most.",
            "Choose fewer runs, or a part of the steps; an export has no limit.",
        )
    found = series.of_runs(session, run_ids, names, None, first, last)
    return {
        run_id: {text: _thinned(curve, max_points) for text, curve in of_run(parsed, curves)}
        for run_id, curves in found.items()
    }


def of_run(parsed: Mapping[str, Expression], curves: Mapping[str, Curve]) -> Iterator[tuple[str, Curve]]:
    """(text, curve) of each expression whose metrics are among the curves of a run."""
    for text, tree in parsed.items():
        names = metrics_of([tree])
        if all(name in curves for name in names):
            yield text, _curve(tree, {name: curves[name] for name in names})


def read_part(
    session: Session, run_id: str, names: Collection[str], parsed: Mapping[str, Expression], steps: StepRange
) -> dict[str, Curve]:
    """Metrics and expressions of a run from one step to another, with every point."""
    wanted = {*names, *metrics_of(parsed.values())}
    found = series.read(session, run_id, wanted, first=steps[0], last=steps[1])
    return {name: found[name] for name in names if name in found} | dict(of_run(parsed, found))


def evaluate(tree: Expression, value_of: Callable[[str], Values]) -> tuple[Values, NDArray[np.bool_]]:
    """The value at each of n places, (n,), and where a quotient or a logarithm has none, (n,).

    `value_of(name)` gives what a name, as it is written, has at each place: (n,).
    """
    with np.errstate(all="ignore"):
        return _evaluated(tree, value_of)


def _evaluated(tree: Expression, value_of: Callable[[str], Values]) -> tuple[Values, NDArray[np.bool_]]:
    match tree:
        case Number(value):
            return np.array(value), np.array(False)
        case Name(text):
            return value_of(text), np.array(False)
        case Negative(part):
            values, undefined = _evaluated(part, value_of)
            return -values, undefined
        case Operation(sign, left, right):
            return _operation(sign, _evaluated(left, value_of), _evaluated(right, value_of))
        case Call(function, parts):
            return _call(function, [_evaluated(part, value_of) for part in parts])


Result = tuple[Values, NDArray[np.bool_]]
_SIGNS: Mapping[str, Callable[[Values, Values], Values]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
}


def _operation(sign: str, left: Result, right: Result) -> Result:
    undefined = left[1] | right[1]
    if sign != "/":
        return _SIGNS[sign](left[0], right[0]), undefined
    by_zero = right[0] == 0
    return np.where(by_zero, np.nan, left[0] / np.where(by_zero, 1.0, right[0])), undefined | by_zero


def _call(function: str, parts: Sequence[Result]) -> Result:
    values = [part[0] for part in parts]
    undefined = reduce(np.logical_or, [part[1] for part in parts])
    if function == "abs":
        return np.abs(values[0]), undefined
    if function == "log":
        none = values[0] <= 0
        return np.log(np.where(none, np.nan, values[0])), undefined | none
    return reduce(np.minimum if function == "min" else np.maximum, values), undefined


def _curve(tree: Expression, curves: Mapping[str, Curve]) -> Curve:
    """A point has the moment at which the last of its metrics was recorded."""
    steps = reduce(np.intersect1d, [curve.steps for curve in curves.values()])
    places = {name: np.searchsorted(curve.steps, steps) for name, curve in curves.items()}
    moments = [curve.wall_times[places[name]] for name, curve in curves.items()]
    values, undefined = evaluate(tree, lambda name: _at(curves, places, metric_of(name)))
    return Curve(
        steps,
        reduce(np.maximum, moments),
        np.asarray(values, np.float64),
        len(steps),
        undefined=int(np.broadcast_to(undefined, steps.shape).sum()),
    )


def _at(curves: Mapping[str, Curve], places: Mapping[str, Steps], name: str) -> Values:
    return curves[name].values[places[name]]


def _thinned(curve: Curve, max_points: int | None) -> Curve:
    if max_points is None or len(curve.steps) <= max_points:
        return curve
    points = Points(curve.steps, np.round(curve.wall_times * 1000).astype(np.int64), curve.values)
    shown = thin(points, max_points)
    return replace(curve, steps=shown.steps, wall_times=shown.times / 1000, values=shown.values)
