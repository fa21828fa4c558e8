"""What takes room, and making room: old checkpoints of runs that are over."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy.orm import Session

from backend.audit import service as audit
from backend.audit.actions import Action, Subject
from backend.keeping import service as keeping
from backend.kit.disk import free_bytes
from backend.kit.errors import NotFound
from backend.kit.format import counted
from backend.lab import queries as database_size
from backend.runs import checkpoints
from backend.runs import journal_queries as journal
from backend.runs import queries as rows
from backend.runs.status import RunStatus
from backend.settings import Settings
from backend.snapshots import service as snapshots

NOTHING = (0, 0)  # checkpoints, and their bytes


@dataclass(frozen=True)
class RunStorage:
    """What one run keeps."""

    run_id: str
    name: str
    status: RunStatus
    checkpoints: int
    checkpoint_bytes: int
    context_bytes: int  # of its probes, in the database
    spare: int  # checkpoints that it can do without: none while it is not over

    @property
    def can_free(self) -> bool:
        return self.spare > 0


@dataclass(frozen=True)
class Storage:
    """What the lab keeps, in bytes; the runs with most first."""

    database_bytes: int
    context_bytes: int  # of it
    checkpoint_bytes: int
    object_store: str | None  # its URL, where there is one: it has every checkpoint, the disk what is in use
    disk_free_bytes: int | None  # where checkpoints go; None if nobody can say
    least_free_bytes: int  # to be kept free
    disk_is_low: bool  # less than that is free: uploads and checkpoints are refused
    runs: tuple[RunStorage, ...]


def read(session: Session, settings: Settings) -> Storage:
    """What takes room, where checkpoints lie, and whether there is room for more."""
    free = free_bytes(settings.artifacts)
    sizes = {run_id: (number, size) for run_id, number, size in journal.checkpoint_sizes(session)}
    of_contexts = snapshots.bytes_of_runs(session)
    kept = rows.with_ids(session, {**sizes, **of_contexts})
    several = [run for run in kept if RunStatus(run.status).is_over and sizes.get(run.id, NOTHING)[0] > 1]
    spare = {run_id: len(steps) for run_id, steps in keeping.spare_steps(session, several).items()}
    runs = [
        RunStorage(
            run.id,
            run.name,
            RunStatus(run.status),
            *sizes.get(run.id, NOTHING),
            context_bytes=of_contexts.get(run.id, 0),
            spare=spare.get(run.id, 0),
        )
        for run in kept
    ]
    runs.sort(key=lambda each: -each.checkpoint_bytes - each.context_bytes)
    return Storage(
        database_bytes=database_size.size_bytes(session),
        context_bytes=sum(of_contexts.values()),
        checkpoint_bytes=sum(each.checkpoint_bytes for each in runs),
        object_store=settings.artifacts_url,
        disk_free_bytes=free,
        least_free_bytes=settings.min_free_bytes,
        disk_is_low=free is not None and free < settings.min_free_bytes,
        runs=tuple(runs),
    )


def forget_old(session: Session, run_ids: Collection[str]) -> list[str]:
    """Drop what runs that are over can do without: all but the newest, the best and what something needs; the
    paths whose files are to be removed once this is committed (`checkpoint_files.remove`). NotFound, Conflict
    (an active run)."""
    paths: list[str] = []
    for run_id in sorted(set(run_ids)):  # in one order: two at once must not wait for each other
        run = rows.get(session, run_id)
        if run is None:
            raise NotFound(f"Run {run_id!r} not found.")
        old = keeping.spare(session, run_id)
        paths += [each.path for each in old]
        checkpoints.forget(session, run_id, [each.step for each in old])
        if old:
            detail = counted(len(old), "checkpoint")
            audit.note(session, Action.CHECKPOINTS_REMOVED, Subject("run", run_id, run.name), detail)
    return paths
