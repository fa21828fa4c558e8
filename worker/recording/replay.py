"""Store what a killed process left in its journal: once, in order, by whoever has the run now."""

from __future__ import annotations

import logging
from pathlib import Path

from sqlalchemy import Engine

from backend.kit.errors import Unavailable
from backend.web import notify
from worker.kit.recorder import LostRun
from worker.recording import journal
from worker.recording.store import Store

log = logging.getLogger(__name__)
REFUSED = ".refused"  # appended to the name of a journal that cannot be stored


def replay(engine: Engine, artifacts: Path, run_id: str, attempt: int) -> int:
    """Store what the journals of the run's attempts up to this one hold, and remove them; how many batches.

    `attempt` must have the run, and no process may write to its journal. LostRun if another one has it,
    Unavailable while the database takes nothing: call it again. What the database refuses for good is put
    aside beside the journals: it must not hold the run up. OSError where the folder cannot be used: the
    journals stay for the next attempt.
    """
    stored = 0
    for writer, path in journal.left_by(artifacts / run_id, attempt):
        store = Store(engine, artifacts, run_id, writer, attempt)
        try:
            for number, entries in journal.batches(path):
                store.write(entries, number)
                stored += 1
        except (Unavailable, LostRun, OSError):
            raise
        except Exception:
            aside = path.with_name(path.name + REFUSED)
            log.exception("A part of the journal of run %s cannot be stored: see %s", run_id, aside.name)
            path.replace(aside)
            continue
        path.unlink(missing_ok=True)
    if stored:
        notify.changed(run_id)
    return stored
