"""The guard: a few ratios to references in the same process, which must not worsen by more than a factor.

    python -m benchmarks.guard        prints the ratios and their limits

`tests/benchmarks/test_guard.py` holds them to it in every run of the tests. Both sides of a ratio take turns
and are measured in the processor's time, so a busy machine slows both and waiting counts for neither; the
median of the turns counts, so single disturbed turns do not. What remains are caches that others empty, and
other processors. What is usual is what a busy machine gives, and the factor is 2 or more: the guard is for
what becomes several times slower, the report for the rest.
"""

from __future__ import annotations

import math
import os
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from sqlalchemy import Engine

from backend.db.migrate import upgrade
from backend.db.session import make_engine, reading_scope, session_scope
from backend.domain.records import MetricFrame
from backend.lifecycle import external_runs
from backend.metrics import service as series
from benchmarks.kit.filled import frame, frames

CURVES = [f"metric {number}" for number in range(10)]
BULK, SHORT, LONG = 10_000, 10_000, 100_000  # points a curve
CALLS = 50  # of one step
TURNS = 7
FACTOR = 4  # by which a ratio may exceed its usual value
ATTEMPTS = 3

Sides = tuple[Callable[[], object], Callable[[], object]]  # ours, the reference


@dataclass(frozen=True)
class Ratio:
    """Processor time of something of ours over that of a reference."""

    name: str
    sides: Callable[[Bench], Sides]
    usual: float  # measured when the guard was last set
    spread: str  # what it was besides
    clock: Callable[[], float] = time.process_time

    @property
    def limit(self) -> float:
        return self.usual * FACTOR

    def measure(self, bench: Bench, turns: int = TURNS) -> float:
        """The median over the turns, after one that warms both up; the least of up to three if too much."""
        ours, reference = self.sides(bench)
        ours(), reference()
        least = math.inf
        for _ in range(ATTEMPTS):
            least = min(least, self._median(ours, reference, turns))
            if least <= self.limit:
                break
        return least

    def _median(self, ours: Callable[[], object], reference: Callable[[], object], turns: int) -> float:
        return statistics.median(self._seconds(ours) / self._seconds(reference) for _ in range(turns))

    def _seconds(self, action: Callable[[], object]) -> float:
        started = self.clock()
        action()
        return max(self.clock() - started, 1e-6)


class Bench:
    """A migrated SQLite file with two runs of ten curves, a short and a long one; and a file of rows."""

    def __init__(self, folder: Path) -> None:
        url = f"sqlite:///{folder / 'guard.sqlite3'}"
        upgrade(url)
        self.engine: Engine = make_engine(url)
        self.environment = os.environ | {"ETRM_HOME": str(folder), "ETRM_DATABASE_URL": url}
        self.environment.pop("PYTHONDONTWRITEBYTECODE", None)  # it would compile everything at every start
        self.rows = sqlite3.connect(folder / "rows.sqlite3", isolation_level=None)
        self.rows.execute("PRAGMA journal_mode=WAL")
        self.rows.execute("PRAGMA synchronous=NORMAL")  # as the lab's own connections
        self.rows.execute(
            "CREATE TABLE point (run integer, name text, step integer, wall_time real, value real, "
            "PRIMARY KEY (run, name, step)) WITHOUT ROWID"
        )
        self.short, self.long = (self._written(points) for points in (SHORT, LONG))
        self.step = 0

    def new_run(self) -> str:
        with session_scope(self.engine) as session:
            return external_runs.create(session, "guard", {}).id

    def append(self, run_id: str, written: MetricFrame) -> None:
        with session_scope(self.engine) as session:
            series.append(session, run_id, written)

    def read(self, run_id: str, max_points: int | None) -> None:
        with reading_scope(self.engine) as session:
            assert len(series.read(session, run_id, CURVES, max_points)) == len(CURVES)

    def insert(self, run: int, written: MetricFrame) -> None:
        """The same points as rows."""
        rows = (
            (run, name, step, wall_time, value)
            for name, values in written.values.items()
            for step, wall_time, value in zip(written.steps, written.wall_times, values, strict=True)
        )
        self.rows.execute("BEGIN")
        self.rows.executemany("INSERT OR REPLACE INTO point VALUES (?, ?, ?, ?, ?)", rows)
        self.rows.execute("COMMIT")

    def close(self) -> None:
        self.engine.dispose()
        self.rows.close()

    def _written(self, points: int) -> str:
        run_id = self.new_run()
        for written in frames(points, CURVES):
            self.append(run_id, written)
        with session_scope(self.engine) as session:
            series.compact(session, run_id)
        return run_id


@contextmanager
def bench() -> Iterator[Bench]:
    with tempfile.TemporaryDirectory(prefix="etrm-guard-") as folder:
        made = Bench(Path(folder))
        try:
            yield made
        finally:
            made.close()


def in_bulk(bench: Bench) -> Sides:
    written = frame(BULK, CURVES)
    return lambda: bench.append(bench.new_run(), written), lambda: bench.insert(0, written)


def by_call(bench: Bench) -> Sides:
    """Calls of one step; as many of plain rows. Every call in a transaction of its own."""
    run_id = bench.new_run()

    def times(write: Callable[[MetricFrame], None]) -> None:
        for _ in range(CALLS):
            bench.step += 1
            write(MetricFrame([bench.step], [1.79e9], {name: [0.5] for name in CURVES}))

    return partial(times, partial(bench.append, run_id)), partial(times, partial(bench.insert, 1))


def thinned(bench: Bench) -> Sides:
    return lambda: bench.read(bench.long, 1_000), lambda: bench.read(bench.long, None)


def by_length(bench: Bench) -> Sides:
    return lambda: bench.read(bench.long, 1_000), lambda: bench.read(bench.short, 1_000)


def loading(_: Bench) -> Sides:
    """A batch of ETRM's samples; copies of as many cells, at eight bytes each, ten times."""
    from benchmarks.loader import config_of, drawing

    draw, cells = drawing(config_of("etrm_deterministic_arc1", tasks=50), 32)
    array = np.zeros(cells, dtype=np.int64)
    return draw, lambda: [array.copy() for _ in range(10)]


def starting(bench: Bench) -> Sides:
    """The command that lists runs; what SQLAlchemy imports."""

    def program(*words: str) -> Callable[[], object]:
        return lambda: subprocess.run(
            [sys.executable, *words], env=bench.environment, check=True, capture_output=True
        )

    return program("-m", "backend.cli", "runs"), program("-c", "import sqlalchemy.orm")


def of_children() -> float:
    """Processor time of the children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


# Spreads: of four measurements beside 5 to 16 processes at work on two cores, and of three beside 1 to 4.
RATIOS = (
    Ratio("bulk append over inserted rows", in_bulk, 0.12, "0.109 to 0.126"),
    Ratio("call of one step over inserted rows", by_call, 50, "45 to 52: the reference is short"),
    Ratio("thinned read over whole read", thinned, 0.15, "0.147 to 0.173, on a quieter machine 0.128"),
    Ratio("long curves over short ones", by_length, 1.2, "1.16 to 1.26, on a quieter machine 1.13"),
    Ratio("loader over copied cells", loading, 0.31, "0.25 to 0.34, on a quieter machine 0.13"),
    Ratio(
        "etrm runs over importing sqlalchemy.orm",
        starting,
        0.85,
        "0.77 to 0.9: both import and do little else",
        of_children,
    ),
)


def main() -> None:
    with bench() as made:
        for ratio in RATIOS:
            print(f"{ratio.name}: {ratio.measure(made):.3f} (limit {ratio.limit:.3f})", flush=True)


if __name__ == "__main__":
    main()
