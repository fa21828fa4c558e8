"""Charts: one call for 20 curves of any length, 1,000 points of each drawn.

20 runs with one metric of 1,000 to 1,000,000 points, by `GET /api/v1/compare/series` over an open connection.
One point of each run stands out: a chart that lost it would be wrong. Memory is the most that the server held
during the first calls, from short to long curves. Peers: the call that their own page makes for that chart.
Floor: the least and the greatest value of 500 buckets of each curve, in one query over a row for each point.
"""

from __future__ import annotations

import argparse
import sqlite3
import struct
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import orjson

from backend.db.session import make_engine, session_scope
from backend.lifecycle import external_runs
from backend.metrics import service as series
from benchmarks.kit.filled import frames
from benchmarks.kit.lab import SQLITE, databases, lab, subject
from benchmarks.kit.peers import AIM, MLFLOW, TENSORBOARD, Peer, PeerFailed
from benchmarks.kit.question import Question, progress, run
from benchmarks.kit.records import Bar, at_most
from benchmarks.kit.timing import PeakMemory, in_turns, repeated

RUNS = 20
LENGTHS = (1_000, 10_000, 100_000, 1_000_000)
COMPARED = 10_000  # the length that peers are asked for, too
BARS: dict[int, Bar] = {10_000: at_most(30, "p95"), 1_000_000: at_most(40, "p95")}
NAME = "loss"
LEAST = 10_000  # bytes that 20 curves take, whatever they are written in


def measure(question: Question, options: argparse.Namespace) -> None:
    # A million points in 20 curves are written for minutes: on SQLite alone.
    lengths = LENGTHS[:3] if question.quick else LENGTHS
    compared = 1_000 if question.quick else COMPARED
    with databases() as urls:
        for database, url in urls.items():
            engine = make_engine(url)
            shown = lengths if database == SQLITE else lengths[: 2 if question.quick else 3]
            ids = {length: [add_run(engine, length, number) for number in range(RUNS)] for length in shown}
            engine.dispose()
            of_lengths(question, url, database, ids)
    floor(question, compared)
    for peer, call in ((TENSORBOARD, of_tensorboard), (AIM, of_aim), (MLFLOW, of_mlflow)):
        of_peer(question, peer, compared, call)


def case(length: int) -> str:
    return f"{RUNS} curves × {length:,}"


def add_run(engine: object, length: int, number: int) -> str:
    """A finished run whose curve has one point far above the others."""
    with session_scope(engine) as session:  # type: ignore[arg-type]
        run_id = external_runs.create(session, f"{length} {number}", {}).id
    progress(f"Writing {length:,} points of run {number + 1}")
    for written in frames(length, [NAME], number):
        spike = (length // 2 + number) * 10
        if spike in (steps := list(written.steps)):
            list_of = list(written.values[NAME])
            list_of[steps.index(spike)] = 10.0 + number
            written = type(written)(written.steps, written.wall_times, {NAME: list_of})
        with session_scope(engine) as session:  # type: ignore[arg-type]
            series.append(session, run_id, written)
    with session_scope(engine) as session:  # type: ignore[arg-type]
        series.compact(session, run_id)
    return run_id


def of_lengths(question: Question, url: str, database: str, ids: dict[int, list[str]]) -> None:
    """The memory of each length, then all lengths in turns."""
    with lab(url) as running, running.client() as client:

        def chart(length: int) -> httpx.Response:
            parameters = {"runs": ",".join(ids[length]), "names": NAME, "max_points": 1000}
            return client.get("/api/v1/compare/series", params=parameters).raise_for_status()

        for length in sorted(ids):  # the first calls of all: what a longer one took is not given back
            peak = PeakMemory(running.pid)
            for _ in range(3):
                chart(length)
            question.add(f"{case(length)}, memory of the server", "MB", [peak.mb()], subject(database))
        calls = {case(length): (lambda length=length: chart(length)) for length in ids}
        taken = in_turns(calls, 5 if question.quick else 30, warm_up=2)
        for length in ids:
            name = case(length)
            question.add(name, "ms", taken[name], subject(database), BARS.get(length))
            with httpx.stream(
                "GET",
                f"{running.url}/api/v1/compare/series",
                params={"runs": ",".join(ids[length]), "names": NAME, "max_points": 1000},
                headers={"Authorization": f"Bearer {running.token}", "Accept-Encoding": "gzip"},
                timeout=120,
            ) as answer:
                sent = sum(len(part) for part in answer.iter_raw()) / 1000
            bar = at_most(350) if length == COMPARED else None
            question.add(f"{name}, sent", "kB", [sent], subject(database), bar)
            body = chart(length).content
            question.add(
                f"{name}, spikes kept of {RUNS}",
                "spikes",
                [kept_in(body)],
                subject(database),
                more_is_better=True,
            )


def kept_in(body: bytes) -> int:
    """How many of the points that stand out are in an answer: as numbers, or as the eight bytes of one."""
    wanted = [10.0 + number for number in range(RUNS)]
    try:
        numbers = set(numbers_of(orjson.loads(body)))
    except orjson.JSONDecodeError:
        return sum(struct.pack("<d", value) in body for value in wanted)
    return sum(value in numbers for value in wanted)


def numbers_of(value: object) -> list[float]:
    """All numbers with a fraction of a JSON document, at any depth."""
    if isinstance(value, float):
        return [value]
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [number for each in inside for number in numbers_of(each)]


def floor(question: Question, length: int) -> None:
    """SQL alone, over rows by (run, step)."""
    with tempfile.TemporaryDirectory() as folder:
        connection = sqlite3.connect(Path(folder) / "rows.sqlite3")
        connection.execute(
            "CREATE TABLE point (run integer, step integer, value real, "
            "PRIMARY KEY (run, step)) WITHOUT ROWID"
        )
        rows = ((number, step, 1 / (1 + step)) for number in range(RUNS) for step in range(length))
        connection.executemany("INSERT INTO point VALUES (?, ?, ?)", rows)
        connection.commit()
        query = "SELECT run, step * 500 / ?, min(value), max(value) FROM point GROUP BY 1, 2"

        def read() -> None:
            assert len(connection.execute(query, (length,)).fetchall()) == RUNS * 500

        question.add(case(length), "ms", repeated(read, 10), "floor: min/max in SQL")
        connection.close()


Call = Callable[[httpx.Client, list[str]], httpx.Response]


def of_peer(question: Question, peer: Peer, length: int, call: Call) -> None:
    """The same curves in a peer."""
    try:
        with peer.at_home() as folder:
            progress(f"Filling {peer.title}")
            ids = [str(line["run"]) for line in peer.run_in(folder, "fill", RUNS, length)]
            with peer.server(folder) as (url, _), httpx.Client(base_url=url, timeout=300) as client:
                body = settled(lambda: call(client, ids).raise_for_status().content)
                times = 3 if question.quick else 10
                taken = repeated(lambda: call(client, ids).raise_for_status(), times)
    except (PeerFailed, httpx.HTTPError, TimeoutError) as error:
        question.missing(case(length), "ms", peer.title, str(error) or type(error).__name__)
        return
    question.add(case(length), "ms", taken, peer.name)
    question.add(f"{case(length)}, sent", "kB", [len(body) / 1000], peer.name, note="not compressed")
    question.add(
        f"{case(length)}, spikes kept of {RUNS}", "spikes", [kept_in(body)], peer.name, more_is_better=True
    )


def settled(ask: Callable[[], bytes]) -> bytes:
    """The answer that comes twice in a row: servers read files for some seconds after they answer."""
    deadline, before = time.monotonic() + 300, b""
    while time.monotonic() < deadline:
        body = ask()
        if len(body) == len(before) and len(body) > LEAST:
            return body
        before = body
        time.sleep(6)
    raise TimeoutError("its answer is empty or changes for minutes")


def of_tensorboard(client: httpx.Client, ids: list[str]) -> httpx.Response:
    """Answers once it has read all log files; it draws 1,000 points of each unless told otherwise."""
    asked = {"requests": '[{"plugin": "scalars", "tag": "loss"}]'}
    return client.post(
        "/experiment/defaultExperimentId/data/plugin/timeseries/timeSeries", files=_form(asked)
    )


def of_aim(client: httpx.Client, ids: list[str]) -> httpx.Response:
    asked = {"q": "metric.name == 'loss'", "p": 1000, "report_progress": False}
    return client.get("/api/runs/search/metric/", params=asked, headers={"x-timezone-offset": "0"})


def of_mlflow(client: httpx.Client, ids: list[str]) -> httpx.Response:
    asked = {"run_ids": ids, "metric_key": NAME, "max_results": 1000}
    return client.get("/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval", params=asked)


def _form(fields: dict[str, str]) -> dict[str, tuple[None, str]]:
    return {name: (None, value) for name, value in fields.items()}


if __name__ == "__main__":
    run(__file__, __doc__, measure)
