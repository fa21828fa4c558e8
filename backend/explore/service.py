"""A set of runs, chosen by a filter, with values of each: config fields, metrics, scores and expressions.

Nothing here is limited to a sweep: `group == "…"` is a filter, and so is `id in ["…"]`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy.orm import Session

from backend.domain.experiment.identity import is_choice
from backend.domain.seeds import configuration_of, once_per_seed
from backend.domain.statistics import average
from backend.explore.importance import MAX_FIELDS, Field, Importance, importances
from backend.kit import expressions
from backend.kit.errors import FieldProblem, InvalidInput
from backend.kit.expressions import Expression, looks_like_one
from backend.kit.filters.tree import Value, finite
from backend.kit.format import counted
from backend.kit.problems import invalid_query
from backend.metrics.expressions import evaluate
from backend.run_view import configs
from backend.run_view import queries as facts_rows
from backend.run_view.filter_names import PASSES, is_known
from backend.run_view.values import RunLine, RunValues
from backend.runs_table import search
from backend.runs_table.cells import differences_of, protocols_of

MAX_RUNS = 5000  # the newest of those that match
MAX_IDS = 200  # that are named one by one
ALWAYS = ("name", "variant", "seed", "status", "variation")
# What is drawn upwards and explained unless something else is asked for: the first that runs have.
RESULTS = ("pass1", "accuracy/exact", "accuracy/token", "loss")


@dataclass(frozen=True)
class Runs:
    """Which runs: those that match a filter, or those of these ids."""

    filter: str = ""
    ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Point:
    """A run with the values that were asked for. `configuration` is the same for runs whose configs differ in
    their seed alone."""

    id: str
    name: str
    variant: str
    seed: int | None
    status: str
    configuration: str
    values: dict[str, Value]

    @property
    def replicates(self) -> str:
        """The same for its other seeds: of a script's run its config is not enough, it has its name in common
        with them, too."""
        return configuration_of(self.configuration or self.id, self.name, not self.variant)

    def number(self, name: str) -> float | None:
        """A value that can be drawn on an axis of numbers: a finite one."""
        return finite(self.values.get(name))


def counted_once(seeds: Sequence[Point]) -> list[Point]:
    """Of the runs of one configuration those that count: of each seed one, a finished one before others."""
    return once_per_seed(seeds, lambda point: point.seed, lambda point: (point.status == "finished",))


@dataclass(frozen=True)
class Explored:
    """The newest runs that match, and how many match in all."""

    points: Sequence[Point]
    matching: int
    undefined: Mapping[str, int]  # expression -> runs in which it divides by zero or takes such a logarithm
    notes: Sequence[str] = ()  # names that no run has a value of; scores that are not comparable

    @property
    def left_out(self) -> str:
        """What is not shown, in words; empty where all is."""
        older = self.matching - len(self.points)
        return f"The newest {len(self.points):,} of {counted(self.matching, 'run')}." if older else ""


@dataclass(frozen=True)
class Question:
    """What went with which result."""

    of: str
    fields: Sequence[Importance]
    runs: int  # that have the result
    configurations: int
    without: int  # runs without it: not recorded yet, or no finite number
    left_out: int = 0  # fields beyond the first `MAX_FIELDS`


def explore(session: Session, runs: Runs, wanted: Collection[str]) -> Explored:
    """The runs, newest first, with what they have under each of the names of the filter language and of the
    expressions over them. InvalidInput for a mistake in the filter, and in a name or an expression, with the
    nearest names."""
    parsed = _checked(session, wanted)
    names = [name for name in wanted if name not in parsed]
    operands = [name for tree in parsed.values() for name in expressions.names(tree)]
    every = list(dict.fromkeys((*ALWAYS, *names, *operands)))
    if runs.ids:
        values = RunValues.of_runs(session, every, runs.ids)
        lines = values.lines
    else:
        values, lines = search.matching(session, runs.filter, every, lenient=("column",))
    shown = lines[:MAX_RUNS]
    points = [_point(values, line, names) for line in shown]
    undefined = {}
    for text, tree in parsed.items():
        found, undefined[text] = _evaluated(tree, values, shown)
        for point, value in zip(points, found, strict=True):
            point.values[text] = value
    notes = [*search.notes_on(session, "", [*names, *operands]), *_protocols(every, shown)]
    return Explored(points, len(lines), {text: n for text, n in undefined.items() if n}, notes)


def runs_of(filter_text: str, ids: str) -> Runs:
    """What an address asks for: ids separated by commas, else a filter. InvalidInput for too many ids."""
    listed = tuple(dict.fromkeys(filter(None, map(str.strip, ids.split(",")))))
    if len(listed) > MAX_IDS:
        raise invalid_query("runs", f"names {len(listed)} runs; {MAX_IDS} at most.", "Use a filter instead.")
    return Runs(filter_text, listed)


def fields_of(session: Session, points: Sequence[Point]) -> list[Field]:
    """The fields of the configs that vary between the runs' configurations, in the order of the configs."""
    keys = {point.replicates: point.configuration for point in points if point.configuration}
    known = configs.leaves(session, list(dict.fromkeys(keys.values())))
    leaves = {key: known[of] for key, of in keys.items() if of in known}
    paths = dict.fromkeys(path for of in leaves.values() for path in of)
    fields = []
    for path in filter(is_choice, paths):
        field = Field(path, {key: of[path] for key, of in leaves.items() if path in of})
        if field.levels > 1:
            fields.append(field)
    return fields


def importance(session: Session, runs: Runs, of: str) -> Question:
    """How strongly each field that varies between the runs goes with the value `of`."""
    points = explore(session, runs, [of]).points
    return weighed(points, fields_of(session, points), of)


def weighed(points: Sequence[Point], fields: Sequence[Field], of: str) -> Question:
    """The same of runs that are known already."""
    having: dict[str, list[Point]] = {}
    for point in points:
        if point.configuration and point.number(of) is not None:
            having.setdefault(point.replicates, []).append(point)
    runs = sum(map(len, having.values()))
    results = {
        key: average([number for point in counted_once(own) if (number := point.number(of)) is not None])
        for key, own in having.items()
    }
    return Question(
        of=of,
        fields=importances(fields[:MAX_FIELDS], results),
        runs=runs,
        configurations=len(results),
        without=len(points) - runs,
        left_out=max(0, len(fields) - MAX_FIELDS),
    )


def usual_result(session: Session, runs: Runs) -> str:
    """The first of `RESULTS` that any of the runs has; the first of all where none has any."""
    points = explore(session, runs, RESULTS).points
    return next(
        (name for name in RESULTS if any(point.number(name) is not None for point in points)), RESULTS[0]
    )


def _checked(session: Session, wanted: Collection[str]) -> dict[str, Expression]:
    """The expressions among what is wanted, by their text; InvalidInput for a typing error anywhere."""
    parsed = {}
    recorded = set(facts_rows.metric_names(session)) if any(map(looks_like_one, wanted)) else set()
    for text in wanted:
        if not looks_like_one(text) or is_known(text, recorded):
            if refused := search.refused_name(session, text):
                raise InvalidInput("Invalid query.", problems=[FieldProblem("value", *refused)])
            continue
        parsed[text] = tree = expressions.parse(text)
        for name in expressions.named(tree):
            if refused := search.refused_name(session, name.text):
                expressions.invalid(name.column, *refused)
    return parsed


def _protocols(names: Collection[str], lines: Sequence[RunLine]) -> list[str]:
    """That the runs' scores are not comparable, where any are asked for."""
    protocols = protocols_of(lines) if set(PASSES) & set(names) else []
    if len(protocols) < 2:
        return []
    how = f"{len(protocols)} protocols: {'; '.join(differences_of(lines))}"
    return [f"The scores are not comparable, for they were measured by {how}."]


def _point(values: RunValues, line: RunLine, names: Sequence[str]) -> Point:
    columns = line.columns
    return Point(
        id=line.id,
        name=columns["name"],
        variant=columns["variant"],
        seed=columns["seed"],
        status=columns["status"],
        configuration=columns["variation"],
        values={name: values.value(line, name) for name in names},
    )


def _evaluated(tree: Expression, values: RunValues, lines: Sequence[RunLine]) -> tuple[list[Value], int]:
    """The expression's value of each run, None where one of its names has none; how many are undefined."""
    of_names = {
        name: [_number(values.value(line, name)) for line in lines] for name in expressions.names(tree)
    }
    arrays = {
        name: np.array([np.nan if each is None else each for each in of]) for name, of in of_names.items()
    }
    found, undefined = evaluate(tree, arrays.__getitem__)
    has = [all(of[at] is not None for of in of_names.values()) for at in range(len(lines))]
    none = np.broadcast_to(undefined, len(lines)) & np.array(has, bool)
    return [float(value) if there else None for value, there in zip(found, has, strict=True)], int(none.sum())


def _number(value: Value) -> float | None:
    if isinstance(value, bool):
        return float(value)
    return float(value) if isinstance(value, int | float) else None
