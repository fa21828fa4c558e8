"""Trouble with a database, in words: what passes by itself is `Unavailable`; mistakes of ours stay."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DatabaseError, DataError, DBAPIError, OperationalError, TimeoutError

from backend.db.waits import Silence
from backend.kit.errors import InvalidInput, Unavailable

# SQLSTATEs by which PostgreSQL says that a value does not fit: too long, out of range, not in its encoding.
UNFIT_VALUES = ("22001", "22003", "22008", "22021", "22P05")
READ_ONLY = "25006"  # a standby, or a server that is set so: after a failover, and before it is over
LOCK_TIMEOUT, STATEMENT_TIMEOUT = "55P03", "57014"

BUSY_HINT = "Try again in a moment."
WORDS = {
    READ_ONLY: ("The database is read-only at the moment.", "Reading works. Try again when it takes writes."),
    LOCK_TIMEOUT: ("Could not use the database: another transaction holds a lock for too long.", BUSY_HINT),
    STATEMENT_TIMEOUT: (
        "Could not use the database: a statement took longer than ETRM_DATABASE_STATEMENT allows.",
        "Ask for less at once, or raise it.",
    ),
}


@contextmanager
def translated(writes: bool = True) -> Iterator[None]:
    """Turns an unreachable, hanging, locked, read-only, full or damaged database, and a value that it cannot
    hold, into words for the user. `writes`: whether a refusal to write can be the database's doing."""
    try:
        yield
    except OverflowError as error:
        if "SQLite" not in str(error):  # arithmetic of ours
            raise
        raise _does_not_fit() from error
    except TimeoutError as error:
        raise Unavailable("All connections to the database are in use.", BUSY_HINT) from error
    except DataError as error:
        if _state(error) not in UNFIT_VALUES:
            raise
        raise _does_not_fit() from error
    except DBAPIError as error:
        if not _passes(error, writes):
            raise
        raise Unavailable(*_words(error)) from error


def _passes(error: DBAPIError, writes: bool) -> bool:
    """Whether the state of the database is at fault, and not a statement of ours."""
    if error.connection_invalidated:  # cut
        return True
    if _state(error) == READ_ONLY:
        return writes
    # The other subclasses are mistakes of ours; "file is not a database" has no class of its own.
    return isinstance(error, OperationalError) or type(error) is DatabaseError


def _words(error: DBAPIError) -> tuple[str, str]:
    """(message, hint)."""
    if isinstance(error.orig, Silence):
        return f"The database does not answer: {error.orig}.", BUSY_HINT
    if known := WORDS.get(_state(error)):
        return known
    said = str(error.orig).strip().splitlines()[0] if error.orig else "no answer"
    return f"Could not use the database: {said}.", "Check ETRM_DATABASE_URL and free disk space."


def _state(error: DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or ""


def _does_not_fit() -> InvalidInput:
    return InvalidInput(
        "A value in the request does not fit the database.", "Check for numbers that are too large."
    )
