"""The revisions of the schema, as the files of the migrations name them: importing all takes a second."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from backend.db import driver

MIGRATIONS = Path(str(files("migrations")))  # a folder of the clone, or of the installed wheel
_LINK = re.compile(r"""^(revision|down_revision) = (?:["'](\w+)["']|None)$""", re.MULTILINE)


def newest() -> str:
    """The revision that a migration brings a database to."""
    return _revisions()[1]


def is_known(revision: str) -> bool:
    """Whether this code can read, or migrate, a database at `revision`."""
    return revision in _revisions()[0]


def is_newest(url: str) -> bool:
    """Whether the database is there and at the newest revision."""
    return driver.read(url, "SELECT version_num FROM alembic_version") == [(newest(),)]


@lru_cache(maxsize=1)
def _revisions() -> tuple[frozenset[str], str]:
    """Every revision that this program knows, and the newest."""
    links = [dict(_LINK.findall(path.read_text())) for path in (MIGRATIONS / "versions").glob("*.py")]
    known = frozenset(link["revision"] for link in links)
    (head,) = known - {link["down_revision"] for link in links}
    return known, head
