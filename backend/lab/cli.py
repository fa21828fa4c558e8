"""`etrm storage`: what takes room, and making some."""

from __future__ import annotations

from typing import Annotated

import typer

from backend.kit.format import counted, size
from backend.kit.output import answered


def storage(
    free: Annotated[
        list[str] | None,
        typer.Option(metavar="RUN", help="Remove what this run can do without. Repeatable."),
    ] = None,
) -> None:
    """Show what takes room; --free makes some."""
    from backend.lab import storage_api as api
    from backend.terminal.calls import call
    from backend.terminal.tables import show

    found = call(api.free_storage, body=api.Freed(runs=free)) if free else call(api.read_storage)
    if answered(found):
        return
    if free:
        print(f"Removed {counted(found.removed, 'checkpoint')}.")
    rows = [
        (
            each.run_id,
            each.name,
            each.status,
            str(each.checkpoints),
            size(each.checkpoint_bytes),
            size(each.context_bytes),
        )
        for each in found.runs
    ]
    show(("run", "name", "status", "checkpoints", "size", "contexts"), rows, empty="No checkpoints.")
    print(
        f"Database {size(found.database_bytes)} (contexts {size(found.context_bytes)}), "
        f"checkpoints {size(found.checkpoint_bytes)}, free disk space {size(found.disk_free_bytes)}."
    )
    if found.object_store:
        print(f"All checkpoints are in {found.object_store}; the disk has copies of those in use.")
    if found.disk_is_low:
        print(f"Uploads and checkpoints are refused: {size(found.least_free_bytes)} are kept free.")
