"""Curves of several runs as one CSV file, with every point, written while it is read."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np
from sqlalchemy import Engine

from backend.db.session import reading_scope
from backend.kit.exports.table_files import Columns, csv_parts
from backend.metrics import service as series
from backend.metrics.service import Curve

BEFORE = ("run", "step", "wall_time")  # seconds since the Unix epoch


def curves_csv(engine: Engine, run_ids: Sequence[str], names: Collection[str]) -> Iterator[bytes]:
    """A line for each run and step, a column for each metric, part by part: memory holds a part of one run.

    An empty cell: no point at that step. `NaN`, `Infinity` and `-Infinity` are values.
    """
    columns = list(dict.fromkeys(names))
    return csv_parts((*BEFORE, *columns), _tables(engine, run_ids, columns))


def _tables(engine: Engine, run_ids: Sequence[str], names: Sequence[str]) -> Iterator[Columns]:
    for run_id in run_ids:
        with reading_scope(engine) as session:
            spans = series.spans(session, run_id, names)
        for first, last in spans:
            with reading_scope(engine) as session:
                found = series.read(session, run_id, names, first=first, last=last)
            if any(len(curve.steps) for curve in found.values()):
                yield _columns(run_id, [found.get(name) for name in names])


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
