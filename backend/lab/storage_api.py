"""/api/v1/storage: what takes room, and making room."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from backend.db.session import reading_scope, session_scope
from backend.kit.model import Model
from backend.lab import storage
from backend.runs import checkpoint_files
from backend.web.deps import Configured, Database
from backend.web.errors import responses
from backend.web.inputs import Input
from backend.web.routing import ADMIN, VIEWER, Router

router = Router(
    reads=VIEWER, writes=ADMIN, prefix="/storage", tags=["storage"], responses=responses(401, 403)
)


class RunStorageView(Model):
    """What one run keeps on disk."""

    model_config = ConfigDict(from_attributes=True)

    run_id: str
    name: str
    status: str
    checkpoints: int
    checkpoint_bytes: int
    context_bytes: int = Field(description="Contexts of its probes, in the database.")
    spare: int = Field(
        description="Checkpoints that it can do without: over, neither newest nor best, needed by nothing."
    )
    can_free: bool = Field(description="There are some.")


class StorageView(Model):
    """What the lab keeps, in bytes."""

    model_config = ConfigDict(from_attributes=True)

    database_bytes: int
    context_bytes: int = Field(description="Of the database: contexts of probes.")
    checkpoint_bytes: int
    object_store: str | None = Field(
        description="Where all checkpoints are; the disk has copies of those in use. Null: the disk has all."
    )
    disk_free_bytes: int | None = Field(description="Where checkpoints go; null if unknown.")
    disk_is_low: bool = Field(
        description="Less than ETRM_MIN_FREE_GIB is free: uploads and checkpoints are refused."
    )
    least_free_bytes: int = Field(description="ETRM_MIN_FREE_GIB in bytes.")
    removed: int = Field(0, description="Checkpoints that this request removed.")
    runs: list[RunStorageView] = Field(description="That have a checkpoint or contexts, the largest first.")


class Freed(Input):
    """Whose old checkpoints are removed."""

    runs: list[str] = Field(min_length=1, description="Ids of runs that are over.")


@router.get("")
def read_storage(engine: Database, settings: Configured) -> StorageView:
    """What takes room."""
    with reading_scope(engine) as session:
        found = storage.read(session, settings)
    return StorageView.model_validate(found)


@router.post("/free", responses=responses(404, 409, 422))
def free_storage(body: Freed, engine: Database, settings: Configured) -> StorageView:
    """Remove what these runs can do without, all or none: the newest and the best stay, and whatever an
    alias, a fork, an evaluation or a dashboard needs."""
    with session_scope(engine) as session:
        paths = storage.forget_old(session, body.runs)
    checkpoint_files.remove(settings, paths)
    return read_storage(engine, settings).model_copy(update={"removed": len(paths)})
