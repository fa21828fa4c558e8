"""`etrm backup`, `etrm restore`, `etrm run pack` and `unpack`, and `etrm doctor`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backend.kit.exit_codes import ExitCode
from backend.kit.output import answer, answered
from backend.terminal.options import RunId

if TYPE_CHECKING:
    from backend.operations.archive import Manifest

File = Annotated[Path, typer.Argument(metavar="FILE", help="The backup: one file.")]


def backup(
    file: File,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace FILE if it exists, once the new backup is complete.")
    ] = False,
    incomplete: Annotated[
        bool, typer.Option("--incomplete", help="Leave out checkpoints whose files are missing or damaged.")
    ] = False,
) -> None:
    """Save the database and its checkpoints to one file.

    The lab may be running. The file is for its owner alone: it holds what the lab holds.
    """
    from backend.db.session import make_engine
    from backend.operations import backup as service
    from backend.terminal.lab import database_url, settings

    engine = make_engine(database_url())
    try:
        manifest = service.write(engine, settings(), file, overwrite, incomplete)
    finally:
        engine.dispose()
    if answered(_facts(file, manifest)):
        return
    print(f"Wrote {file}: {_described(manifest)}.")
    for left in manifest.left_out:
        print(f"Left out: {left}.")


def restore(
    file: File,
    replace: Annotated[
        bool, typer.Option("--replace", help="Delete what this lab holds, and restore in its place.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Only read the backup and verify its checksums.")
    ] = False,
) -> None:
    """Bring a backup into this lab, which must be empty.

    SQLite or PostgreSQL, whichever the backup came from; an older schema is migrated.
    """
    from backend.operations import restore as service
    from backend.terminal.lab import here
    from backend.terminal.private import close_to_others

    if check:
        manifest = service.check(file)
        answer(_facts(file, manifest), f"{file} is complete: {_described(manifest)}.")
        return
    settings = here()
    close_to_others(settings)
    manifest = service.read(settings, file, replace)
    answer(_facts(file, manifest), f"Restored {_described(manifest)}.")
    print("People log in again; tokens and share links work as they did. Restart a running web server.")


def pack(
    run_id: RunId,
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Where to; default: RUN.etrm in this folder.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace FILE if it exists.")] = False,
    weights: Annotated[
        bool, typer.Option("--weights/--no-weights", help="With its checkpoints, or without.")
    ] = True,
) -> None:
    """Write a run that is over to one file: curves, predictions, log, config, checkpoints, imported sets."""
    from backend.db.session import make_engine
    from backend.operations import packing as service
    from backend.terminal.lab import database_url, settings

    target, engine = file or Path(f"{run_id}.etrm"), make_engine(database_url())
    try:
        manifest = service.pack(engine, settings(), run_id, target, overwrite, weights)
    finally:
        engine.dispose()
    answer(_facts(target, manifest), f"Wrote {target}: {_described(manifest)}.")


def unpack(file: Annotated[Path, typer.Argument(metavar="FILE", help="A file of etrm run pack.")]) -> None:
    """Add a packed run to this lab, under its own id."""
    from backend.db.session import make_engine
    from backend.operations import packing as service
    from backend.terminal.lab import database_url, settings

    engine = make_engine(database_url())
    try:
        run_id, known = service.unpack(engine, settings(), file)
    finally:
        engine.dispose()
    answer({"run": run_id}, f"Added run {run_id}.")
    for name in known:
        print(f"The lab has a task set {name}, which stays as it is.", file=sys.stderr)


def doctor() -> None:
    """Examine every part of the lab: what is wrong, and what to do.

    Waits for no part longer than some seconds. Exits with 1 if there is a problem.
    """
    import os

    from backend.operations import doctor as service
    from backend.terminal.lab import here

    if os.environ.get("ETRM_URL"):  # else a setting that is wrong is a finding
        here()
    findings = service.look()
    well = service.is_well(findings)
    if not answered({"ok": well, "findings": findings}):
        for each in findings:
            print(f"{each.level:8} {each.part:12} {each.what}")
            if each.advice:
                print(f"{'':22}{each.advice}")
    if not well:
        raise typer.Exit(ExitCode.FAILED)


def _facts(file: Path, manifest: Manifest) -> dict[str, object]:
    from backend.operations.archive import ARTIFACTS, DATABASE

    return {
        "path": file,
        "created_at": manifest.created_at,
        "database_bytes": manifest.size_of(DATABASE),
        "checkpoints": manifest.checkpoints,
        "checkpoint_bytes": manifest.size_of(ARTIFACTS),
        "left_out": manifest.left_out,
    }


def _described(manifest: Manifest) -> str:
    from datetime import UTC, datetime

    from backend.kit.format import counted, size
    from backend.operations.archive import ARTIFACTS, DATABASE

    taken = datetime.fromtimestamp(manifest.created_at, UTC)
    return (
        f"database {size(manifest.size_of(DATABASE))} and {counted(manifest.checkpoints, 'checkpoint')} "
        f"{size(manifest.size_of(ARTIFACTS))}, as of {taken:%Y-%m-%d %H:%M:%S} UTC"
    )
