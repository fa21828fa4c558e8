"""`etrm run checkpoints`, `fork` and `weights`: what a run can resume from, and hand out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backend.evaluation_page.options import Step
from backend.kit.format import size
from backend.terminal.options import AsJson, Overrides, RunId

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from backend.runs.tables import Checkpoint

Weights = Annotated[str, typer.Option(metavar="ema|raw", help="Moving average, or raw.")]


def checkpoints(run_id: RunId, as_json: AsJson = False) -> None:
    """List a run's checkpoints, newest first, with the checksums of their weights."""
    from backend.lifecycle import service as runs
    from backend.runs import checkpoint_files
    from backend.runs import checkpoints as service
    from backend.terminal.lab import reading, settings
    from backend.terminal.tables import show

    with reading() as session:
        runs.check_exists(session, run_id)
        kept = [
            (each, {file.weights: file.sha256 for file in checkpoint_files.of(settings().artifacts, each)})
            for each in service.list(session, run_id)
        ]
    if as_json:
        told = [
            {"step": each.step, "size_bytes": each.size_bytes, "path": each.path, "sha256": digests}
            for each, digests in kept
        ]
        print(json.dumps(told, indent=2))
        return
    rows = [
        (
            str(each.step), size(each.size_bytes), each.path,
            digests.get("ema", "not on this machine"), digests.get("raw", ""),
        )
        for each, digests in kept
    ]  # fmt: skip
    show(("step", "size", "folder", "SHA-256 of ema", "of raw"), rows, empty="No checkpoints yet.")


def fork(
    run_id: RunId,
    checkpoint: Step = None,
    weights: Weights = "ema",
    part: Annotated[str, typer.Option(metavar="all|decoder", help="What is taken.")] = "all",
    overrides: Overrides = None,
) -> None:
    """Queue a new run with this run's config that starts from one of its checkpoints, changed by --set."""
    from backend.domain.config.problems import apply_overrides, parse_experiment
    from backend.lifecycle import service as runs
    from backend.queue import dispatch
    from backend.terminal.lab import writing

    with writing() as session:
        parent = runs.get(session, run_id)
        step = _checkpoint(session, run_id, checkpoint).step
        values = runs.forked(run_id, parent.config, step, weights, part)
        config = parse_experiment(apply_overrides(values, overrides or []))
        new_id = runs.create(session, config, parent_id=run_id).id
    dispatch.send(new_id)
    print(f"Queued run {new_id}, forked from step {step} of {run_id}.")


def weights(
    run_id: RunId,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write them.")],
    checkpoint: Step = None,
    which: Annotated[str, typer.Option("--weights", metavar="ema|raw", help="Which ones.")] = "ema",
) -> None:
    """Write a checkpoint's weights as safetensors, by our names, and say their SHA-256."""
    from backend.kit.errors import InvalidInput
    from backend.runs import checkpoint_files
    from backend.terminal.lab import reading, settings

    if which not in checkpoint_files.NAMES:
        raise typer.BadParameter("must be ema or raw", param_hint="--weights")
    with reading() as session:
        found = _checkpoint(session, run_id, checkpoint)
        source = checkpoint_files.get(settings().artifacts, found, which)
    try:
        shutil.copyfile(source.path, file)
    except OSError as error:
        raise InvalidInput(f"{file} cannot be written: {error.strerror}.", "Name another FILE.") from error
    print(f"Wrote {file}: {which} weights of step {found.step}, SHA-256 {source.sha256}.")


def _checkpoint(session: Session, run_id: str, step: int | None) -> Checkpoint:
    """The checkpoint of `step`, or the newest; NotFound."""
    from backend.kit.errors import NotFound
    from backend.lifecycle import service as runs
    from backend.runs import checkpoints as service

    runs.check_exists(session, run_id)
    if step is not None:
        return service.get(session, run_id, step)
    newest = service.latest(session, run_id)
    if newest is None:
        raise NotFound(f"Run {run_id} has no checkpoint yet.", "Wait for its first checkpoint.")
    return newest
