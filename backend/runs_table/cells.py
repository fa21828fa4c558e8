"""The cells of the table of runs: values of chosen columns, differences from a baseline."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy.orm import Session

from backend.domain import metrics
from backend.domain.intervals import SHARE, Bounds
from backend.domain.measurement import Protocol
from backend.kit.boundary import Broken, shielded
from backend.kit.clock import clock
from backend.kit.filters.tree import Value
from backend.kit.format import NBSP, NO_VALUE, duration, percent, significant, size
from backend.run_view.filter_names import PASSES, TIMES, metric_of
from backend.run_view.values import RunLine, RunValues, protocol_of
from backend.run_view.views import RunView
from backend.runs_table.state import RICH

Unit = Literal["share", "bytes", "number", "time", "seconds", "text"]

RICH_TITLES = {
    "status": "Status",
    "accuracy": "Training",
    "pass1": "pass@1, held-out",
    "encoder": "Learning and encoder",
    "when": "When",
    "verdict": "Hypothesis",
}
SORTS = {"accuracy": "accuracy/token", "encoder": "encoder/scale_free_variance", "when": "created"}
MEASURED = {"accuracy": "accuracy/token", "pass1": "pass1", "encoder": "encoder/scale_free_variance"}
RISING_FIRST = (
    "name",
    "status",
    "variant",
    "encoder",
    "model",
    "origin",
    "tag",
    "notes",
    "group",
    "owner",
    "project",
    "verdict",
    "learning",
)


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
    return f"{metric} {summary}" if name.endswith(f":{summary}") and metric != name else metric


def cells_of(
    session: Session, runs: Sequence[RunView], columns: Sequence[Column], baseline: RunView | None
) -> dict[str, dict[str, Cell]]:
    """Run id -> column -> cell, of the plain columns; and of rich ones the difference from the baseline."""
    names = [c.measure for c in columns if not c.rich or (baseline and c.name in MEASURED)]
    if not names:
        return {}
    asked = [*runs, *([baseline] if baseline else [])]
    values = RunValues.of_runs(session, names, [run.id for run in asked])
    lines = {line.id: line for line in values.lines}
    base = lines.get(baseline.id) if baseline else None
    return {
        run.id: {
            column.name: _shielded(
                values, lines[run.id], column.measure, base if run is not baseline else None
            )
            for column in columns
            if column.measure in names
        }
        for run in asked
        if run.id in lines
    }


def _shielded(values: RunValues, line: RunLine, name: str, base: RunLine | None) -> Cell:
    made = shielded(f"{name} of run {line.id}", lambda: _cell(values, line, name, base))
    return Cell(NO_VALUE, False, title=made.text) if isinstance(made, Broken) else made


def _cell(values: RunValues, line: RunLine, name: str, base: RunLine | None) -> Cell:
    value = values.value(line, name)
    delta = None
    if base and base.id != line.id:
        delta = delta_of(name, [line], value, [base], values.value(base, name))
    return Cell(text_of(name, value), is_number(value), delta)


def delta_of(
    name: str, lines: Sequence[RunLine], value: Value, base: Sequence[RunLine], base_value: Value
) -> Delta | None:
    """The difference from the baseline; of scores by two protocols why there is none."""
    differences = differences_of([*base, *lines]) if name in PASSES else []
    if differences and value is not None and base_value is not None:
        reasons = "; ".join(differences)
        return Delta(f"not comparable: {reasons}", "none", f"The baseline's first: {reasons}.")
    return _delta(name, value, base_value)


def differences_of(lines: Sequence[RunLine]) -> list[str]:
    """How the protocols of the runs differ from that of the first, in words; empty where all are the same."""
    first, *others = protocols_of(lines) or (None,)
    return list(dict.fromkeys(each for other in others for each in first.differences(other))) if first else []


def protocols_of(lines: Sequence[RunLine]) -> list[Protocol]:
    """How the runs' scores were measured, each protocol once."""
    return list(dict.fromkeys(protocol for line in lines if (protocol := protocol_of(line))))


def unit_of(name: str) -> Unit:
    """How values of this name are written."""
    if name in PASSES:
        return "share"
    if name in TIMES:
        return "time"
    if name == "duration":
        return "seconds"
    return metrics.metric(metric_of(name)[0]).unit


def bounds_of(name: str) -> Bounds:
    """Within what values of this name lie."""
    return SHARE if name in PASSES else metrics.metric(metric_of(name)[0]).bounds


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
    if not (is_number(value) and is_number(base)) or unit_of(name) == "time":
        return None
    change = float(value) - float(base)  # type: ignore[arg-type]
    if not math.isfinite(change):
        return None
    is_share = unit_of(name) == "share"
    if change == 0 or (is_share and abs(change) < 0.0005):
        return Delta("±0", "none", "Same as the baseline.")
    sign = "+" if change > 0 else "−"
    text = f"{abs(change) * 100:.1f}{NBSP}pt" if is_share else text_of(name, abs(change))
    return Delta(f"{sign}{text}", "up" if change > 0 else "down", "Against the baseline.")


def is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
