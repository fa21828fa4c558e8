"""`etrm restore`: what a backup holds, into an empty lab on either engine, or in place of what is there."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, inspect, text
from sqlalchemy.engine import make_url

from backend.artifacts import service as objects
from backend.artifacts.manifest import MANIFEST
from backend.db import clock
from backend.db.migrate import refuse_newer
from backend.db.revisions import is_known
from backend.db.session import make_engine, reading_scope
from backend.kit.errors import Conflict, InvalidInput, StorageFull
from backend.kit.format import size
from backend.operations import archive, database_copy
from backend.operations.archive import ARTIFACTS, DATABASE, Manifest, Reader, cannot_write
from backend.settings import Settings

# What a lab has before anybody has used it is nobody's: built-in task sets, the first login link.
CONTENTS = {
    "runs": "run",
    "people": "person",
    "tokens": "api_token",
    "dashboards": "dashboard",
    "saved views": "saved_view",
    "imported task sets": "task_set WHERE origin = 'imported'",
}
HELD = {"run": "a run", "evaluation_share": "an evaluation"}  # tables with leases


def read(settings: Settings, path: Path, replace: bool) -> Manifest:
    """Restore the lab of `settings` from the backup at `path`; what it held.

    InvalidInput for a file that is no backup or damaged, Conflict for one of a newer schema, for a lab that
    holds anything unless it may be replaced, and for one whose workers are at work. Until everything is
    verified nothing is changed, and then the database changes in one transaction.
    """
    with archive.reading(path) as reader:
        refuse_unknown_schema(path, reader.manifest)
        if reader.manifest.run:
            raise InvalidInput(f"{path} is one run.", "Add it to this lab: etrm run unpack.")
        _check_target(settings, replace)
        settings.artifacts.mkdir(parents=True, exist_ok=True)
        try:
            with staged(reader, settings, ".restore-") as (database, files):
                database_copy.migrate(database)
                with _put_in_place(files, settings.artifacts):
                    publish(settings, reader.manifest, settings.artifacts)
                    database_copy.load(database, settings.database_url)
        except OSError as error:
            raise cannot_write(error, settings.artifacts) from error
    return reader.manifest


def publish(settings: Settings, manifest: Manifest, folder: Path) -> None:
    """Bring a backup's checkpoints, whose files lie in `folder`, into the object store, if there is one."""
    if store := objects.of(settings):
        files = [part.name.removeprefix(ARTIFACTS) for part in manifest.parts]
        for path in (name.removesuffix(f"/{MANIFEST}") for name in files if name.endswith(f"/{MANIFEST}")):
            store.publish(folder / path, path)


def check(path: Path) -> Manifest:
    """Read a backup whole and verify it, without a lab; what it holds."""
    with archive.reading(path) as reader:
        refuse_unknown_schema(path, reader.manifest)
        reader.verify()
    return reader.manifest


def refuse_unknown_schema(path: Path, manifest: Manifest) -> None:
    """Conflict for a backup whose database is newer than this program."""
    if not is_known(manifest.schema_revision):
        raise Conflict(
            f"{path} is newer than this program: its database is at revision {manifest.schema_revision}, "
            f"written by version {manifest.program}.",
            "Update the program, then restore.",
        )


def _check_target(settings: Settings, replace: bool) -> None:
    if not _is_there(settings.database_url):
        contents = []
    else:
        engine = make_engine(settings.database_url)
        try:
            _refuse_if_at_work(engine)
            contents = _contents(engine)
        finally:
            engine.dispose()
    if settings.artifacts.is_dir() and any(_visible(settings.artifacts)):
        contents.append("files of runs")
    if contents and not replace:
        raise Conflict(
            f"This lab is not empty: it has {', '.join(contents)}.",
            "Set ETRM_HOME or ETRM_DATABASE_URL and ETRM_ARTIFACTS to an empty lab, "
            "or add --replace to delete what it holds.",
        )


def _is_there(url: str) -> bool:
    parsed = make_url(url)
    return parsed.get_backend_name() != "sqlite" or os.path.exists(parsed.database or "")


def _contents(engine: Engine) -> list[str]:
    """What the database holds of people's, in words; it may have an older schema, or none."""
    with reading_scope(engine) as session:
        refuse_newer(session.connection())
        tables = set(inspect(session.connection()).get_table_names())
        return [
            name
            for name, rows in CONTENTS.items()
            if rows.split()[0] in tables and session.execute(text(f"SELECT 1 FROM {rows} LIMIT 1")).first()
        ]


def _refuse_if_at_work(engine: Engine) -> None:
    """A worker that holds a lease would keep writing, under numbers that the restored rows may have too."""
    with reading_scope(engine) as session:
        tables = set(inspect(session.connection()).get_table_names())
        now = clock.read(session)
        for table, name in HELD.items():
            held = text(f"SELECT 1 FROM {table} WHERE lease_until > :now LIMIT 1")
            if table in tables and session.execute(held, {"now": now}).first():
                raise Conflict(f"A worker of this lab is at work on {name}.", "Stop the workers first.")


@contextmanager
def staged(reader: Reader, settings: Settings, prefix: str) -> Iterator[tuple[Path, Path]]:
    """Everything of a backup, verified: its database file, and the folder of its artifacts. They lie in a
    folder of the artifacts whose name begins with `prefix`, and which is removed afterwards."""
    manifest = reader.manifest
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=settings.artifacts))
    try:
        free, needed = shutil.disk_usage(folder).free, manifest.size_of("")
        if free < needed:
            raise StorageFull(
                f"The backup needs {size(needed)}, and {settings.artifacts} has {size(free)} free.",
                "Free some space, or set ETRM_ARTIFACTS to a folder on another disk.",
            )
        files = folder / ARTIFACTS
        files.mkdir()
        for part in manifest.parts:
            reader.extract(part, folder / part.name)
        yield folder / DATABASE, files
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _put_in_place(files: Path, artifacts: Path) -> Iterator[None]:
    """The files of runs under their names while the block writes the database; as before if it fails."""
    before = files.with_name("before")
    before.mkdir()
    leaving, coming = list(_visible(artifacts)), list(files.iterdir())
    try:
        for each in leaving:
            each.rename(before / each.name)
        for each in coming:
            each.rename(artifacts / each.name)
        yield
    except BaseException:
        for each in coming:
            if (artifacts / each.name).exists() and not each.exists():
                (artifacts / each.name).rename(each)
        for each in leaving:
            if not each.exists():
                (before / each.name).rename(each)
        raise


def _visible(artifacts: Path) -> Iterator[Path]:
    """What lies in the artifacts folder, without the folders of backups under way."""
    return (each for each in artifacts.iterdir() if not each.name.startswith("."))
