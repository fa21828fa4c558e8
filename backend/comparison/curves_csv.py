"""Curves of several runs as one CSV file, with every point, written while it is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from sqlalchemy import Engine

from backend.db.session import reading_scope
from backend.kit.exports.table_files import Columns, csv_parts
from backend.kit.expressions import Expression
from backend.metrics import expressions
from backend.metrics import service as series
from backend.metrics.service import Curve

BEFORE = ("run", "step", "wall_time")  # seconds since the Unix epoch


def curves_csv(
    engine: Engine,
    run_ids: Sequence[str],
    columns: Sequence[str],
    parsed: Mapping[str, Expression] = MappingProxyType({}),
) -> Iterator[bytes]:
    """A line for each run and step, a column for each metric or expression (`parsed`, by its text), part by
    part: memory holds a part of one run.

    An empty cell: no point at that step. `NaN`, `Infinity` and `-Infinity` are values.
    """
    columns = list(dict.fromkeys(columns))
    return csv_parts((*BEFORE, *columns), _tables(engine, run_ids, columns, parsed))


def _tables(
    engine: Engine, run_ids: Sequence[str], columns: Sequence[str], parsed: Mapping[str, Expression]
) -> Iterator[Columns]:
    names = [column for column in columns if column not in parsed]
    read = {*names, *expressions.metrics_of(parsed.values())}
    for run_id in run_ids:
        with reading_scope(engine) as session:
            spans = series.spans(session, run_id, read)
        for span in spans:
            with reading_scope(engine) as session:
                found = expressions.read_part(session, run_id, names, parsed, span)
            if any(len(curve.steps) for curve in found.values()):
                yield _columns(run_id, [found.get(column) for column in columns])


def _columns(run_id: str, curves: Sequence[Curve | None]) -> Columns:
    """Those of one run, by step. A step has one moment: that of the first metric logged there."""
    steps = np.unique(np.concatenate([curve.steps for curve in curves if curve is not None]))
    moments = np.zeros(len(steps))
    columns = [np.ma.MaskedArray(np.zeros(len(steps)), True) for _ in curves]
    for column, curve in reversed(list(zip(columns, curves, strict=True))):
        if curve is not None:
            places = np.searchsorted(steps, curve.steps)
            moments[places] = curve.wall_times
            column[places] = curve.values
    return [[run_id] * len(steps), steps, moments, *columns]
