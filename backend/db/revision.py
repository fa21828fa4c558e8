"""Whether a database has the schema that this program needs."""

from __future__ import annotations

from functools import lru_cache

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.orm import Session

from backend.db.migrate import MIGRATIONS


@lru_cache(maxsize=1)
def _known() -> tuple[frozenset[str], frozenset[str]]:
    """(the newest revisions, all revisions)."""
    scripts = ScriptDirectory(str(MIGRATIONS))
    return frozenset(scripts.get_heads()), frozenset(each.revision for each in scripts.walk_revisions())


def fault(session: Session) -> str:
    """What is wrong with the schema and what to do about it; "" if it is the one that is needed."""
    heads, known = _known()
    present = frozenset(MigrationContext.configure(session.connection()).get_current_heads())
    if present == heads:
        return ""
    if present - known:
        return "The database is newer than this program: update the program."
    return "The database is older than this program: run etrm migrate."
