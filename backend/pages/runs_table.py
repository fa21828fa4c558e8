"""The cells of the table of runs: values of chosen columns, differences from a baseline, means over seeds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy.orm import Session

from backend.domain import metrics
from backend.domain.config_problems import flatten
from backend.domain.experiment import ExperimentConfig
from backend.domain.numbers import NBSP, NO_VALUE, percent, significant, solved
from backend.domain.statistics import Mean, mean_of
from backend.domain.variation import OF_ONE_RUN, SAID_OF_IT
from backend.pages.runs_state import RICH
from backend.pages.words import clock, duration, size
from backend.services.filter_names import PASSES, TIMES, metric_of
from backend.services.filters import Value
from backend.services.group_view import told
from backend.services.measured import PassView
from backend.services.run_search import in_order, matching
from backend.services.run_values import RunLine, RunValues, score_of, way_of
from backend.services.run_view import ResultView, RunView

Unit = Literal["share", "bytes", "number", "time", "seconds", "text"]

RICH_TITLES = {
    "status": "Status",
    "accuracy": "Train accuracy",
    "pass1": "pass@1, held-out",
    "encoder": "Encoder",
    "when": "When",
    "verdict": "Hypothesis",
}
SORTS = {"accuracy": "accuracy/token", "encoder": "encoder/scale_free_variance", "when": "created"}
MEASURED = {"accuracy": "accuracy/token", "pass1": "pass1", "encoder": "encoder/scale_free_variance"}
RISING_FIRST = ("name", "status", "variant", "encoder", "model", "origin", "tag", "notes", "group", "verdict")
MOST_DIFFERENCES = 3  # that a row of a variation names
CLAIM = "hypothesis.claim"
GROUPED = ("variation", "name", "variant", "seed", "status", "created", "pass1", "alarm")


@dataclass(frozen=True)
class Column:
    """A column: what the address calls it, its heading, what it sorts by and in which direction first."""

    name: str
    title: str
    sort: str
    first: str  # "-" where the greatest comes first
    rich: bool
    about: str = ""  # title of a registered metric

    @property
    def measure(self) -> str:
        """The name whose value a mean or a difference is of."""
        return MEASURED.get(self.name, self.name)


NAME_COLUMN = Column("name", "Run", "name", "", rich=True)


@dataclass(frozen=True)
class Delta:
    """A difference from the baseline: as text, and whether up or down."""

    text: str
    sign: Literal["up", "down", "none"]
    title: str = ""


@dataclass(frozen=True)
class Cell:
    """What stands in a plain column of one row."""

    text: str
    is_number: bool
    delta: Delta | None = None
    title: str = ""


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
    differs: Sequence[str] = ()  # `model.core.width 64`: what it has otherwise than the other rows


def columns_of(names: Sequence[str]) -> list[Column]:
    """The columns called so, in this order, each once."""
    return [_column(name) for name in dict.fromkeys(names)]


def _column(name: str) -> Column:
    title = RICH_TITLES.get(name) or _title(name)
    sort = SORTS.get(name, name)
    known = metrics.metric(metric_of(sort)[0])
    first = "" if sort in RISING_FIRST or known.better == "lower" else "-"
    return Column(name, title, sort, first, name in RICH, known.title if known.name != known.title else "")


def _title(name: str) -> str:
    """`accuracy/token:max` -> `accuracy/token max`."""
    metric, summary = metric_of(name)
    return f"{metric} {summary}" if name.endswith(f":{summary}") else name


def cells_of(
    session: Session, runs: Sequence[RunView], columns: Sequence[Column], baseline: RunView | None
) -> dict[str, dict[str, Cell]]:
    """Run id -> column -> cell, of the plain columns; and of rich ones the difference from the baseline."""
    names = [c.measure for c in columns if not c.rich or (baseline and c.name in MEASURED)]
    if not names:
        return {}
    asked = [*runs, *([baseline] if baseline else [])]
    values = RunValues(session, names, only=[run.id for run in asked])
    lines = {line.id: line for line in values.lines}
    base = lines.get(baseline.id) if baseline else None
    return {
        run.id: {
            column.name: _cell(values, lines[run.id], column.measure, base if run is not baseline else None)
            for column in columns
            if column.measure in names
        }
        for run in asked
        if run.id in lines
    }


def _cell(values: RunValues, line: RunLine, name: str, base: RunLine | None) -> Cell:
    value = values.value(line, name)
    delta = _delta(name, value, values.value(base, name)) if base and base.id != line.id else None
    return Cell(text_of(name, value), _is_number(value), delta)


def compared_passes(run: RunView, baseline: RunView | None) -> Delta | None:
    """pass@1 against the baseline's; where the two are not of the same tasks, views and weights, why not."""
    if baseline is None or run.id == baseline.id:
        return None
    own, other = run.held_out, baseline.held_out
    mine, theirs = (own and own.pass_at(1)), (other and other.pass_at(1))
    if not (own and other and mine and theirs) or mine.share is None or theirs.share is None:
        return None
    if unlike := _unlike(own, other, mine, theirs):
        return Delta("not comparable", "none", f"The baseline was scored on other {unlike}.")
    return _delta("pass1", mine.share, theirs.share)


def _unlike(own: ResultView, other: ResultView, mine: PassView, theirs: PassView) -> str:
    pairs = {
        "sets": (own.set, other.set),
        "numbers of tasks": (mine.n, theirs.n),
        "weights": (own.weights, other.weights),
        "views": (own.views, other.views),
        "numbers of ACT steps": (own.act_steps, other.act_steps),
        "searches": (own.search, other.search),
        "canvases": (own.canvas, other.canvas),
    }
    return ", ".join(what for what, (left, right) in pairs.items() if left != right)


def variations(
    session: Session, filter_text: str, sort: str, columns: Sequence[Column], baseline: str
) -> list[VariationRow]:
    """Matching runs by everything but the seed; the order goes by the mean over seeds."""
    by = sort.removeprefix("-")
    names = [column.measure for column in columns if not column.rich or column.name in MEASURED]
    also = (CLAIM,) if "verdict" in names else ()
    asked = list(dict.fromkeys((*GROUPED, *names, *also, by)))
    values, lines = matching(session, filter_text, asked, lenient=("column",))
    found: dict[str, list[RunLine]] = {}
    for line in lines:
        found.setdefault(line.columns["variation"] or line.id, []).append(line)
    base = next((those for those in found.values() if any(line.id == baseline for line in those)), None)
    pairs = [(_order_of(values, those, by), those) for those in found.values()]
    ordered = in_order(pairs, sort.startswith("-"))
    return [_variation(values, those, columns, base) for those in ordered]


def _order_of(values: RunValues, lines: Sequence[RunLine], name: str) -> Value:
    found = [values.value(line, name) for line in lines]
    if name == "created":
        return lines[0].created_at  # of the newest
    mean = mean_of([each for each in found if _is_number(each)])  # type: ignore[misc]
    return mean.mean if mean else found[0]


def _variation(
    values: RunValues, lines: Sequence[RunLine], columns: Sequence[Column], base: Sequence[RunLine] | None
) -> VariationRow:
    newest = lines[0]
    return VariationRow(
        key=newest.columns["variation"],
        name=_common_name([line.columns["name"] for line in lines]),
        variant=newest.columns["variant"],
        seeds=sorted({str(line.columns["seed"]) for line in lines if line.columns["seed"] is not None}),
        statuses=Counter(line.columns["status"] for line in lines),
        when=newest.created_at,
        runs=[line.id for line in lines],
        alarms=Counter(name for line in lines for name in _alarms(values, line)),
        cells=[_mean_cell(values, lines, column, None if base is lines else base) for column in columns],
    )


def _alarms(values: RunValues, line: RunLine) -> Sequence[str]:
    found = values.value(line, "alarm")
    return [str(each) for each in found] if isinstance(found, tuple) else []


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
    numbers = _numbers(values, lines, name)
    mean = mean_of(numbers) if len(numbers) else None
    if mean is None:
        texts = {text_of(name, values.value(line, name)) for line in lines}
        return Cell(texts.pop() if len(texts) == 1 else f"{len(texts)} different", False)
    other = mean_of(_numbers(values, base, name)) if base else None
    if name not in PASSES:
        return Cell(mean_text(name, mean), True, _delta(name, mean.mean, other.mean) if other else None)
    ways = _ways(lines)
    if len(ways) > 1:
        return Cell(f"measured in {len(ways)} ways", False, title="no mean: " + "; ".join(sorted(ways)))
    scores = [score for line in lines if (score := score_of(line, PASSES[name]))]
    counted = f"{solved(sum(each[0] for each in scores))} of {sum(each[1] for each in scores)} tasks solved"
    delta = _delta(name, mean.mean, other.mean) if other and base and _ways(base) == ways else None
    return Cell(mean_text(name, mean), True, delta, " · ".join([counted, *ways]))


def _ways(lines: Sequence[RunLine]) -> set[str]:
    """How the runs' scores were measured, each way once."""
    return {way for line in lines if (way := way_of(line))}


def told_apart(session: Session, rows: Sequence[VariationRow]) -> list[VariationRow]:
    """The rows with what their configs have otherwise than one another, where that is not their variant."""
    sections = [name for name in ExperimentConfig.model_fields if name not in (*OF_ONE_RUN, SAID_OF_IT)]
    lines = RunValues(session, sections, only=[row.runs[0] for row in rows]).lines
    configs = {line.id: dict(flatten(line.sections)) for line in lines}
    had = Counter(path for config in configs.values() for path in config if not path.endswith(".kind"))
    telling = [path for path in had if len({str(config.get(path)) for config in configs.values()}) > 1]
    telling.sort(key=lambda path: -had[path])
    return [replace(row, differs=_differs(configs.get(row.runs[0], {}), telling)) for row in rows]


def _differs(config: Mapping[str, Any], telling: Sequence[str]) -> list[str]:
    own = [path for path in telling if path in config][:MOST_DIFFERENCES]
    return [f"{path} {text_of(path, config[path])}" for path in own]


def _numbers(values: RunValues, lines: Sequence[RunLine], name: str) -> list[float]:
    found = (values.value(line, name) for line in lines)
    return [float(each) for each in found if _is_number(each)]  # type: ignore[arg-type]


def mean_text(name: str, mean: Mean) -> str:
    """A mean over seeds with half its 95 % interval and how many there are."""
    half = None if mean.low is None else mean.mean - mean.low
    if unit_of(name) == "share":
        spread = "" if half is None else f"{NBSP}±{NBSP}{half * 100:.1f}"
        return f"{mean.mean * 100:.1f}{spread}{NBSP}%, n={mean.n}"
    spread = "" if half is None else f"{NBSP}±{NBSP}{text_of(name, half)}"
    return f"{text_of(name, mean.mean)}{spread}, n={mean.n}"


def unit_of(name: str) -> Unit:
    """How values of this name are written."""
    if name in PASSES:
        return "share"
    if name in TIMES:
        return "time"
    if name == "duration":
        return "seconds"
    return metrics.metric(metric_of(name)[0]).unit


def text_of(name: str, value: Value) -> str:
    """A value as a cell shows it."""
    if isinstance(value, tuple):
        return ", ".join(text_of(name, item) for item in value) or NO_VALUE
    if value is None or value == "":
        return NO_VALUE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    match unit_of(name):
        case "share":
            return percent(value)
        case "bytes":
            return size(value)
        case "time":
            return clock(value)
        case "seconds":
            return duration(value)
    return f"{value:,}" if isinstance(value, int) else significant(value)


def _delta(name: str, value: Value, base: Value) -> Delta | None:
    if not (_is_number(value) and _is_number(base)) or unit_of(name) == "time":
        return None
    change = float(value) - float(base)  # type: ignore[arg-type]
    if not math.isfinite(change):
        return None
    is_share = unit_of(name) == "share"
    if change == 0 or (is_share and abs(change) < 0.0005):
        return Delta("±0", "none", "The same as the baseline.")
    sign = "+" if change > 0 else "−"
    text = f"{abs(change) * 100:.1f}{NBSP}pt" if is_share else text_of(name, abs(change))
    return Delta(f"{sign}{text}", "up" if change > 0 else "down", "Against the baseline.")


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _common_name(names: Sequence[str]) -> str:
    """What the names begin with together, or the first of them."""
    first, last = min(names), max(names)
    shared = next((at for at, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]), None)
    common = first if shared is None else first[:shared].rstrip(" ·-_")
    return common.removesuffix("seed").rstrip(" ·-_") if len(common) >= 3 else names[0]
