"""The table of runs and the curves of one, to take along as JSON, CSV or Parquet."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy.orm import Session

from backend.domain import metrics
from backend.domain.records import Score
from backend.kit.exports.parquet import Kind
from backend.kit.exports.table_files import File, Head, table_file
from backend.kit.filters.tree import Value, in_order
from backend.lifecycle import service as runs
from backend.metrics import service as series
from backend.run_view.filter_names import PASSES, metric_of
from backend.run_view.values import RunLine, RunValues, score_of
from backend.run_view.views import RunView
from backend.runs_table.search import matching

ALWAYS = (
    "id",
    "name",
    "variant",
    "seed",
    "status",
    "step",
    "created",
    "finished",
    "duration",
    "owner",
    "project",
)
CURVES: Head = {"metric": "text", "step": "int", "wall_time": "float", "value": "float"}


def table(session: Session, filter_text: str, columns: Sequence[str], sort: str, as_: str) -> File:
    """Every run that matches: facts, pass@k with its denominator, its 95 % Wilson interval and how it was
    measured (scores of equal `protocol` are comparable), and the columns asked for, by any name of the filter
    language. InvalidInput for an unknown one.
    """
    names = [*dict.fromkeys((*ALWAYS, *(name for name in columns if name not in PASSES)))]
    by = sort.removeprefix("-") or "created"
    values, lines = matching(session, filter_text, list(dict.fromkeys((*names, *PASSES, by))))
    if sort not in ("", "-created"):  # they come newest first
        lines = in_order([(values.value(line, by), line) for line in lines], sort.startswith("-"))
    found = {name: [_plain(values.value(line, name)) for line in lines] for name in names}
    head: Head = {name: _kind(name, of) for name, of in found.items()}
    views = runs.several(session, [line.id for line in lines], metrics=())
    passes = [(*_measured(run), *_passes(values, line)) for run, line in zip(views, lines, strict=True)]
    scores: Head = {
        f"{name}{part}": "int" if part == "_tasks" else "float"
        for name in PASSES
        for part in ("", "_solved", "_tasks", "_low", "_high")
    }
    rows = [(*(_as(head[name], found[name][at]) for name in names), *passes[at]) for at in range(len(lines))]
    return table_file("runs", {**head, "measured_on": "text", "protocol": "text", **scores}, rows, as_)


def curves(session: Session, run_id: str, names: Collection[str] | None, as_: str) -> File:
    """Every recorded point of the metrics (None: all), one a line; NotFound."""
    runs.check_exists(session, run_id)
    rows = [
        (name, step, moment, value)
        for name, curve in series.read(session, run_id, names).items()
        for step, moment, value in zip(
            curve.steps.tolist(), curve.wall_times.tolist(), curve.values.tolist(), strict=True
        )
    ]
    return table_file(f"run-{run_id}-curves", CURVES, rows, as_)


def _measured(run: RunView) -> tuple[str | None, str | None]:
    """What the run's scores were measured on, and the key of that protocol."""
    result = run.held_out
    if result is None:
        return (None, None)
    return (", ".join(filter(None, (result.set, result.caveat, result.measured_at))), result.protocol.key)


def _passes(values: RunValues, line: RunLine) -> list[float | int | None]:
    made: list[float | int | None] = []
    for name, k in PASSES.items():
        score = score_of(line, k)
        if score is None:
            made += [None] * 5
            continue
        low, high = Score(*score).interval
        share = values.value(line, name)
        made += [share if isinstance(share, float) else None, score[0], score[1], low, high]
    return made


def _plain(value: Value) -> Any:
    """Several values in one cell: `a; b`."""
    return "; ".join(str(each) for each in value) if isinstance(value, tuple) else value


def _kind(name: str, values: Sequence[Any]) -> Kind:
    """What a column's values are, all of them together; text where they are of several kinds."""
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return "bool"
    if kinds == {int}:
        return "int" if all(value is None or abs(value) < 2**63 for value in values) else "float"
    if kinds and kinds <= {int, float}:
        return "float"
    is_metric = metrics.metric(metric_of(name)[0]) in metrics.METRICS
    return "float" if is_metric or name in ("duration", "finished") else "text"


def _as(kind: Kind, value: Any) -> Any:
    if value is None:
        return None
    return float(value) if kind == "float" else str(value) if kind == "text" else value
