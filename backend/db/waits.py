"""How long each use of the database waits, in one place."""

from __future__ import annotations

from dataclasses import dataclass


class Silence(Exception):
    """A server does not answer, or not in time."""


@dataclass(frozen=True)
class Waits:
    """Bounds of one use of the database, in seconds."""

    connect: float  # for a new connection
    pool: float  # for a connection that another thread uses
    lock: float  # for a lock that another transaction holds
    writer: float  # on SQLite, for the one transaction that may write
    silence: float  # without an answer to anybody, before a server counts as hanging
    statement: float | None = None  # for one statement; None: as long as it takes
    connections: int = 20  # at most


# Workers, commands and migrations: nobody looks on, and long statements (merging series, DDL) are legitimate.
PATIENT = Waits(connect=10.0, pool=30.0, lock=30.0, writer=30.0, silence=10.0)
PAGE_THREADS = 40  # of the web server that may ask at once, so that none waits for a connection


def of_pages(wait: float, statement: float) -> Waits:
    """Bounds of a web server whose pages answer 503 after `wait` seconds of waiting for the database."""
    return Waits(
        connect=wait,
        pool=wait,
        lock=wait,
        writer=5.0,  # a commit of a worker takes milliseconds, on a busy machine a second
        silence=wait * 2 / 3,  # the rest passes before it is doubted, and until that is noticed
        statement=statement,
        connections=PAGE_THREADS + 5,  # the sweep, the webhook, compaction, health checks
    )
