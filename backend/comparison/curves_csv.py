"""Curves of several runs as one CSV file, with every point, written while it is read."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
from sqlalchemy import Engine

from backend.db.session import reading_scope
from backend.kit.exports.table_files import csv_text
from backend.kit.format import sayable
from backend.metrics import service as series
from backend.metrics.service import Curve

ROWS = 5000  # of one part
BEFORE = ("run", "step", "wall_time")  # seconds since the Unix epoch


def curves_csv(engine: Engine, run_ids: Sequence[str], names: Collection[str]) -> Iterator[str]:
    """A line for each run and step, a column for each metric, part by part: memory holds a part of one run.

    An empty cell: no point at that step. `NaN`, `Infinity` and `-Infinity` are values.
    """
    columns = list(dict.fromkeys(names))
    yield csv_text([(*BEFORE, *columns)])
    for run_id in run_ids:
        with reading_scope(engine) as session:
            spans = series.spans(session, run_id, columns)
        for first, last in spans:
            with reading_scope(engine) as session:
                found = series.read(session, run_id, columns, first=first, last=last)
            rows = _rows(run_id, [found.get(name) for name in columns])
            while part := list(islice(rows, ROWS)):
                yield csv_text(part)


def _rows(run_id: str, curves: Sequence[Curve | None]) -> Iterator[tuple[Any, ...]]:
    """Those of one run, by step. A step has one moment: that of the first metric logged there."""
    logged = [(column, each) for column, each in enumerate(curves) if each is not None and len(each.steps)]
    if not logged:
        return
    steps = np.unique(np.concatenate([each.steps for _, each in logged]))
    moments = np.zeros(len(steps))
    cells: list[list[Any]] = [[""] * len(steps) for _ in curves]
    for column, each in reversed(logged):
        places = np.searchsorted(steps, each.steps)
        moments[places] = each.wall_times
        for place, value in zip(places.tolist(), each.values.tolist(), strict=True):
            cells[column][place] = sayable(value)
    for at, (step, moment) in enumerate(zip(steps.tolist(), moments.tolist(), strict=True)):
        yield (run_id, step, moment, *(column[at] for column in cells))
