"""Runs table: first page, filters, orders, means over seeds and export, of 2,000 and of 50,000 runs.

Four metrics a run, five seeds a configuration. Each filter has another number, so that no answer is one that
was kept. Of the export: the memory that the server takes besides what it held, and the longest wait of the
small requests that another client sends meanwhile, one after the other.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable, Mapping
from itertools import count

import httpx

from benchmarks.kit.filled import many_runs
from benchmarks.kit.lab import DATABASES, Lab, databases, lab, subject
from benchmarks.kit.question import Question, run
from benchmarks.kit.records import Bar, at_most
from benchmarks.kit.timing import PeakMemory, repeated, resident_mb, seconds

SIZES = (2_000, 50_000)
QUICK_SIZES = (200, 1_000)
SORTED, MEANS = "filter and sort on a metric", "means over seeds, first page"
BARS: Mapping[tuple[int, str], Bar] = {
    (2_000, SORTED): at_most(50, "p95"),
    (50_000, SORTED): at_most(150, "p95"),
    (50_000, MEANS): at_most(500),
}


def measure(question: Question, options: argparse.Namespace) -> None:
    for size in QUICK_SIZES if question.quick else SIZES:
        # Filling 50,000 runs takes a minute, so each size has databases of its own.
        with databases(DATABASES) as urls:
            for database, url in urls.items():
                with lab(url, lambda url: many_runs(url, size)) as running:  # noqa: B023
                    of_size(question, running, database, size)


def of_size(question: Question, running: Lab, database: str, size: int) -> None:
    numbers = count(1)

    def tenth() -> str:
        """0.1 and a bit, different each time."""
        return f"0.1{next(numbers):05d}"

    api, page = "/api/v1/runs", "/"
    cases: dict[str, Callable[[], tuple[str, dict[str, object]]]] = {
        "first page, HTML": lambda: (page, {}),
        "first 100 runs, JSON": lambda: (api, {"limit": 100}),
        SORTED: lambda: (
            api,
            {"limit": 100, "filter": f"accuracy/token:max > {tenth()}", "sort": "-accuracy/token"},
        ),
        "filter on the config": lambda: (
            api,
            {"limit": 100, "filter": f"optimisation.learning_rate > {float(tenth()) / 1000:.9f}"},
        ),
        MEANS: lambda: (page, {"group": "seed", "sort": "-accuracy/token"}),
    }
    with running.client() as client:
        for name, request in cases.items():

            def ask() -> None:
                path, parameters = request()  # noqa: B023
                accept = "text/html" if path == page else "application/json"
                client.get(path, params=parameters, headers={"Accept": accept}).raise_for_status()  # type: ignore[arg-type]

            slow = size > SIZES[0]
            times = 3 if question.quick else 10 if slow else 30
            taken = repeated(ask, times)
            question.add(f"{size:,} runs: {name}", "ms", taken, subject(database), BARS.get((size, name)))
        export(question, running, client, database, size)


def export(question: Question, running: Lab, client: httpx.Client, database: str, size: int) -> None:
    """CSV of all runs with two more columns."""
    parameters = {"format": "csv", "columns": "accuracy/token,optimisation.learning_rate"}
    held, peak = resident_mb(running.pid), PeakMemory(running.pid)
    done = threading.Event()
    waits: list[float] = []

    def others() -> None:
        with running.client() as other:
            while not done.is_set():
                waits.append(1000 * seconds(lambda: other.get("/api/v1/runs?limit=5").raise_for_status()))
                time.sleep(0.01)

    thread = threading.Thread(target=others)
    thread.start()
    try:

        def ask() -> None:
            body = client.get("/api/v1/runs/export", params=parameters).raise_for_status().text
            assert body.count("\n") >= size

        taken = repeated(ask, 1 if size > SIZES[0] else 3, warm_up=0)
    finally:
        done.set()
        thread.join()
    name = f"{size:,} runs: CSV export"
    question.add(name, "ms", taken, subject(database))
    question.add(f"{name}, memory", "MB", [max(0.0, peak.mb() - held)], subject(database))
    question.add(f"{name}, longest wait of others", "ms", [max(waits)], subject(database))


if __name__ == "__main__":
    run(__file__, __doc__, measure)
