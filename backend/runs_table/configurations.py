"""Rows of the table that stand for a configuration: its runs over seeds, with means and intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.orm import Session

from backend.domain.config.messages import shown
from backend.domain.config.problems import flatten
from backend.domain.experiment import ExperimentConfig
from backend.domain.experiment.identity import complete, is_choice, is_shared
from backend.domain.intervals import UNBOUNDED
from backend.domain.seeds import configuration_of, repeats
from backend.domain.statistics import Mean, average, mean_over_seeds
from backend.groups.views import told
from backend.kit.boundary import Broken, shielded
from backend.kit.filters.tree import Value, in_order
from backend.kit.format import NBSP, NO_VALUE, significant, solved
from backend.kit.lists import quoted
from backend.run_view.filter_names import PASSES
from backend.run_view.seeds import LINE_NAMES, counted_lines, not_counted
from backend.run_view.value_queries import external_names
from backend.run_view.values import RunLine, RunValues, score_of
from backend.runs_table.cells import (
    MEASURED,
    Cell,
    Column,
    bounds_of,
    delta_of,
    differences_of,
    is_number,
    protocols_of,
    text_of,
    unit_of,
)
from backend.runs_table.search import matching, numbers

MAX_DIFFERENCES = 3  # that a row of a variation names
CLAIM = "hypothesis.claim"
GROUPED = ("variation", "name", "variant", "origin", "created", "alarm", *LINE_NAMES)


@dataclass(frozen=True)
class VariationRow:
    """The runs that differ in their seed alone."""

    key: str
    name: str
    variant: str
    seeds: Sequence[str]
    statuses: Mapping[str, int]
    when: float  # the newest was made
    runs: Sequence[str]  # their ids, the newest first
    alarms: Mapping[str, int]  # how many of the runs raised which
    cells: Sequence[Cell]
    repeats: str = ""  # `seed 0 twice; counted once`
    only: str = ""  # the filter that shows its runs
    differs: Sequence[str] = ()  # `model.core.width 64`: how it differs from the other rows


def variations(
    session: Session,
    filter_text: str,
    sort: str,
    columns: Sequence[Column],
    baseline: str,
    start: int = 0,
    limit: int | None = None,
) -> list[VariationRow]:
    """Matching runs by everything but the seed; the order goes by the mean over seeds.

    `limit` rows (None: all) from the place `start` on; of the others only what orders them is read.
    """
    of_keys, runs = _by_configuration(session, filter_text, sort.removeprefix("-"))
    base = next((key for key, ids in runs.items() if baseline in ids), None) if baseline else None
    ordered = in_order([(value, key) for key, value in of_keys.items()], sort.startswith("-"))
    shown = ordered[start : None if limit is None else start + limit]
    shows = {key: runs[key] for key in [*shown, *([base] if base else [])]}
    names = [column.measure for column in columns if not column.rich or column.name in MEASURED]
    also = (CLAIM,) if "verdict" in names else ()
    names = list(dict.fromkeys((*GROUPED, *names, *also)))
    values = RunValues.of_runs(session, names, [run_id for ids in shows.values() for run_id in ids])
    full = {line.id: line for line in values.lines}
    groups = {key: [full[run_id] for run_id in ids] for key, ids in shows.items()}
    other = groups[base] if base else None
    return [_variation(values, groups[key], columns, None if key == base else other) for key in shown]


def _by_configuration(
    session: Session, filter_text: str, by: str
) -> tuple[dict[str, Value], dict[str, list[str]]]:
    """What orders each of the configurations that match, and the ids of its runs, newest first."""
    rows = None if by in PASSES else numbers(session, filter_text, by)
    of_ids: dict[str, RunLine] = {}
    if rows is None:
        values, lines = matching(session, filter_text, ["variation", "seed", by], lenient=("column",))
        of_ids = {line.id: line for line in lines}
        rows = [
            (line.id, line.columns["variation"], line.columns["seed"], values.value(line, by))
            for line in lines
        ]
    names = external_names(session)
    seeds: dict[str, dict[str, int | None]] = {}  # configuration -> run -> seed
    found: dict[str, Value] = {}
    for run_id, stored, seed, value in rows:
        seeds.setdefault(_key(run_id, stored, names.get(run_id)), {})[run_id] = seed
        found[run_id] = value
    # The newest of all says when they were made; to the rest each seed counts once, as in the cells.
    left_out = set() if by == "created" else not_counted(session, seeds.values())
    orders = {}
    for key, of in seeds.items():
        counted = [run_id for run_id in of if run_id not in left_out]
        protocols = protocols_of([of_ids[run_id] for run_id in counted]) if by in PASSES else []
        # Scores that are not comparable have no mean.
        orders[key] = None if len(protocols) > 1 else _order(by, [found[run_id] for run_id in counted])
    return orders, {key: list(of) for key, of in seeds.items()}


def _key(run_id: str, stored: str, external_name: str | None) -> str:
    """What runs of one row have in common; of a run whose config has no key, its id."""
    return configuration_of(stored or run_id, external_name or "", external_name is not None)


def _order(name: str, found: Sequence[Value]) -> Value:
    """The mean of the numbers; of texts, and of when the runs were made, that of the newest run."""
    if name == "created":
        return found[0]
    numbers = [value for value in found if is_number(value)]
    return average(numbers) if numbers else found[0]  # type: ignore[arg-type]


def _variation(
    values: RunValues, lines: Sequence[RunLine], columns: Sequence[Column], base: Sequence[RunLine] | None
) -> VariationRow:
    newest, once = lines[0], counted_lines(lines)
    return VariationRow(
        key=newest.columns["variation"] + (f"-{newest.id}" if newest.columns["origin"] == "external" else ""),
        name=_common_name([line.columns["name"] for line in lines]),
        variant=newest.columns["variant"],
        seeds=sorted({str(line.columns["seed"]) for line in lines if line.columns["seed"] is not None}),
        statuses=Counter(line.columns["status"] for line in lines),
        when=newest.created_at,
        runs=[line.id for line in lines],
        alarms=Counter(name for line in lines for name in _alarms(values, line)),
        cells=[_shielded(values, once, column, base and counted_lines(base)) for column in columns],
        repeats=repeats(line.columns["seed"] for line in lines),
        only=_only(lines),
    )


def _only(lines: Sequence[RunLine]) -> str:
    """The filter of the runs of a row; those of scripts have their name in common, too."""
    key, names = lines[0].columns["variation"], {line.columns["name"] for line in lines}
    only = f'variation == "{key}"'
    if lines[0].columns["origin"] != "external" or len(names) > 1:
        return only
    return f"{only} and name == {quoted(names.pop())}"


def _alarms(values: RunValues, line: RunLine) -> Sequence[str]:
    found = values.value(line, "alarm")
    return [str(each) for each in found] if isinstance(found, tuple) else []


def _shielded(
    values: RunValues, lines: Sequence[RunLine], column: Column, base: Sequence[RunLine] | None
) -> Cell:
    made = shielded(column.name, lambda: _mean_cell(values, lines, column, base))
    return Cell(NO_VALUE, False, title=made.text) if isinstance(made, Broken) else made


def _mean_cell(
    values: RunValues, lines: Sequence[RunLine], column: Column, base: Sequence[RunLine] | None
) -> Cell:
    """`41.2 ± 0.8 %, n=5`; a text that all share, or how many there are."""
    name = column.measure
    if column.name in ("status", "when"):  # drawn from the row
        return Cell(NO_VALUE, False)
    if name == "verdict":
        found = Counter(str(value) for line in lines if (value := values.value(line, name)) is not None)
        claims = {values.value(line, CLAIM) for line in lines} - {None}
        return Cell(told(dict(found), len(claims)) or NO_VALUE, False)
    if name == "learning":
        words = Counter(str(values.value(line, name)) for line in lines)
        return Cell(", ".join(f"{count} {word}" for word, count in words.most_common()), False)
    protocols = protocols_of(lines) if name in PASSES else []
    if len(protocols) > 1:
        return Cell("not comparable", False, title="; ".join(differences_of(lines)))
    mean = _mean(values, lines, name)
    if mean is None:
        texts = {text_of(name, values.value(line, name)) for line in lines}
        return Cell(texts.pop() if len(texts) == 1 else f"{len(texts)} different", False)
    other = _mean(values, base, name) if base else None
    delta = delta_of(name, lines, mean.mean, base, other.mean) if base and other else None
    return Cell(mean_text(name, mean), True, delta, _basis(lines, name) if protocols else "")


def _mean(values: RunValues, lines: Sequence[RunLine], name: str) -> Mean | None:
    """Over the runs that have a number; of shares with an interval that stays within 0 to 100 %."""
    tasks = [n for _, n in _scores(lines, name)] if name in PASSES else []
    return mean_over_seeds(_numbers(values, lines, name), bounds_of(name), max(tasks, default=None))


def _scores(lines: Sequence[RunLine], name: str) -> list[tuple[float, int]]:
    """(tasks solved, tasks) of the runs that have the score."""
    return [score for line in lines if (score := score_of(line, PASSES[name]))]


def _basis(lines: Sequence[RunLine], name: str) -> str:
    """`9 of 24 tasks solved · held-out · EMA weights · 8 views · 4 ACT steps · 12 tasks`."""
    solved_tasks, tasks = (sum(column) for column in zip(*_scores(lines, name), strict=True))
    return " · ".join(
        [f"{solved(solved_tasks)} of {tasks} tasks solved", *(each.label for each in protocols_of(lines))]
    )


def told_apart(session: Session, rows: Sequence[VariationRow]) -> list[VariationRow]:
    """The rows with how their configs differ from one another, where that is not their variant."""
    sections = [name for name in ExperimentConfig.model_fields if is_shared(name)]
    lines = RunValues.of_runs(session, [*sections, "origin"], [row.runs[0] for row in rows]).lines
    configs = {
        line.id: {path: value for path, value in flatten(_config(line)).items() if is_choice(path)}
        for line in lines
    }
    had = Counter(path for config in configs.values() for path in config if not path.endswith(".kind"))
    telling = [path for path in had if len({str(config.get(path)) for config in configs.values()}) > 1]
    telling.sort(key=lambda path: -had[path])
    return [replace(row, differs=_differs(configs.get(row.runs[0], {}), telling)) for row in rows]


def _config(line: RunLine) -> Mapping[str, Any]:
    """Its sections; those of a training with the fields that its version did not have yet."""
    return line.sections if line.columns["origin"] == "external" else complete(line.sections)


def _differs(config: Mapping[str, Any], telling: Sequence[str]) -> list[str]:
    own = [path for path in telling if path in config][:MAX_DIFFERENCES]
    return [f"{path} {_config_text(config[path])}" for path in own]


def _config_text(value: Any) -> str:
    """A value of any config, which may be any JSON; the names in it say nothing of its unit."""
    if isinstance(value, float):
        return significant(value)
    return shown(value).strip('"')


def _numbers(values: RunValues, lines: Sequence[RunLine], name: str) -> list[float]:
    found = (values.value(line, name) for line in lines)
    return [float(each) for each in found if is_number(each)]  # type: ignore[arg-type]


def mean_text(name: str, mean: Mean) -> str:
    """A mean over seeds with its 95 % interval and how many there are: `37.5 % [21.0 to 57.4], n=2`."""
    interval = ""
    if mean.low is not None and mean.high is not None:
        if unit_of(name) == "share":
            interval = _limits(f"{100 * mean.low:.1f}", f"{100 * mean.high:.1f}")
        elif bounds_of(name) == UNBOUNDED:
            interval = f"{NBSP}±{NBSP}{text_of(name, mean.mean - mean.low)}"
        else:  # it may end at a bound, and is not symmetric then
            interval = _limits(text_of(name, mean.low), text_of(name, mean.high))
    return f"{text_of(name, mean.mean)}{interval}, n={mean.n}"


def _limits(low: str, high: str) -> str:
    return f" [{low}{NBSP}to{NBSP}{high}]"


def _common_name(names: Sequence[str]) -> str:
    """What the names begin with together, or the first of them."""
    first, last = min(names), max(names)
    shared = next((at for at, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]), None)
    common = first if shared is None else first[:shared].rstrip(" ·-_")
    return common.removesuffix("seed").rstrip(" ·-_") if len(common) >= 3 else names[0]
