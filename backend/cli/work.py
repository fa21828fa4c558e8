"""`etrm worker`, `train`, `evaluate` and `parity`: what needs torch.

The process becomes `python -m worker …`, so nothing here imports it.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated, NoReturn

import typer

Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change a field: --set training.steps=100. Repeatable."),
]


def worker(context: typer.Context) -> None:
    """Train queued runs, one at a time."""
    _become_worker("worker", *context.args)


def train(
    context: typer.Context,
    config: Annotated[str, typer.Argument(metavar="CONFIG.json|PRESET", help="A config file or a preset.")],
    overrides: Overrides = None,
    queue: Annotated[
        bool, typer.Option("--queue", help="Queue it for the workers, instead of training here and now.")
    ] = False,
) -> None:
    """Train here and now, or --queue the run.

    Training here needs no server; further options go to python -m worker train.
    """
    if not queue:
        _become_worker("train", config, *_options(overrides), *context.args)
    if context.args:
        raise typer.BadParameter(f"{context.args[0]} is not known together with --queue")
    print(f"Queued run {_queue(config, overrides or [])}. Watch it: etrm runs")


def evaluate(context: typer.Context) -> None:
    """Score a checkpoint: etrm evaluate RUN."""
    _become_worker("evaluate", *context.args)


def parity(context: typer.Context) -> None:
    """Check against fixtures: etrm parity DIR."""
    _become_worker("parity", *context.args)


def _queue(source: str, assignments: list[str]) -> str:
    """Create the run and tell the workers; its id."""
    from backend.cli.config import read_config
    from backend.cli.place import writing
    from backend.services import dispatch, runs

    config = read_config(source, assignments)
    with writing() as session:
        run_id = runs.create(session, config).id
    dispatch.send(run_id)
    return str(run_id)


def _options(overrides: list[str] | None) -> list[str]:
    return [part for each in overrides or [] for part in ("--set", each)]


def _become_worker(*arguments: str) -> NoReturn:
    """Replace this process: signals and the exit status are then the worker's own."""
    from backend.cli.place import settings

    settings()
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "worker", *arguments])
