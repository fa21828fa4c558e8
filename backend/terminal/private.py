"""The lab's files are its owner's alone: database, checkpoints, logs, the lock with the broker's password."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from sqlalchemy.engine import make_url

from backend.settings import Settings

OTHERS = 0o077
# What the lab itself writes into ETRM_HOME; whatever else lies there is not ours to close.
OURS = ("artifacts", "broker", "checkpoints", "logs", "etrm.lock", "etrm.sqlite3*", "push-key.pem")


def close_to_others(settings: Settings) -> None:
    """Take every right of group and others on what the lab keeps, for what is there and what will come.

    The mask holds for this process and all it starts. Files of another owner stay as they are.
    """
    os.umask(OTHERS)
    home, artifacts = settings.home, settings.artifacts
    if not _is_shared(home):
        _close(home)
    for path in (*_of_home(home), artifacts, *_database(settings)):
        for each in (path, *_below(path)):
            _close(each)


def _is_shared(folder: Path) -> bool:
    """Whether it is a folder like /tmp, where everybody may write: only what the lab puts there is closed."""
    with suppress(OSError):
        return bool(folder.stat().st_mode & stat.S_ISVTX)
    return False


def _of_home(home: Path) -> Iterator[Path]:
    for pattern in OURS:
        yield from home.glob(pattern)


def _database(settings: Settings) -> Iterator[Path]:
    """The files of an SQLite database that lies elsewhere."""
    url = make_url(settings.database_url)
    if url.get_backend_name() == "sqlite":
        file = Path(url.database or "")
        yield from file.parent.glob(f"{file.name}*")


def _below(path: Path) -> Iterator[Path]:
    if path.is_symlink():
        return
    for folder, folders, files in os.walk(path):
        yield from (Path(folder, name) for name in (*folders, *files))


def _close(path: Path) -> None:
    with suppress(OSError):  # gone meanwhile, or of another owner
        status = path.lstat()
        if not stat.S_ISLNK(status.st_mode) and status.st_mode & OTHERS:
            path.chmod(stat.S_IMODE(status.st_mode) & ~OTHERS)
