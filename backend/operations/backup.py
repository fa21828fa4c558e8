"""`etrm backup`: the database of one moment and the checkpoints it lists, in one file, while the lab runs."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from sqlalchemy import Engine

from backend.artifacts import service as objects
from backend.artifacts.manifest import problem
from backend.db.session import reading_scope
from backend.kit.errors import Conflict
from backend.kit.format import counted
from backend.kit.retry import pause_after
from backend.operations import archive, database_copy, pinned
from backend.operations.archive import ARTIFACTS, DATABASE, Manifest, Writer
from backend.operations.pinned import Listed
from backend.settings import Settings

TRIES = 5  # to find all that a snapshot lists: a training may remove files before they are linked
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 4.0  # seconds between them
NAMED = 5  # how many are named in a message


@dataclass(frozen=True)
class _Snapshot:
    """The database at `taken_at`, and its checkpoints as links in `folder`."""

    database: Path
    folder: Path
    taken_at: float
    revision: str
    checkpoints: list[Listed]
    missing: dict[Listed, str]  # and what is wrong


def write(engine: Engine, settings: Settings, path: Path, overwrite: bool, incomplete: bool) -> Manifest:
    """Back the lab up to `path`; what it holds.

    Conflict if the file exists, or if a checkpoint that the database lists is missing or damaged: with
    `incomplete` such are left out instead, and named in the manifest.
    """
    path = path.absolute()
    with archive.writing(path, overwrite) as writer, _snapshot(engine, settings, path.parent) as snapshot:
        missing = snapshot.missing
        if missing and not incomplete:
            raise _incomplete(missing, settings.artifacts)
        database_copy.forget_checkpoints(snapshot.database, [each.id for each in missing])
        kept = [each for each in snapshot.checkpoints if each not in missing]
        for checkpoint in kept:
            _add_files(writer, snapshot.folder, checkpoint)
        writer.add(DATABASE, snapshot.database)
        manifest = Manifest(
            format=archive.FORMAT,
            program=version("etrm-lab"),
            schema_revision=snapshot.revision,
            engine=engine.dialect.name,
            created_at=snapshot.taken_at,
            checkpoints=len(kept),
            left_out=[f"{each}: {why}" for each, why in missing.items()],
            parts=writer.parts,
        )
        writer.close(manifest)
    return manifest


@contextmanager
def _snapshot(engine: Engine, settings: Settings, beside: Path) -> Iterator[_Snapshot]:
    """A snapshot whose files are all there, if one of several tries finds one; its files go at the end."""
    work = Path(tempfile.mkdtemp(prefix=".etrm-backup-", dir=beside))
    try:
        with pinned.place(settings.artifacts, work) as folder:
            yield _taken(engine, settings, work / DATABASE, folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _taken(engine: Engine, settings: Settings, database: Path, folder: Path) -> _Snapshot:
    store, held = objects.of(settings), set[Listed]()
    for number in range(1, TRIES + 1):
        with reading_scope(engine) as session:
            taken_at = time.time()
            checkpoints = pinned.listed(session)  # the first query: the snapshot is of this moment
            pinned.let_go(folder, held.difference(checkpoints))
            away = pinned.pin(
                settings.artifacts, [each for each in checkpoints if each not in held], folder, store
            )
            held = set(checkpoints).difference(away)
            complete = not away or number == TRIES
            revision = database_copy.snapshot(session, database) if complete else ""
        if not complete:
            time.sleep(pause_after(number, FIRST_PAUSE, LONGEST_PAUSE))
            continue
        gone = _removed_since(engine, away)
        database_copy.forget_checkpoints(database, [each.id for each in gone])
        checkpoints = [each for each in checkpoints if each not in gone]
        missing = dict.fromkeys((each for each in away if each not in gone), "its files are not there")
        missing |= {
            each: why
            for each in checkpoints
            if each not in missing and (why := problem(folder / each.path, each.sha256))
        }
        return _Snapshot(database, folder, taken_at, revision, checkpoints, missing)
    raise AssertionError("the last try returns")


def _removed_since(engine: Engine, away: Sequence[Listed]) -> list[Listed]:
    """Those of them that the lab itself has let go since the snapshot: a backup need not have them."""
    if not away:
        return []
    with reading_scope(engine) as session:
        still = pinned.listed(session)
    return [each for each in away if each not in still]


def _add_files(writer: Writer, folder: Path, checkpoint: Listed) -> None:
    for file in pinned.files(folder, checkpoint):
        writer.add(ARTIFACTS + file.relative_to(folder).as_posix(), file)


def _incomplete(missing: dict[Listed, str], artifacts: Path) -> Conflict:
    named = "; ".join(f"{each} ({why})" for each, why in list(missing.items())[:NAMED])
    more = f"; and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
    return Conflict(
        f"{counted(len(missing), 'checkpoint')} cannot be backed up from {artifacts}: {named}{more}.",
        "Run it where the artifacts folder is (ETRM_ARTIFACTS), or add --incomplete to leave them out.",
    )
