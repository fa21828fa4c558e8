"""`etrm run pack` and `etrm run unpack`: a run with everything that belongs to it, as one file."""

from __future__ import annotations

import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError, StatementError

from backend.artifacts import service as objects
from backend.artifacts.manifest import problem
from backend.db.revisions import newest
from backend.db.session import reading_scope, session_scope
from backend.kit.errors import Conflict, InvalidInput
from backend.lifecycle import service as runs
from backend.operations import archive, database_copy, packed_rows, pinned
from backend.operations.archive import ARTIFACTS, DATABASE, Manifest, Reader
from backend.operations.restore import publish, refuse_unknown_schema, staged
from backend.runs import events
from backend.runs.status import RunStatus
from backend.scores import job_queries as jobs
from backend.settings import Settings
from backend.web.visitor import who


def pack(
    engine: Engine, settings: Settings, run_id: str, path: Path, overwrite: bool, weights: bool
) -> Manifest:
    """Write a run that is over to `path`: its rows, the imported sets it used and, with `weights`, its
    checkpoints; what the file holds.

    NotFound; Conflict while it runs or is evaluated, where the file exists, or a checkpoint is missing.
    """
    path = path.absolute()
    with (
        archive.writing(path, overwrite) as writer,
        tempfile.TemporaryDirectory(prefix=".etrm-pack-", dir=path.parent) as work,
        pinned.place(settings.artifacts, Path(work)) as folder,
    ):
        with reading_scope(engine) as session:
            run = runs.get(session, run_id)
            if not RunStatus(run.status).is_over:
                raise Conflict(f"Run {run_id} is {run.status}.", "Pack it once it is over.")
            if (active := jobs.active_of(session, run_id)) is not None:
                raise Conflict(
                    f"Run {run_id} is being evaluated: evaluation {active}.", "Pack it once that is over."
                )
            held = [each for each in pinned.listed(session) if each.run_id == run_id]
            if weights and (away := pinned.pin(settings.artifacts, held, folder, objects.of(settings))):
                raise _missing(str(away[0]), "its files are not there")
            packed_rows.copy_out(session, run_id, Path(work) / DATABASE)
        if not weights:
            database_copy.forget_checkpoints(Path(work) / DATABASE, [each.id for each in held])
        kept = held if weights else []
        for each in kept:
            if why := problem(folder / each.path, each.sha256):
                raise _missing(str(each), why)
            for file in pinned.files(folder, each):
                writer.add(ARTIFACTS + file.relative_to(folder).as_posix(), file)
        writer.add(DATABASE, Path(work) / DATABASE)
        manifest = Manifest(
            format=archive.FORMAT,
            program=version("etrm-lab"),
            schema_revision=newest(),
            engine=engine.dialect.name,
            created_at=time.time(),
            checkpoints=len(kept),
            run=run_id,
            parts=writer.parts,
        )
        writer.close(manifest)
    return manifest


def unpack(engine: Engine, settings: Settings, path: Path) -> tuple[str, list[str]]:
    """Add the run of a file that `pack` wrote to this lab; its id, and the names of its task sets that the
    lab had already, whatever they hold.

    InvalidInput for another file, a damaged one, and one that holds more than its run; Conflict where the
    lab has the run, and for a file of a newer version. All or nothing.
    """
    with archive.reading(path) as reader:
        run_id = reader.manifest.run
        if not run_id:
            raise InvalidInput(f"{path} is a backup of a whole lab.", "Restore it: etrm restore.")
        refuse_unknown_schema(path, reader.manifest)
        settings.artifacts.mkdir(parents=True, exist_ok=True)
        try:
            prefix = pinned.prefix_here(settings.artifacts, ".unpack-")
            with staged(reader, settings, prefix) as (database, files):
                database_copy.migrate(database)
                return run_id, _add(engine, settings, reader, database, files)
        except OSError as error:
            raise archive.cannot_write(error, settings.artifacts) from error


def _add(engine: Engine, settings: Settings, reader: Reader, database: Path, files: Path) -> list[str]:
    """Add what is verified: its checkpoints to the object store, then its rows, with its files in place."""
    run_id = reader.manifest.run
    with reading_scope(engine) as session:
        packed_rows.check_is_new(session, run_id)
    coming, place = files / run_id, settings.artifacts / run_id
    with_files = coming.exists()
    if with_files and place.exists():
        raise Conflict(f"{place} exists.", "Move it away, then unpack again.")
    publish(settings, reader.manifest, files)  # takes long: not while the database waits
    try:
        with session_scope(engine) as session:
            known = packed_rows.copy_in(session, database, run_id, who.get().person_id)
            events.add(session, run_id, "unpacked", f"Unpacked from {reader.path.name}.")
            if with_files:
                coming.rename(place)
    except BaseException as error:
        if with_files and not coming.exists():
            place.rename(coming)
        # SQLAlchemy wraps a value of another kind than its column; what a database says is of a class below.
        of_a_value = type(error) is StatementError
        if of_a_value or isinstance(error, LookupError | TypeError | ValueError | IntegrityError):
            raise reader.damaged("its database is not that of one run") from error
        raise
    return known


def _missing(checkpoint: str, why: str) -> Conflict:
    return Conflict(
        f"The checkpoint of {checkpoint} cannot be packed: {why}.",
        "Run it where the artifacts folder is (ETRM_ARTIFACTS), or add --no-weights to leave them out.",
    )
