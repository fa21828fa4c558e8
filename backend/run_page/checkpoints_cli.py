"""`etrm run checkpoints`, `alias`, `fork` and `weights`: what a run can resume from, and hand out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backend.evaluation_page.options import Ref
from backend.kit.format import size
from backend.terminal.options import AsJson, OtherProject, Overrides, RunId

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from backend.runs.tables import Checkpoint

Weights = Annotated[str, typer.Option(metavar="ema|raw", help="Moving average, or raw.")]


def checkpoints(run_id: RunId, as_json: AsJson = False) -> None:
    """List a run's checkpoints, newest first: what they are called, how good they are, why they stay."""
    from backend.keeping import service as keeping
    from backend.lifecycle import service as runs
    from backend.runs import checkpoint_files
    from backend.terminal.lab import reading, settings
    from backend.terminal.tables import show

    with reading() as session:
        runs.check_exists(session, run_id)
        kept = keeping.kept_of(session, run_id)
    if as_json:
        lab = settings()
        told = [
            {
                "step": each.row.step,
                "size_bytes": each.row.size_bytes,
                "path": each.row.path,
                "sha256": {file.weights: file.sha256 for file in checkpoint_files.of(lab, each.row)},
                "aliases": each.aliases,
                "score": each.verdict.score,
                "kept_because": each.verdict.reasons,
            }
            for each in kept
        ]
        print(json.dumps(told, indent=2))
        return
    rows = [
        (
            str(each.row.step), ", ".join(each.aliases), each.score_text, size(each.row.size_bytes),
            "; ".join(each.verdict.reasons) or "nothing needs it", each.row.path,
        )
        for each in kept
    ]  # fmt: skip
    show(("step", "aliases", "score", "size", "kept because", "folder"), rows, empty="No checkpoints yet.")


def alias(
    run_id: RunId,
    name: Annotated[str, typer.Argument(metavar="NAME", help="For example paper.")],
    checkpoint: Ref = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take the name away.")] = False,
) -> None:
    """Name a checkpoint of a run, or move the name to another. What has a name is kept."""
    from backend.keeping import service as keeping
    from backend.lifecycle import service as runs
    from backend.terminal.lab import writing
    from backend.web import notify

    if remove and checkpoint is not None:
        raise typer.BadParameter("is not for --remove", param_hint="--checkpoint")
    with writing() as session:
        runs.check_exists(session, run_id)
        if remove:
            keeping.remove_alias(session, run_id, name)
            said = f"Removed the alias {name} of run {run_id}."
        else:
            found = keeping.find(session, run_id, checkpoint)
            keeping.set_alias(session, run_id, name, found.step)
            said = f"{name} is step {found.step} of run {run_id}."
    notify.run_changed(run_id)
    print(said)


def fork(
    run_id: RunId,
    checkpoint: Ref = None,
    weights: Weights = "ema",
    part: Annotated[str, typer.Option(metavar="all|decoder", help="What is taken.")] = "all",
    overrides: Overrides = None,
    project: OtherProject = None,
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
        new_id = runs.create(session, config, run_id, parent.project if project is None else project).id
    dispatch.send(new_id)
    print(f"Queued run {new_id}, forked from step {step} of {run_id}.")


def weights(
    run_id: RunId,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write them.")],
    checkpoint: Ref = None,
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
        source = checkpoint_files.get(settings(), found, which)
    try:
        shutil.copyfile(source.path, file)
    except OSError as error:
        raise InvalidInput(f"{file} cannot be written: {error.strerror}.", "Name another FILE.") from error
    print(f"Wrote {file}: {which} weights of step {found.step}, SHA-256 {source.sha256}.")


def _checkpoint(session: Session, run_id: str, ref: str | None) -> Checkpoint:
    """The checkpoint of a step or an alias, or the newest; NotFound."""
    from backend.keeping import service as keeping
    from backend.lifecycle import service as runs

    runs.check_exists(session, run_id)
    return keeping.find(session, run_id, ref)
