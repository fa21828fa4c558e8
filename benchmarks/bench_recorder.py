"""What recording costs a training: points per second and the wait of each call, with and without a journal.

Both take turns in one process on one SQLite file, so that a busy machine slows both; the ratio comes last.
A step records 25 metrics, as fast as a loop can; the time of the calls alone counts, and then the flush.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from backend.db.session import make_engine, session_scope
from backend.domain.config.presets import quick
from backend.embedded.database import prepare
from backend.lifecycle import service as runs
from backend.queue import claims
from worker.recording.database import DbRecorder
from worker.recording.entries import Entry
from worker.recording.journal import Journal

METRICS = {f"metric {number}": number / 7 for number in range(25)}
STEPS = 20_000
ROUNDS = 5


class NoJournal:
    """Counts batches and keeps none."""

    def __init__(self, attempt: int) -> None:
        self._last = attempt << 32

    def keep(self, _entries: Sequence[Entry]) -> int:
        self._last += 1
        return self._last

    def stored(self, number: int) -> None:
        pass

    def close(self) -> None:
        pass


def measure(url: str, artifacts: Path, with_journal: bool) -> dict[str, float]:
    """One run of `STEPS` steps."""
    engine = make_engine(url)
    with session_scope(engine) as session:
        run_id = runs.create(session, quick()).id
        claim = claims.claim(session, run_id, "host.1.1.1")
    assert claim is not None
    journal = Journal(artifacts / run_id, claim.attempt) if with_journal else NoJournal(claim.attempt)
    recorder = DbRecorder(engine, run_id, claim.attempt, artifacts, journal)
    calls = []
    began = time.perf_counter()
    for step in range(1, STEPS + 1):
        called = time.perf_counter()
        recorder.metrics(step, METRICS)
        calls.append(time.perf_counter() - called)
    called_all = time.perf_counter() - began
    recorder.flush()
    stored_all = time.perf_counter() - began
    recorder.close()
    engine.dispose()
    points = STEPS * len(METRICS)
    return {
        "points_per_second": points / called_all,
        "stored_points_per_second": points / stored_all,
        "call_median_ms": statistics.median(calls) * 1000,
        "call_mean_ms": statistics.fmean(calls) * 1000,
    }


def main() -> None:
    found: dict[bool, list[dict[str, float]]] = {False: [], True: []}
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/etrm.sqlite3"
        prepare(url).dispose()
        for _ in range(ROUNDS):
            for with_journal in found:
                found[with_journal].append(measure(url, Path(folder), with_journal))
    medians: dict[bool, dict[str, float]] = {}
    for with_journal, rounds in found.items():
        medians[with_journal] = {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}
        figures = {name: round(value, 4) for name, value in medians[with_journal].items()}
        print(json.dumps({"journal": with_journal} | figures))
    print(json.dumps({name: round(medians[True][name] / medians[False][name], 3) for name in medians[True]}))


if __name__ == "__main__":
    main()
