"""Whether each part that the lab works with is well, within a bound, whatever state the part is in."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from sqlalchemy import Engine

from backend.db.migrate import mismatch
from backend.db.session import reading_scope
from backend.kit.aside import aside
from backend.kit.errors import Unavailable
from backend.web import notify
from backend.workers import service as workers

PATIENCE = 1.7  # seconds for all parts together
WELL = ""
SILENT = "No answer within {seconds:g} s."

log = logging.getLogger(__name__)
Check = Callable[[], str]  # what is wrong with a part; WELL if nothing is


class Parts:
    """Asks each part in a thread of its own. A part that does not answer keeps that one thread and no other:
    as long as it is silent, further questions wait for the one that was asked."""

    def __init__(self, checks: Mapping[str, Check], patience: float = PATIENCE) -> None:
        self._checks = checks
        self._patience = patience
        self._asked: dict[str, asyncio.Future[str]] = {}

    async def ask(self) -> dict[str, str]:
        """Name -> what is wrong with it, WELL if nothing is."""
        for name, check in self._checks.items():
            if name not in self._asked or self._asked[name].done():
                answer = aside(partial(_guarded, name, check), f"readiness of {name}")
                self._asked[name] = asyncio.wrap_future(answer)
        asked = dict(self._asked)
        await asyncio.wait(asked.values(), timeout=self._patience)
        silent = SILENT.format(seconds=self._patience)
        return {name: answer.result() if answer.done() else silent for name, answer in asked.items()}


def _guarded(name: str, check: Check) -> str:
    try:
        return check()
    except Unavailable as error:
        log.warning("%s: %s", name, error)
        return error.message if name != "database" else "The database is not responding."
    except Exception:
        log.exception("%s could not be checked", name)
        return "It could not be checked: see the log of the web server."


def checks(engine: Engine, artifacts: Path) -> dict[str, Check]:
    """The parts of a lab. Anybody may read the words: they name no host, no folder and no version."""
    return {
        "database": lambda: _database(engine),
        "schema_version": lambda: _schema(engine),
        "broker": _broker,
        "artifacts": lambda: _artifacts(artifacts),
        "workers": lambda: _workers(engine),
    }


def _database(engine: Engine) -> str:
    with reading_scope(engine) as session:
        session.connection()
    return WELL


def _schema(engine: Engine) -> str:
    with reading_scope(engine) as session:
        found = mismatch(session.connection())
        return f"{found.message} {found.hint}" if found else WELL


def _broker() -> str:
    return (
        WELL
        if notify.reachable()
        else ("The broker is not responding: runs stay queued and start when it is back.")
    )


def _artifacts(folder: Path) -> str:
    """A folder that is not there yet is made with the first checkpoint."""
    present = next((each for each in (folder, *folder.parents) if each.exists()), folder)
    if present.is_dir() and os.access(present, os.W_OK | os.X_OK):
        return WELL
    return "The artifacts folder cannot be written: no run can save checkpoints there."


def _workers(engine: Engine) -> str:
    with reading_scope(engine) as session:
        online = [worker for worker in workers.listed(session) if worker.alive]
    if not online:
        return "No worker is online: runs wait until one starts (etrm worker)."
    if all(worker.is_out for worker in online):
        return f"Every worker is out of service: {online[0].out_cause}"
    return WELL
