"""What a training emits, into the database: the only bridge between the loop and what people see.

A checkpoint's row is written together with, never before, the points that precede it: what a restart resumes
from is what the database knows. With an object store, it is written once that has the checkpoint.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

from sqlalchemy import Engine

from backend.artifacts.service import ObjectStore
from backend.domain.histograms import Counted, Histogram
from backend.domain.log_levels import Level
from backend.domain.records import (
    Alarm,
    Checkpoint,
    EvaluationKey,
    EvaluationSummary,
    LogLine,
    Progress,
    Ruling,
    TestOutcome,
)
from backend.domain.snapshots import Snapshot
from backend.domain.trained_on import TrainedOn
from backend.web import notify
from worker.recording.entries import Answered, Entry, Point, Released, Started
from worker.recording.journal import Journal
from worker.recording.store import Store
from worker.recording.uploads import Publisher, Uploads, parted
from worker.recording.write_behind import Keeper, WriteBehind

TABLE_EVERY = 2.0  # seconds between two notifications to the table of runs


class DbRecorder:
    """A Recorder whose methods only append to a list; threads write it in bulk, first to a journal.

    Raises LostRun from any method once the run belongs to another attempt.
    """

    def __init__(
        self,
        engine: Engine,
        run_id: str,
        attempt: int,
        artifacts: Path,
        journal: Keeper[Entry] | None = None,
        objects: ObjectStore | None = None,
    ) -> None:
        self._run_id = run_id
        self._store = Store(engine, artifacts, run_id, attempt)
        self._table_told_at = 0.0
        self._phase = ""
        self.step: int | None = None  # of the training, as recorded last; None: it has not begun
        self._remove: Callable[[str], None] | None = None
        journal = journal or Journal(artifacts / run_id, attempt)
        self._uploads: Uploads | None = None
        if objects is not None:
            publisher = Publisher(objects, artifacts, self._store, self._remove_files)
            journal = self._uploads = Uploads(publisher, journal, self.log, self._announce)
        self._queue: WriteBehind[Entry] = WriteBehind(self._write, journal)

    def trained_on(self, record: TrainedOn) -> TrainedOn:
        self._queue.put(record)
        self._queue.flush()
        return self._store.trained_on or record

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        self._queue.put(Point(step, time.time(), dict(values)))

    def histograms(self, step: int, groups: Mapping[str, Histogram]) -> None:
        self._queue.put(Counted(step, time.time(), dict(groups)))

    def contexts(self, snapshot: Snapshot) -> None:
        self._queue.put(snapshot)

    def progress(self, progress: Progress) -> None:
        if progress.phase == "training":
            self.step = progress.done
        self._queue.put(progress)

    def log(self, text: str, level: str = "info") -> None:
        known = cast(Level, level)
        self._queue.put(LogLine(time.time(), known, text))

    def alarm(self, alarm: Alarm) -> None:
        self._queue.put(alarm)

    def ruled(self, ruling: Ruling) -> None:
        self._queue.put(ruling)

    def checkpoint(self, checkpoint: Checkpoint) -> None:
        self._queue.put(checkpoint)

    def release(self, paths: Sequence[str], remove: Callable[[str], None]) -> None:
        """Their rows go first: a file is removed once the database has told that nothing needs it, and a
        kill in between leaves files that the next start removes. While the database is away the same paths
        may be released again and again: `remove` must know those that it has removed."""
        self._remove = remove
        self._queue.put(Released(tuple(paths)))

    def evaluation_started(self, key: EvaluationKey) -> None:
        self._queue.put(Started(key))

    def outcome(self, key: EvaluationKey, outcome: TestOutcome) -> None:
        self._queue.put(Answered(key, outcome))

    def evaluation_finished(self, summary: EvaluationSummary) -> None:
        self._queue.put(summary)

    def settle(self) -> None:
        self._queue.settle()

    def flush(self) -> None:
        self._queue.flush()

    def close(self) -> None:
        """Wait until everything is durable: also the checkpoints in the object store."""
        try:
            self._queue.flush()
            if self._uploads is not None:
                self._uploads.flush()
        finally:
            self._queue.close()

    def _write(self, entries: Sequence[Entry], number: int) -> None:
        """Store a batch, then tell whoever is looking."""
        if self._uploads is not None:
            entries, of_checkpoints = parted(entries)
        progress, gone = self._store.write(entries, number)
        if self._uploads is not None:
            self._uploads.take(of_checkpoints)
        for path in dict.fromkeys(gone):
            self._remove_files(path)
        self._announce()
        self._tell_table(progress)

    def _remove_files(self, path: str) -> None:
        if self._remove is not None:
            self._remove(path)

    def _announce(self) -> None:
        notify.run_changed(self._run_id)

    def _tell_table(self, progress: Progress | None) -> None:
        """The table of runs hears of progress now and then, and of a new phase at once."""
        now = time.monotonic()
        phase = progress.phase if progress else self._phase
        if phase != self._phase or now - self._table_told_at > TABLE_EVERY:
            self._phase, self._table_told_at = phase, now
            notify.runs_changed()
