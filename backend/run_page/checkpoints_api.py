"""/api/v1/runs/{id}/checkpoints: what a run can resume from, fork from, and hand out."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal

from fastapi import Path, Query, Response
from fastapi.responses import FileResponse
from pydantic import ConfigDict, Field

from backend.db.session import reading_scope, session_scope
from backend.domain.retention import REF
from backend.keeping import service as keeping
from backend.kit.model import Model
from backend.lifecycle import service as runs
from backend.queue import dispatch
from backend.run_view.views import RunView
from backend.runs import checkpoint_files
from backend.web.deps import Configured, Database, RunId, announce
from backend.web.errors import responses
from backend.web.inputs import Input
from backend.web.routing import EDITOR, VIEWER, Router

router = Router(
    reads=VIEWER,
    writes=EDITOR,
    prefix="/runs/{run_id}/checkpoints",
    tags=["runs"],
    responses=responses(401, 404),
)

Step = Annotated[
    str, Path(pattern=REF, description="Step of the checkpoint, or an alias such as best.", examples=["600"])
]
AliasName = Annotated[str, Path(max_length=200, description="Of the alias.", examples=["paper"])]
Weights = Literal["ema", "raw"]


class WeightsFileView(Model):
    """A file of weights, to be had from `/checkpoints/{step}/weights`."""

    weights: Weights
    size_bytes: int
    sha256: str


class CheckpointView(Model):
    """A checkpoint that is complete on disk."""

    step: int
    path: str = Field(description="Of its folder, relative to the artifacts folder.")
    sha256: str = Field(description="Of its manifest, which has that of every file.")
    size_bytes: int = Field(description="Of the folder: weights, optimiser, carry, data position.")
    created_at: float
    files: list[WeightsFileView] = Field(description="Empty where this server cannot see the folder.")
    aliases: list[str] = Field(description="What it is called; best moves by itself.", examples=[["best"]])
    score: float | None = Field(
        description="By the measure that the best are chosen by (training.best_by); null where it has none."
    )
    score_text: str = Field(description="The score as people read it; empty without one.", examples=["8.0 %"])
    kept_because: list[str] = Field(
        description="Why it stays; empty where it goes at the next clean-up.",
        examples=[["newest", "alias paper"]],
    )


class AliasView(Model):
    """A name of a checkpoint."""

    model_config = ConfigDict(from_attributes=True)

    name: str = Field(examples=["paper"])
    step: int
    set_by: str = Field(description="Empty for best, which moves by itself.")
    set_at: float | None


class Named(Input):
    """Which checkpoint an alias names from now on."""

    checkpoint: int | str = Field(description="Its step, or another alias.", examples=[600])


class ForkOf(Input):
    """What the fork takes, and how it differs from its parent: nested, or by dotted paths."""

    weights: Weights = Field("ema", description="Moving average, or raw.")
    part: Literal["all", "decoder"] = Field("all", description="Every weight, or the core and its heads.")
    overrides: dict[str, Any] = Field(default={}, examples=[{"seed": 1, "training": {"steps": 300}}])
    project: str | None = Field(None, description="Project of the fork; null: that of the parent.")


@router.get("")
def list_checkpoints(run_id: RunId, engine: Database, settings: Configured) -> list[CheckpointView]:
    """The run's checkpoints, newest first, with the files that can be downloaded."""
    with reading_scope(engine) as session:
        runs.check_exists(session, run_id)
        return [
            CheckpointView(
                step=each.step,
                path=each.path,
                sha256=each.sha256,
                size_bytes=each.size_bytes,
                created_at=each.created_at,
                files=[
                    WeightsFileView.model_validate(file, from_attributes=True)
                    for file in checkpoint_files.of(settings, each)
                ],
                aliases=list(kept.aliases),
                score=kept.verdict.score,
                score_text=kept.score_text,
                kept_because=list(kept.verdict.reasons),
            )
            for kept in keeping.kept_of(session, run_id)
            for each in (kept.row,)
        ]


@router.delete("/{step}", status_code=204, responses=responses(409, 422))
def delete_checkpoint(run_id: RunId, step: Step, engine: Database, settings: Configured) -> None:
    """Delete one checkpoint of a run that is over. 409 names what needs it: it is the newest or the best, or
    an alias, a fork, an evaluation or a dashboard needs it."""
    with session_scope(engine) as session:
        runs.check_exists(session, run_id)
        path = keeping.remove(session, run_id, step)
    checkpoint_files.remove(settings, [path])
    announce(run_id)


@router.get("/aliases")
def list_aliases(run_id: RunId, engine: Database) -> list[AliasView]:
    """The names of the run's checkpoints: best where one has a score, and those that people set."""
    with reading_scope(engine) as session:
        runs.check_exists(session, run_id)
        return [AliasView.model_validate(each) for each in keeping.aliases_of(session, run_id)]


@router.put("/aliases/{name}", responses=responses(409, 422))
def set_alias(run_id: RunId, name: AliasName, body: Named, engine: Database) -> AliasView:
    """Name a checkpoint, or move the name to another. What has a name is kept."""
    with session_scope(engine) as session:
        runs.check_exists(session, run_id)
        alias = keeping.set_alias(session, run_id, name, body.checkpoint)
    announce(run_id)
    return AliasView.model_validate(alias)


@router.delete("/aliases/{name}", status_code=204, responses=responses(409))
def remove_alias(run_id: RunId, name: AliasName, engine: Database) -> None:
    """Take a name away. The checkpoint stays until the next clean-up."""
    with session_scope(engine) as session:
        runs.check_exists(session, run_id)
        keeping.remove_alias(session, run_id, name)
    announce(run_id)


@router.get("/{step}/weights", response_class=FileResponse, responses=responses(409, 422))
def download_weights(
    run_id: RunId,
    step: Step,
    engine: Database,
    settings: Configured,
    weights: Annotated[Weights, Query(description="Moving average, or raw.")] = "ema",
) -> FileResponse:
    """The weights as safetensors, by our names; `Repr-Digest` has the SHA-256 of the file.

    A config takes them as `training.initialise_from` with kind `checkpoint`. In the layout of the published
    code: `etrm checkpoint export`.
    """
    with reading_scope(engine) as session:
        runs.check_exists(session, run_id)
        found = keeping.find(session, run_id, step)
    file = checkpoint_files.get(settings, found, weights)  # it may have to be fetched from the object store
    digest = base64.b64encode(bytes.fromhex(file.sha256)).decode()
    return FileResponse(
        file.path,
        media_type="application/octet-stream",
        filename=f"{run_id}-step-{found.step}-{weights}.safetensors",
        headers={"Repr-Digest": f"sha-256=:{digest}:"},
    )


@router.post("/{step}/resume", responses=responses(409, 422))
def resume_from_checkpoint(run_id: RunId, step: Step, engine: Database) -> RunView:
    """Queue a failed or cancelled run again, from this checkpoint; those after it are given up."""
    with session_scope(engine) as session:
        run = runs.resume(session, run_id, step)
    dispatch.send(run_id)
    announce(run_id)
    return run


@router.post("/{step}/fork", status_code=201, responses=responses(409, 422))
def fork_from_checkpoint(
    run_id: RunId, step: Step, response: Response, engine: Database, body: ForkOf | None = None
) -> RunView:
    """Queue a new run with this run's config whose first weights are those of this checkpoint."""
    asked = body or ForkOf()
    with session_scope(engine) as session:
        run = runs.fork(session, run_id, step, asked.weights, asked.part, asked.overrides, asked.project)
    dispatch.send(run.id)
    announce(run.id)
    response.headers["Location"] = f"/api/v1/runs/{run.id}"
    return run
