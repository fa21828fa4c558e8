"""Store what a killed process left in its journal: once, in order, by whoever has the run now."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine

from backend.artifacts.service import ObjectStore
from backend.kit.errors import Unavailable
from backend.web import notify
from worker.kit.recorder import LostRun
from worker.recording import journal
from worker.recording.store import Store
from worker.recording.uploads import OfCheckpoints, Publisher, in_safe_order, parted

log = logging.getLogger(__name__)
REFUSED = ".refused"  # appended to the name of a journal that cannot be stored


def replay(
    engine: Engine, artifacts: Path, run_id: str, attempt: int, objects: ObjectStore | None = None
) -> int:
    """Store what the journals of the run's attempts up to this one hold, and remove them; how many batches.

    `attempt` must have the run, and no process may write to its journal. LostRun if another one has it,
    Unavailable while the database takes nothing: call it again. What the database refuses for good is put
    aside beside the journals: it must not hold the run up. OSError where the folder cannot be used: the
    journals stay for the next attempt.

    Where there is an object store, checkpoints that waited for it are published last: StoreAway leaves the
    journals, and everything else stored. Those of an attempt that another one has followed are passed over:
    the run has not gone on from them.
    """
    stored = 0
    waiting: list[tuple[Path, Store, list[OfCheckpoints]]] = []
    for writer, path in journal.left_by(artifacts / run_id, attempt):
        store = Store(engine, artifacts, run_id, writer, attempt)
        of_checkpoints: list[OfCheckpoints] = []
        with _putting_aside(run_id, path):
            for number, entries in journal.batches(path):
                if objects is not None:
                    entries, some = parted(entries)
                    of_checkpoints += some
                store.write(entries, number)
                stored += 1
            waiting.append((path, store, of_checkpoints))
    for path, store, of_checkpoints in waiting:
        with _putting_aside(run_id, path):
            if objects is not None and store.is_newest():
                publisher = Publisher(objects, artifacts, store, lambda _path: None)
                for entry in in_safe_order(of_checkpoints):
                    publisher.carry_out(entry)
            path.unlink(missing_ok=True)
    if stored:
        notify.changed(run_id)
    return stored


@contextmanager
def _putting_aside(run_id: str, path: Path) -> Iterator[None]:
    """A journal that cannot be stored is put aside; what may pass is raised."""
    try:
        yield
    except (Unavailable, LostRun, OSError):
        raise
    except Exception:
        aside = path.with_name(path.name + REFUSED)
        log.exception("A part of the journal of run %s cannot be stored: see %s", run_id, aside.name)
        path.replace(aside)
