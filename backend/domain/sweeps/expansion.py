"""A config and a sweep -> the configs of all runs, each checked, each named, no two alike."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from backend.domain.config.problems import apply_overrides, flatten, parse_experiment
from backend.domain.experiment import ExperimentConfig
from backend.domain.sweeps.definition import Sweep, invalid, parse_sweep
from backend.domain.sweeps.draws import draws
from backend.domain.sweeps.labels import SEPARATOR, variation_label
from backend.kit.errors import FieldProblem, InvalidConfig

MAX_NAME_LENGTH = 120  # as ExperimentConfig.name has it
MAX_PROBLEMS_OF_A_FIELD = 3


@dataclass(frozen=True)
class Variation:
    """One run of a sweep: its whole config, named, and how it differs from the others."""

    config: ExperimentConfig
    changes: Mapping[str, Any]  # dotted path -> value; the seed among them where seeds vary


@dataclass
class _Point:
    """One combination of values; `at` numbers the value (in a random sweep the draw) of each path."""

    changes: dict[str, Any]
    at: dict[str, int]
    config: ExperimentConfig | None = None
    problems: Sequence[FieldProblem] = field(default=())


def expand(config: ExperimentConfig, sweep: Sweep) -> tuple[Variation, ...]:
    """Every run that a sweep makes of `config`: all seeds of the first variation, then of the next.

    InvalidInput names each swept field that does not exist, each value out of range by its number, and values
    that make the same run twice. The same arguments give the same runs.
    """
    sweep = parse_sweep(sweep.model_dump())
    base = config.model_dump(mode="json")
    points = _grid_points(base, sweep) if not sweep.random else _random_points(base, sweep)
    if problems := list(_problems(points, sweep)):
        raise invalid(*problems)
    _refuse_twins(points, sweep)
    _refuse_last_seed(config, sweep)
    variations = [_seeded(point, sweep, offset) for point in points for offset in range(sweep.seeds)]
    return tuple(_named(config, variations, sweep))


def _grid_points(base: dict[str, Any], sweep: Sweep) -> list[_Point]:
    numbered = [list(enumerate(values)) for values in sweep.grid.values()]
    points = []
    for combination in itertools.product(*numbered):
        chosen = dict(zip(sweep.grid, combination, strict=True))
        changes = {path: value for path, (_, value) in chosen.items()}
        point = _Point(changes, {path: at for path, (at, _) in chosen.items()})
        points.append(_checked(base, point, sweep))
    return points


def _random_points(base: dict[str, Any], sweep: Sweep) -> list[_Point]:
    """As many different draws as the sweep asks for; InvalidInput where there are not that many."""
    points: list[_Point] = []
    seen = set()
    for changes in draws(sweep):
        key = json.dumps(changes, sort_keys=True)
        if key not in seen:
            seen.add(key)
            points.append(_checked(base, _Point(changes, dict.fromkeys(changes, len(points))), sweep))
        if len(points) == sweep.count:
            return points
    message = f"is {sweep.count}, but only {len(points)} different draws were found."
    raise invalid(FieldProblem("sweep.count", message, "Lower the count, or widen what is drawn from."))


def _checked(base: dict[str, Any], point: _Point, sweep: Sweep) -> _Point:
    """The point with its config, or with what is wrong with it."""
    written = [f"{path}={json.dumps(value)}" for path, value in point.changes.items()]
    try:
        changed = apply_overrides(base, written)
        if sweep.same_depth:
            given = {inner for path, value in point.changes.items() for inner in flatten({path: value})}
            _keep_shared(base, changed, given)
        point.config = parse_experiment(changed)
    except InvalidConfig as error:
        point.problems = error.problems
    return point


def _keep_shared(
    base: Mapping[str, Any], changed: dict[str, Any], given: Set[str], prefix: str = "", within: bool = False
) -> None:
    """Where `changed` has another kind than `base`, give it base's values of the fields that both kinds have.

    `given` are the paths that the sweep sets itself: they stay. `within` a part of another kind everything is
    of another kind.
    """
    another = within or base.get("kind") != changed.get("kind")
    for key in changed.keys() & base.keys() - {"kind"}:
        path, old, new = f"{prefix}{key}", base[key], changed[key]
        if path in given:
            continue
        inside = any(each.startswith(f"{path}.") for each in given)
        if another and not inside:
            changed[key] = old
        elif isinstance(old, Mapping) and isinstance(new, dict):
            _keep_shared(old, new, given, f"{path}.", another)


def _problems(points: Sequence[_Point], sweep: Sweep) -> Iterator[FieldProblem]:
    """What is wrong with the points, each mistake once and at the swept field it comes from."""
    failing: dict[FieldProblem, list[_Point]] = {}
    for point in points:
        for problem in point.problems:
            failing.setdefault(problem, []).append(point)
    kind = "random" if sweep.random else "grid"
    told: dict[str, int] = {}
    for problem, those in failing.items():
        path = _path_of(problem, sweep.paths)
        told[path] = told.get(path, 0) + 1
        if told[path] > MAX_PROBLEMS_OF_A_FIELD:
            continue
        where = "" if path == problem.field else f"{problem.field} "
        place = f"sweep.{kind}.{path}" if path else f"sweep.{kind}"
        message = f"{_which(path, those, points, sweep)}{where}{problem.message}"
        yield FieldProblem(place, message, problem.hint)


def _path_of(problem: FieldProblem, paths: Iterable[str]) -> str:
    """The swept path that a problem is about: its own, the only one there is, or none."""
    listed = list(paths)
    related = [
        path
        for path in listed
        if f"{problem.field}.".startswith(f"{path}.") or f"{path}.".startswith(f"{problem.field}.")
    ]
    found = related or (listed if len(listed) == 1 else [])
    return max(found, key=len, default="")


def _which(path: str, those: Sequence[_Point], points: Sequence[_Point], sweep: Sweep) -> str:
    """What a mistake comes with: nothing if it is everywhere, a value by its number, or a combination."""
    if len(those) == len(points):
        return ""
    if path:
        numbers = {point.at[path] for point in those}
        if len(those) == sum(point.at[path] in numbers for point in points):
            word = "draw" if sweep.random else "value"
            return f"{word} {', '.join(str(at + 1) for at in sorted(numbers))}: "
    return f"with {variation_label(those[0].changes, sweep)}: "


def _refuse_twins(points: Sequence[_Point], sweep: Sweep) -> None:
    """No two points may mean the same config, in whatever way their values are written."""
    seen: dict[str, _Point] = {}
    for point in points:
        assert point.config is not None
        twin = seen.setdefault(point.config.model_dump_json(), point)
        if twin is point:
            continue
        path = next(path for path in sweep.paths if twin.at[path] != point.at[path])
        kind, word = ("random", "draws") if sweep.random else ("grid", "values")
        message = f"{word} {twin.at[path] + 1} and {point.at[path] + 1} make the same run."
        raise invalid(FieldProblem(f"sweep.{kind}.{path}", message, "Remove one of them."))


def _refuse_last_seed(config: ExperimentConfig, sweep: Sweep) -> None:
    last = config.seed + sweep.seeds - 1
    if last > 2**31 - 1:
        message = f"count up from {config.seed} to {last}, past the largest seed."
        raise invalid(FieldProblem("sweep.seeds", message, "Lower the config's seed."))


def _seeded(point: _Point, sweep: Sweep, offset: int) -> Variation:
    assert point.config is not None
    if sweep.seeds == 1:
        return Variation(point.config, point.changes)
    seed = point.config.seed + offset
    return Variation(point.config.model_copy(update={"seed": seed}), point.changes | {"seed": seed})


def _named(base: ExperimentConfig, variations: Sequence[Variation], sweep: Sweep) -> Iterator[Variation]:
    """The variations with names; a number tells apart what would be called the same."""
    seen: set[str] = set()
    for number, variation in enumerate(variations, start=1):
        label = variation_label(variation.changes, sweep)
        seed = f"seed {variation.config.seed}" if sweep.seeds > 1 else ""
        name = SEPARATOR.join(filter(None, (base.name or variation.config.variant, label, seed)))
        if len(name) > MAX_NAME_LENGTH or name in seen:
            suffix = f"{SEPARATOR}#{number}"
            name = name[: MAX_NAME_LENGTH - len(suffix)] + suffix
        seen.add(name)
        yield Variation(variation.config.model_copy(update={"name": name}), variation.changes)
