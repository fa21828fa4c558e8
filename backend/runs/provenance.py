"""What each start of a run was computed with, in the database."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Collection, Mapping

from sqlalchemy.orm import Session

from backend.domain.provenance import MAX_DIFF, Provenance, newest
from backend.kit.secrets_in_text import without_secrets
from backend.runs import queries as rows
from backend.runs.tables import Provenance as Row


def record(
    session: Session, run_id: str, attempt: int, found: Provenance, changes: str = "", is_cut: bool = False
) -> Provenance:
    """Keep what an attempt is computed with, and return it as kept; an earlier record of the attempt goes.

    `changes` is the diff of what was not committed: its digest is of all of it, kept are its first 256 KiB
    without secrets. `is_cut` where it is not whole as it comes.
    """
    command, _ = without_secrets(found.command)
    remote, _ = without_secrets(found.remote)
    digest = hashlib.sha256(changes.encode()).hexdigest() if changes else found.diff
    found = found.model_copy(update={"command": command, "remote": remote, "diff": digest})
    shown, hidden = without_secrets(changes)
    kept = shown.encode()[:MAX_DIFF]
    row = Row(
        run_id=run_id,
        attempt=attempt,
        record=found.model_dump(mode="json"),
        hidden=hidden,
        is_cut=is_cut or len(kept) < len(shown.encode()),
        diff=zlib.compress(kept),
    )
    rows.put_provenance(session, row)
    return found


def of_run(session: Session, run_id: str) -> Mapping[int, Row]:
    """Attempt -> its row, oldest first; of those that have one."""
    return {row.attempt: row for row in rows.provenance(session, [run_id])}


def parsed(row: Row) -> Provenance:
    """The record of a row."""
    return Provenance.model_validate(row.record)


def diff_of(row: Row) -> str:
    """The uncommitted changes as they are kept."""
    return zlib.decompress(row.diff).decode(errors="ignore")


def newest_of(session: Session, run_ids: Collection[str]) -> dict[str, Provenance]:
    """Run id -> the record of its last start, of those that have one."""
    by_run: dict[str, dict[int, Provenance]] = {}
    for row in rows.provenance(session, run_ids):
        by_run.setdefault(row.run_id, {})[row.attempt] = parsed(row)
    return {run_id: last for run_id, starts in by_run.items() if (last := newest(starts))}
