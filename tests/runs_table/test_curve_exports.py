"""The curves of a run as files, which are written part by part."""

from __future__ import annotations

import csv
import io
import json
import math
import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, delete

from backend.db.session import session_scope
from backend.domain.records import MetricFrame
from backend.kit.format import sayable
from backend.metrics import service as series
from backend.runs.tables import Run
from backend.runs_table import exports
from tests.evaluation_page.test_exports import read_parquet
from tests.kit.test_tensorboard import records, scalar
from tests.support.records.rows import add_run

RUN = "aaaaaaaaaa"
START = 1_790_000_000.0
FORMATS = ("csv", "json", "parquet", "tensorboard")
Line = tuple[str, int, float, float]


def append(engine: Engine, name: str, steps: range, values: list[float]) -> list[Line]:
    times = [START + step / 8 for step in steps]
    with session_scope(engine) as session:
        series.append(session, RUN, MetricFrame(list(steps), times, {name: values}))
    return [(name, *point) for point in zip(steps, times, values, strict=True)]


def parts(engine: Engine, as_: str) -> Iterator[bytes]:
    return exports.curves(engine, RUN, None, as_).parts


@pytest.fixture
def lines(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> list[Line]:
    """Curves of several parts, and numbers of every size in short ones, of which some share a part."""
    monkeypatch.setattr("backend.metrics.service.SPAN", 500)
    monkeypatch.setattr("backend.metrics.segment_rows.FULL", 300)
    monkeypatch.setattr("backend.kit.exports.table_files.GROUP", 700)
    add_run(engine, RUN)
    numbers = np.random.default_rng(0)
    sizes = [sign * 10.0**power / 3 for power in range(-320, 309) for sign in (1, -1)]
    sizes += [0.0, -0.0, 1e-4, 9.999e-5, 1e15, 1e16, 2.0**53, math.nan, math.inf, -math.inf]
    return [
        *append(engine, 'a%s "=1+1"', range(3), [1.5, math.nan, 2.0]),
        *append(engine, "b", range(0, 4_000, 2), numbers.normal(size=2_000).tolist()),
        *append(engine, "c", range(len(sizes)), sizes),
        *append(engine, "d", range(5), [0.1] * 5),
        *append(engine, "e", range(2), [0.1] * 2),
    ]


def test_files_hold_every_point_as_python_writes_it(engine: Engine, lines: list[Line]) -> None:
    told = [(*line[:3], sayable(line[3])) for line in lines]
    text = io.StringIO(newline="")
    csv.writer(text).writerows([exports.CURVES, *told])
    assert b"".join(parts(engine, "csv")).decode() == text.getvalue()
    rows = [dict(zip(exports.CURVES, line, strict=True)) for line in told]
    assert b"".join(parts(engine, "json")).decode() == json.dumps(rows)
    read: list[Any] = [tuple(row.values()) for row in read_parquet(b"".join(parts(engine, "parquet")))]
    assert repr(read) == repr(lines)
    with np.errstate(over="ignore"):
        singles = [(*line[:3], float(np.float32(line[3]))) for line in lines]
    _, *events = records(b"".join(parts(engine, "tensorboard")))
    assert repr([scalar(event) for event in events]) == repr(singles)


@pytest.mark.parametrize("as_", FORMATS)
def test_what_is_logged_meanwhile_is_left_out(engine: Engine, lines: list[Line], as_: str) -> None:
    whole = b"".join(parts(engine, as_))
    file = parts(engine, as_)
    begun = next(file)
    append(engine, "c", range(5_000, 6_000), [1.0] * 1_000)
    append(engine, "f", range(10), [1.0] * 10)
    assert begun + b"".join(file) == whole


@pytest.mark.parametrize("as_", FORMATS)
def test_a_run_deleted_meanwhile_ends_a_file_that_can_be_read(
    engine: Engine, lines: list[Line], as_: str
) -> None:
    file = parts(engine, as_)
    begun = next(file) + next(file) + next(file)
    with session_scope(engine) as session:
        session.execute(delete(Run).where(Run.id == RUN))
    whole = begun + b"".join(file)
    count = {
        "csv": lambda: len(list(csv.DictReader(io.StringIO(whole.decode(), newline="")))),
        "json": lambda: len(json.loads(whole)),
        "parquet": lambda: len(read_parquet(whole)),
        "tensorboard": lambda: len(list(records(whole))) - 1,
    }[as_]
    assert 0 < count() < len(lines)


@pytest.mark.slow
@pytest.mark.parametrize("as_", FORMATS)
def test_a_million_points_take_little_memory(engine: Engine, as_: str) -> None:
    add_run(engine, RUN)
    steps = list(range(100_000))
    times = [START + step / 8 for step in steps]
    values = np.random.default_rng(0).normal(size=len(steps)).tolist()
    with session_scope(engine) as session:
        frame = MetricFrame(steps, times, {f"metric {number}": values for number in range(10)})
        series.append(session, RUN, frame)
    tracemalloc.start()
    written = sum(map(len, parts(engine, as_)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert written > 1e7
    assert peak < 80e6
