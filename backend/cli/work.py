"""`etrm worker`, `train`, `checkpoint` and `parity`, which need torch, and `sync` and `import`,
which need the client.

The process becomes `python -m worker …` or `python -m etrm_lab …`, so nothing here imports them.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from backend.kit import output
from backend.kit.errors import NotFound
from backend.terminal.completion import complete_presets
from backend.terminal.options import Overrides, Project
from backend.terminal.worker import become_worker

if TYPE_CHECKING:
    from backend.run_view.views import RunView


def worker(context: typer.Context) -> None:
    """Train queued runs, one at a time."""
    become_worker("worker", *context.args)


def train(
    config: Annotated[
        str,
        typer.Argument(
            metavar="CONFIG.json|PRESET",
            help="Config file or preset. Omit with --resume.",
            autocompletion=complete_presets,
        ),
    ] = "",
    overrides: Overrides = None,
    queue: Annotated[
        bool, typer.Option("--queue", help="Queue the run for a worker instead of training in this process.")
    ] = False,
    out: Annotated[
        str | None,
        typer.Option(metavar="FOLDER", help="Output folder. Default: runs/NAME-TIME."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Resume from the checkpoints in --out.")] = False,
    project: Project = "",
) -> None:
    """Train here and now, or --queue the run.

    Training here needs no server and no database.
    """
    from backend.terminal.lab import here, page

    if project and not queue:
        raise typer.BadParameter("is for runs that --queue queues", param_hint="--project")
    if not queue:
        here()
        options = [part for each in overrides or [] for part in ("--set", each)]
        options += ["--out", out] if out else []
        become_worker("train", *([config] if config else []), *options, *(["--resume"] if resume else []))
    if not config or out or resume:
        raise typer.BadParameter(
            "needs a CONFIG and cannot be combined with --out or --resume", param_hint="--queue"
        )
    run = _queue(config, overrides or [], project)
    watch = f"Watch it with etrm runs, or here:\n{page(f'/runs/{run.id}')}"
    output.answer(run, f"Queued run {run.id}. {watch}")


def checkpoint(context: typer.Context) -> None:
    """Import, export or look into checkpoints: etrm checkpoint."""
    become_worker("checkpoint", *context.args)


def control(context: typer.Context) -> None:
    """Train small variants on rules that can be learned, and report: etrm control."""
    become_worker("control", *context.args)


def parity(context: typer.Context) -> None:
    """Check against fixtures: etrm parity DIR."""
    become_worker("parity", *context.args)


def sync(
    folder: Annotated[
        str, typer.Argument(metavar="FOLDER", help="With the journals of runs, or one journal.")
    ] = "etrm-runs",
) -> None:
    """Send runs that scripts logged while the lab was away.

    To the lab of --url or ETRM_URL, or the one that etrm login stored. Doing it again is safe.
    """
    _become_client("sync", folder)


def import_runs(context: typer.Context) -> None:
    """Import runs of TensorBoard, W&B, MLflow or Trackio."""
    _become_client("import", *context.args)


def _become_client(*arguments: str) -> NoReturn:
    if find_spec("etrm_lab") is None:
        raise NotFound(
            "The client is not installed.", "Install it: pip install ./client, in a clone of ETRM Lab."
        )
    sys.stdout.flush()
    options = [output.OPTION] if output.is_json() else []
    os.execv(sys.executable, [sys.executable, "-m", "etrm_lab", *options, *arguments])


def _queue(source: str, assignments: list[str], project: str) -> RunView:
    """Create the run and tell the workers."""
    from backend.domain.config.files import read_experiment
    from backend.run_page import api as runs
    from backend.terminal.calls import call

    config = read_experiment(source, assignments)
    return call(runs.create_run, body=config.model_dump_json().encode(), project=project)
