"""Tags on many runs at once. Nothing here commits."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from sqlalchemy.orm import Session

from backend.audit import service as audit
from backend.audit.actions import Action
from backend.kit.problems import invalid
from backend.kit.text import trimmed
from backend.lifecycle import service as runs
from backend.lifecycle.input import checked_tags
from backend.runs import queries as rows

_invalid = partial(invalid, "The tags were not changed.")

MAX_RUNS = 1000


def change(
    session: Session, run_ids: Sequence[str], add: Sequence[str] = (), remove: Sequence[str] = ()
) -> list[str]:
    """Give every run the tags `add` and take the tags `remove` off it; the ids of those that changed.

    All or none: NotFound for an id that no run has, InvalidInput for tags that cannot be.
    """
    added, removed = checked_tags(add), checked_tags(remove)
    if not added and not removed:
        raise _invalid("add", "name a tag to add or to remove.")
    if both := [tag for tag in added if tag in removed]:
        raise _invalid("remove", f"{both[0]!r} cannot be added and removed at once.")
    if not 0 < len(run_ids) <= MAX_RUNS:
        raise _invalid("runs", f"must name 1 to {MAX_RUNS} runs.")
    found = rows.several(session, run_ids)
    changed = []
    for run_id in dict.fromkeys(run_ids):
        if run_id not in found:
            runs.check_exists(session, run_id)
        run = found[run_id]
        tags = checked_tags([*(tag for tag in run.tags if trimmed(tag) and tag not in removed), *added])
        if tags != run.tags:
            run.tags = tags
            audit.note(session, Action.EDITED, runs.subject(run), "tags")
            changed.append(run_id)
    session.flush()
    return changed
