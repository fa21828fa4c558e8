"""The database, and what only it knows: workers, clocks, checkpoints."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

from backend.artifacts import service as objects
from backend.artifacts.bucket import StoreAway
from backend.artifacts.manifest import MANIFEST
from backend.db import clock
from backend.db.migrate import revision_of
from backend.db.revisions import is_known, newest
from backend.db.session import make_engine, reading_scope
from backend.kit.errors import Unavailable
from backend.kit.format import counted, first_of
from backend.operations import pinned
from backend.operations.checks.finding import Finding, ok, problem, warning
from backend.runs import queries as runs
from backend.runs.status import RunStatus
from backend.settings import Settings
from backend.workers import service as workers
from backend.workers.service import WorkerState

MIN_POSTGRES = 13
NAMED = 3
STORE_SECONDS = 3.0


def check(settings: Settings) -> Iterator[Finding]:
    """Whether it answers, in which version, and with which schema; then what it knows of the rest."""
    url = make_url(settings.database_url)
    if url.get_backend_name() == "sqlite" and not os.path.exists(url.database or ""):
        yield warning("database", f"There is none at {url.database} yet.", "Run etrm up or etrm migrate.")
        return
    try:
        with _session(settings) as session:
            of_database = list(_database(session.connection()))
            yield from of_database
            if any(each.advice for each in of_database):
                return  # its tables may be others
            yield from _clock(session)
            yield from _workers(session)
            yield from _checkpoints(session, settings)
    except Unavailable as error:
        yield problem("database", error.message, "Start it, or correct ETRM_DATABASE_URL.")


@contextmanager
def _session(settings: Settings) -> Iterator[Session]:
    engine = make_engine(settings.database_url)
    try:
        with reading_scope(engine) as session:
            yield session
    finally:
        engine.dispose()


def _database(connection: Connection) -> Iterator[Finding]:
    engine = _engine_version(connection)
    revision = revision_of(connection)
    if not revision:
        yield problem("database", f"{engine} answers, but has no schema.", "Run etrm migrate.")
    elif not is_known(revision):
        yield problem(
            "database",
            f"{engine} has a newer schema than this program: {revision}.",
            "Update the program on this machine.",
        )
    elif revision != newest():
        yield problem("database", f"{engine} has an older schema than this program.", "Run etrm migrate.")
    else:
        yield ok("database", f"{engine}, schema up to date")
    if connection.dialect.name == "postgresql":
        yield from _postgresql(connection)


def _engine_version(connection: Connection) -> str:
    version = ".".join(map(str, connection.dialect.server_version_info or ()))
    return f"{'PostgreSQL' if connection.dialect.name == 'postgresql' else 'SQLite'} {version}"


def _postgresql(connection: Connection) -> Iterator[Finding]:
    if int((connection.dialect.server_version_info or (0,))[0]) < MIN_POSTGRES:
        yield problem("database", "PostgreSQL is too old.", f"Use version {MIN_POSTGRES} or newer.")
    if connection.scalar(text("SELECT pg_is_in_recovery()")):
        yield problem(
            "database",
            "The database is read-only: a standby, or a failover that has not ended.",
            "Point ETRM_DATABASE_URL to the primary server.",
        )


def _clock(session: Session) -> Iterator[Finding]:
    skew = clock.skew(session)
    said = f"this machine is {abs(skew):.1f} s {'ahead of' if skew > 0 else 'behind'} the database"
    if abs(skew) < clock.SLIGHT_SKEW:
        yield ok("clock", said)
    else:
        found = problem if abs(skew) >= clock.HARMFUL_SKEW else warning
        yield found("clock", f"Clocks differ: {said}.", "Set both by NTP. Leases go by the database's clock.")


def _workers(session: Session) -> Iterator[Finding]:
    listed = workers.listed(session)
    online, offline = [each for each in listed if each.alive], [each for each in listed if not each.alive]
    queued = runs.counts(session)[RunStatus.QUEUED]
    if online:
        yield ok("workers", f"{counted(len(online), 'worker')} online: {_named(online)}")
        for each in online:
            if each.is_out:
                yield problem("workers", f"{each.host} is out of service: {each.out_cause}", each.out_advice)
    elif queued:
        yield problem("workers", f"None is online, and {counted(queued, 'run')} wait.", "Run etrm worker.")
    else:
        yield warning("workers", "None is online.", "Run etrm worker, or etrm up.")
    if offline:
        yield warning(
            "workers",
            f"{counted(len(offline), 'worker')} offline: {_named(offline)}.",
            "Restart it, or ignore this if it was stopped: it is forgotten after a day.",
        )


def _named(listed: list[WorkerState]) -> str:
    return first_of([f"{each.id} ({each.device_name or each.device})" for each in listed], NAMED)


def _checkpoints(session: Session, settings: Settings) -> Iterator[Finding]:
    listed, store = pinned.listed(session), objects.of(settings, STORE_SECONDS)
    if store is None:
        place = str(settings.artifacts)
        away = [each for each in listed if not (settings.artifacts / each.path / MANIFEST).is_file()]
    else:
        try:
            place, published = store.url, set(store.published())
        except StoreAway:
            return  # the check of the store says why
        away = [each for each in listed if each.path not in published]
    if away:
        yield warning(
            "checkpoints",
            f"{len(away)} of {len(listed)} that the database lists are not in {place}: "
            f"{'; '.join(map(str, away[:NAMED]))}{' …' if len(away) > NAMED else ''}.",
            "Set ETRM_ARTIFACTS to the folder that web server and workers share, "
            "or ETRM_ARTIFACTS_URL to the store that they were published to.",
        )
    else:
        yield ok("checkpoints", f"{counted(len(listed), 'checkpoint')}, all with their files")
