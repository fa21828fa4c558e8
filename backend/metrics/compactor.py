"""Compaction after the answer: whoever logs over HTTP does not wait for the merging of segments."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

from sqlalchemy import Engine

from backend.db.session import session_scope
from backend.kit.errors import Unavailable
from backend.metrics import service as series

log = logging.getLogger(__name__)


class Compactor:
    """Merges segments of one run after the other, in a thread of its own.

    A run waits at most once, so no more waits than runs are logged to. What never comes to it, because the
    server stops, costs nothing but space: a later write asks again, and the end of a run merges everything.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="compaction")
        self._waiting: set[str] = set()
        self._lock = Lock()

    def note(self, run_id: str, version: int) -> None:
        """The run's series got this version, and it is committed."""
        if not series.is_due(version):
            return
        with self._lock:
            if run_id in self._waiting:
                return
            self._waiting.add(run_id)
        self._thread.submit(self._compact, run_id)

    def close(self) -> None:
        """Finish the run at hand and leave the rest."""
        self._thread.shutdown(cancel_futures=True)

    def _compact(self, run_id: str) -> None:
        with self._lock:  # first: what is written from now on may be due again
            self._waiting.discard(run_id)
        try:
            with session_scope(self._engine) as session:
                series.compact_older(session, run_id)
        except Unavailable as error:
            log.warning("The series of run %s stay as they are for now: %s", run_id, error)
        except Exception:
            log.exception("the series of run %s were not compacted", run_id)
