"""Recorder: points a second until they can be read, how long a call blocks, bytes on disk.

In process: 1,000,000 points in one append; and calls of one step with 10 metrics, as fast as a loop can, by
the recorder of trainings with its journal, until all is stored. Over HTTP: calls of 1, 100, 1,000 and 10,000
steps with 10 metrics, one after the other, each answered once its points are stored. Peers: the call of one
step that their guide shows, until their reader returns the last point. Floors: a row for each point.
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import psycopg
from sqlalchemy import Engine, text

from backend.db.session import make_engine, session_scope
from backend.domain.config.presets import quick
from backend.domain.records import MetricFrame
from backend.lifecycle import service as runs
from backend.metrics import service as series
from backend.queue import claims
from backend.settings import POSTGRES_DRIVER
from benchmarks.kit.filled import frame
from benchmarks.kit.lab import DATABASES, POSTGRES, databases, lab, subject
from benchmarks.kit.peers import PEERS, TRACKIO, Peer, PeerFailed
from benchmarks.kit.question import Question, run
from benchmarks.kit.records import at_least, at_most
from benchmarks.kit.timing import seconds
from worker.recording.database import DbRecorder

METRICS = [f"metric {number}" for number in range(10)]
TABLES = ("series_segment", "series_tile", "series")
BULK = "one append of many points"
BY_STEP = "calls of one step with 10 metrics"
HTTP = "over HTTP, {} a call"
DISK, BLOCKED = "disk", "blocked by a call of one step"
STEPS_A_CALL = {"1 step": 1, "100 steps": 100, "1,000 steps": 1_000, "10,000 steps": 10_000}
BATCHES = "1,000 steps"  # that the bar is set for


def measure(question: Question, options: argparse.Namespace) -> None:
    with databases() as urls:
        for name in DATABASES:
            engine = make_engine(urls[name])
            in_bulk(question, engine, subject(name), *((2, 5_000) if question.quick else (5, 50_000)))
            by_step(question, engine, subject(name), *((2, 2_000) if question.quick else (5, 20_000)))
            engine.dispose()
            over_http(question, urls[name], subject(name), 1.0 if question.quick else 5.0)
        floors(question, urls[POSTGRES], 20_000 if question.quick else 200_000)
    for peer in PEERS:
        peers_call(question, peer, question.quick)


def in_bulk(question: Question, engine: Engine, name: str, times: int, points: int) -> None:
    """20 metrics in one transaction; the weight of the first one."""
    metrics = [f"metric {number}" for number in range(20)]
    written = frame(points, metrics)
    before, rates = bytes_on_disk(engine), []
    for number in range(times + 1):
        run_id = new_run(engine)
        taken = seconds(lambda run_id=run_id: append(engine, run_id, written))  # type: ignore[misc]
        if number:  # the first is the warm-up
            rates.append(20 * points / taken)
        else:
            weight = (bytes_on_disk(engine) - before) / (20 * points)
    question.add(BULK, "points/s", rates, name, at_least(1_000_000))
    question.add(f"{DISK}, {BULK}", "bytes/point", [weight], name, at_most(16), more_is_better=False)


def by_step(question: Question, engine: Engine, name: str, times: int, steps: int) -> None:
    """A loop that does nothing but record."""
    drawn = np.random.default_rng(0).random((steps, len(METRICS))).tolist()
    rows = [dict(zip(METRICS, values, strict=True)) for values in drawn]
    rates: list[float] = []
    calls: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(times + 1):
            run_id = new_run(engine)
            with session_scope(engine) as session:
                claim = claims.claim(session, run_id, "host.1.1.1")
            assert claim is not None
            before = bytes_on_disk(engine)
            recorder = DbRecorder(engine, run_id, claim.attempt, Path(folder))
            took = []
            began = time.perf_counter()
            for step, values in enumerate(rows):
                called = time.perf_counter()
                recorder.metrics(step, values)
                took.append(1000 * (time.perf_counter() - called))
            recorder.flush()
            whole = time.perf_counter() - began
            recorder.close()
            if number:
                rates.append(steps * len(METRICS) / whole)
                calls += took
            else:
                with session_scope(engine) as session:
                    series.compact(session, run_id)
                weight = (bytes_on_disk(engine) - before) / (steps * len(METRICS))
    question.add(BY_STEP, "points/s", rates, name, at_least(300_000))
    question.add(BLOCKED, "ms", calls, name, at_most(0.03))
    question.add(f"{DISK}, {BY_STEP}", "bytes/point", [weight], name, at_most(16), more_is_better=False)


def over_http(question: Question, url: str, name: str, lasting: float) -> None:
    """Calls one after the other for a while, of one size after the other, each into a run of its own."""
    generator = np.random.default_rng(0)
    with lab(url) as running, running.client() as client:
        for words, steps in STEPS_A_CALL.items():
            values = {metric: generator.random(steps).tolist() for metric in METRICS}
            run_id = client.post("/api/v1/runs/external", json={"name": words}).json()["id"]
            log(client, run_id, 0, steps, values)
            took: list[float] = []
            began = time.perf_counter()
            while len(took) < 3 or time.perf_counter() - began < lasting:
                first = (len(took) + 1) * steps
                took.append(seconds(lambda: log(client, run_id, first, steps, values)))  # noqa: B023
            bar = at_least(300_000) if words == BATCHES else None
            rates = [10 * steps / each for each in took]
            question.add(HTTP.format(words), "points/s", rates, name, bar)
            if steps == 1:
                question.add("over HTTP, a call of 1 step", "ms", [1000 * each for each in took], name)


def log(client: httpx.Client, run_id: str, first: int, steps: int, values: dict[str, list[float]]) -> None:
    body = {"step": list(range(first, first + steps)), "values": values}
    client.post(f"/api/v1/runs/{run_id}/metrics", json=body).raise_for_status()


def floors(question: Question, postgres: str, points: int) -> None:
    """A row for each point: inserted into SQLite, copied into PostgreSQL."""
    rows = [("run", f"metric {at % 10}", at // 10, 1.79e9 + at, at / 7) for at in range(points)]
    table = "(run text, name text, step bigint, wall_time double precision, value double precision, {})"
    key = "primary key (run, name, step)"

    def times(write: Callable[[], None]) -> list[float]:
        return [points / seconds(write) for _ in range(3)]

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.sqlite3"
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA journal_mode=WAL")

        def insert() -> None:
            connection.execute("DROP TABLE IF EXISTS point")
            connection.execute(f"CREATE TABLE point {table.format(key)} WITHOUT ROWID")
            connection.executemany("INSERT INTO point VALUES (?, ?, ?, ?, ?)", rows)
            connection.commit()

        question.add(BY_STEP, "points/s", times(insert), "floor: SQLite rows in one transaction")
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        question.add(
            f"{DISK}, {BY_STEP}",
            "bytes/point",
            [path.stat().st_size / points],
            "floor: SQLite rows in one transaction",
            more_is_better=False,
        )

    with psycopg.connect(postgres.replace(POSTGRES_DRIVER, "postgresql://"), autocommit=True) as server:

        def copy() -> None:
            server.execute("DROP TABLE IF EXISTS point")
            server.execute(f"CREATE TABLE point {table.format(key)}".encode())
            with server.cursor().copy("COPY point FROM STDIN") as copied:
                for row in rows:
                    copied.write_row(row)

        question.add(BY_STEP, "points/s", times(copy), "floor: PostgreSQL COPY")
        server.execute("DROP TABLE point")


def peers_call(question: Question, peer: Peer, quick: bool) -> None:
    steps = {"mlflow": 100, "aim": 2_000, "tensorboard": 5_000, "trackio": 20_000}[peer.package]
    try:
        lines = peer.run("record", steps // 10 if quick else steps)
    except PeerFailed as error:
        question.missing(BY_STEP, "points/s", peer.title, str(error))
        return
    for line in lines:
        question.add(BY_STEP, "points/s", [line["points_per_s"]], peer.name)
        question.add(BLOCKED, "ms", line["blocked_ms"], peer.name)
        if peer is TRACKIO:  # three times its default call is what batches over HTTP are wanted to reach
            name = f"{peer.name}, its default call"
            question.add(HTTP.format(BATCHES), "points/s", [line["points_per_s"]], name)
        weight = [line["bytes_per_point"]]
        question.add(f"{DISK}, {BY_STEP}", "bytes/point", weight, peer.name, more_is_better=False)


def new_run(engine: Engine) -> str:
    with session_scope(engine) as session:
        return runs.create(session, quick()).id


def append(engine: Engine, run_id: str, written: MetricFrame) -> None:
    with session_scope(engine) as session:
        series.append(session, run_id, written)


def bytes_on_disk(engine: Engine) -> int:
    """Bytes of the series with their indices, after dead rows are gone."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if engine.dialect.name == "sqlite":
            parts = "SELECT name FROM sqlite_master WHERE tbl_name = :name"
            sizes = f"SELECT coalesce(sum(pgsize), 0) FROM dbstat WHERE name IN ({parts})"
        else:
            connection.execute(text("VACUUM FULL"))
            sizes = "SELECT pg_total_relation_size(:name)"
        return sum(connection.execute(text(sizes), {"name": name}).scalar_one() for name in TABLES)


if __name__ == "__main__":
    run(__file__, __doc__, measure)
