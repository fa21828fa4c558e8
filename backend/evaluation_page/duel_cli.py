"""`etrm evaluation duel`: more views only while it is undecided which of two checkpoints solves more."""

from __future__ import annotations

import sys
import time
from typing import Annotated

import typer

from backend.kit.exit_codes import ExitCode
from backend.kit.format import counted
from backend.kit.output import answered
from backend.terminal.completion import complete_runs

POLL_INTERVAL = 1.0  # seconds


def duel(
    a: Annotated[str, typer.Argument(metavar="RUN_A", autocompletion=complete_runs)],
    b: Annotated[str, typer.Argument(metavar="RUN_B", autocompletion=complete_runs)],
    views: Annotated[
        str, typer.Option(metavar="N,N,...", help="Views of each round, ascending.")
    ] = "32,100,400",
    set_name: Annotated[
        str, typer.Option("--set", metavar="NAME", help="Task set. Default: the first of a's config.")
    ] = "",
    first: Annotated[int | None, typer.Option(min=1, help="Only the first n tasks of the set.")] = None,
    weights: Annotated[str, typer.Option(metavar="ema|raw", help="Which weights.")] = "ema",
    k: Annotated[int, typer.Option("-k", min=1, max=100, help="Compare pass@k.")] = 1,
    workers: Annotated[int, typer.Option(min=1, help="Maximum number of workers per evaluation.")] = 1,
) -> None:
    """Evaluate two runs with more views only while it is undecided which one solves more."""
    from backend.domain.evaluation_request import parse_request
    from backend.evaluation_page import api
    from backend.sequential.service import SequentialRequest
    from backend.terminal.calls import call

    numbers = [each.strip() for each in views.split(",")]
    if not all(each.isdecimal() for each in numbers):
        raise typer.BadParameter("must be numbers, separated by commas", param_hint="--views")
    asked = parse_request({"set": set_name, "first_tasks": first, "weights": weights, "workers": workers})
    request = SequentialRequest(a=a, b=b, k=k, views=tuple(map(int, numbers)), evaluation=asked)
    view = call(api.create_duel, asked=request)
    said = 0
    while view.status == "running":
        time.sleep(POLL_INTERVAL)
        view = call(api.read_duel, duel_id=view.id)
        told = [each for each in view.rounds if each.words]
        for each in told[said:]:
            print(f"{counted(each.views, 'view')}: {each.words}")
        said = len(told)
    if not answered(view):
        print(f"{view.status.capitalize()}.")
    if view.status == "failed":
        print(view.words, file=sys.stderr)
        raise typer.Exit(ExitCode.FAILED)
