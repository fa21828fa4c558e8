"""`etrm storage`: what takes room, and making some."""

from __future__ import annotations

from typing import Annotated

import typer

from backend.kit.format import counted, size


def storage(
    free: Annotated[
        list[str] | None,
        typer.Option(metavar="RUN", help="Remove what this run can do without. Repeatable."),
    ] = None,
) -> None:
    """Say what takes room; --free makes some."""
    from backend.lab import storage as service
    from backend.runs import checkpoint_files
    from backend.terminal.lab import reading, settings, writing
    from backend.terminal.tables import show

    lab = settings()
    if free:
        with writing() as session:
            paths = service.forget_old(session, free)
        checkpoint_files.remove(lab, paths)
        print(f"Removed {counted(len(paths), 'checkpoint')}.")
    with reading() as session:
        found = service.read(session, lab)
    rows = [
        (each.run_id, each.name, each.status.value, str(each.checkpoints), size(each.checkpoint_bytes))
        for each in found.runs
    ]
    show(("run", "name", "status", "checkpoints", "size"), rows, empty="No checkpoints.")
    print(
        f"Database {size(found.database_bytes)}, checkpoints {size(found.checkpoint_bytes)}, "
        f"free disk space {size(found.disk_free_bytes)}."
    )
    if found.object_store:
        print(f"All checkpoints are in {found.object_store}; the disk has copies of those in use.")
    if found.disk_is_low:
        print(f"Uploads and checkpoints are refused: {size(lab.min_free_bytes)} are kept free.")
