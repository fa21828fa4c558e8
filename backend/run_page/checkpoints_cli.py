"""`etrm run checkpoints`, `alias`, `fork` and `weights`: what a run can resume from, and hand out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from backend.evaluation_page.options import Ref
from backend.kit.format import size
from backend.kit.output import answer, answered
from backend.terminal.options import OtherProject, Overrides, RunId

Weights = Annotated[str, typer.Option(metavar="ema|raw", help="Moving average, or raw.")]


def checkpoints(run_id: RunId) -> None:
    """List a run's checkpoints, newest first: what they are called, how good they are, why they stay."""
    from backend.run_page import checkpoints_api as api
    from backend.terminal.calls import call
    from backend.terminal.tables import show

    kept = call(api.list_checkpoints, run_id=run_id)
    if answered(kept):
        return
    rows = [
        (
            str(each.step), ", ".join(each.aliases), each.score_text, size(each.size_bytes),
            "; ".join(each.kept_because) or "nothing needs it", each.path,
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
    from backend.run_page import checkpoints_api as api
    from backend.terminal.calls import call

    if remove and checkpoint is not None:
        raise typer.BadParameter("is not for --remove", param_hint="--checkpoint")
    if remove:
        call(api.remove_alias, run_id=run_id, name=name)
        answer({"removed": name}, f"Removed the alias {name} of run {run_id}.")
        return
    body = api.Named(checkpoint=checkpoint or _newest(run_id))
    found = call(api.set_alias, run_id=run_id, name=name, body=body)
    answer(found, f"{name} is step {found.step} of run {run_id}.")


def fork(
    run_id: RunId,
    checkpoint: Ref = None,
    weights: Weights = "ema",
    part: Annotated[str, typer.Option(metavar="all|decoder", help="What is taken.")] = "all",
    overrides: Overrides = None,
    project: OtherProject = None,
) -> None:
    """Queue a new run with this run's config that starts from one of its checkpoints, changed by --set."""
    from backend.domain.config.problems import changes_of
    from backend.run_page import checkpoints_api as api
    from backend.terminal.calls import call
    from backend.terminal.lab import page

    _check_one_of(weights, "--weights", "ema", "raw")
    _check_one_of(part, "--part", "all", "decoder")
    asked = {"weights": weights, "part": part, "overrides": changes_of(overrides or []), "project": project}
    body = api.ForkOf.model_validate(asked)
    ref = checkpoint or _newest(run_id)
    run = call(api.fork_from_checkpoint, run_id=run_id, step=ref, body=body)
    step = run.config["training"]["initialise_from"]["step"]
    said = f"Queued run {run.id}, forked from step {step} of {run_id}. Watch it:"
    answer(run, f"{said}\n{page(f'/runs/{run.id}')}")


def weights(
    run_id: RunId,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write them.")],
    checkpoint: Ref = None,
    which: Annotated[
        str, typer.Option("--weights", metavar="ema|raw", help="Moving average, or raw.")
    ] = "ema",
) -> None:
    """Write a checkpoint's weights as safetensors, by our names, and say their SHA-256."""
    from backend.run_page import checkpoints_api as api
    from backend.terminal.calls import save

    _check_one_of(which, "--weights", "ema", "raw")
    ref = checkpoint or _newest(run_id)
    written = save(api.download_weights, file, run_id=run_id, step=ref, weights=which)
    step = written.name.partition("-step-")[2].partition("-")[0] or ref  # RUN-step-STEP-WEIGHTS.safetensors
    answer(written, f"Wrote {file}: {which} weights of step {step}, SHA-256 {written.sha256}.")


def _newest(run_id: str) -> str:
    """The step of the newest checkpoint; NotFound."""
    from backend.kit.errors import NotFound
    from backend.run_page import checkpoints_api as api
    from backend.terminal.calls import call

    if kept := call(api.list_checkpoints, run_id=run_id):
        return str(kept[0].step)
    raise NotFound(f"Run {run_id} has no checkpoint yet.", "Wait for its first checkpoint.")


def _check_one_of(value: str, option: str, *known: str) -> None:
    if value not in known:
        raise typer.BadParameter(f"must be {' or '.join(known)}", param_hint=option)
