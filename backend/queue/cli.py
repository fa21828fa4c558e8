"""`etrm queue`: what waits, in which order, and changing that order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from backend.kit.clock import clock
from backend.kit.format import counted, worker_name
from backend.kit.output import answer, answered
from backend.terminal.options import RunId, progress_text

if TYPE_CHECKING:
    from backend.evaluation.views import EvaluationView

app = typer.Typer(help="The queue: list, move, priority.", invoke_without_command=True)
EVALUATION_HEADS = ("evaluation", "run", "tasks", "status", "")


@app.callback()
def listed(context: typer.Context) -> None:
    """List what runs and what waits, the next one first, and why; then evaluations and who shares them."""
    from backend.queue import api
    from backend.terminal.calls import call
    from backend.terminal.tables import show

    def evaluation_row(view: EvaluationView) -> tuple[str, ...]:
        at_work = [worker_name(share.worker_id) for share in view.compute.workers if share.active]
        doing = view.waiting_reason or f"{progress_text(view)}, by {' and '.join(at_work) or 'nobody'}"
        asked = f"{view.n} of {view.set}, {counted(view.views, 'view')}"
        return (str(view.id), view.run_name, asked, view.status, doing)

    if context.invoked_subcommand:
        return
    board, wait = call(api.read_queue), call(api.read_wait)
    if answered(board.model_dump(mode="json") | {"wait": wait}):
        return
    rows = [("runs", run.id, run.name, "", run.progress.phase) for run in board.running]
    rows += [
        (str(place), run.id, run.name, priority, run.waiting_reason)
        for place, (run, priority) in enumerate(zip(board.runs, board.priorities, strict=True), 1)
    ]
    jobs = board.evaluations
    empty = "No run is training or waiting." if jobs.running or jobs.waiting else "Queue is empty."
    show(("place", "run", "name", "priority", ""), rows, empty=empty)
    if jobs.running or jobs.waiting:
        print()
        show(EVALUATION_HEADS, [evaluation_row(each) for each in (*jobs.running, *jobs.waiting)], empty="")
    alive = [each for each in board.workers if each.alive]
    print(f"{counted(len(alive), 'worker')} online.")
    for each in alive:
        if each.out_cause:
            since = f" since {clock(each.out_since)}" if each.out_since is not None else ""
            said = f"{each.out_cause} {each.out_advice} It comes back by itself."
            print(f"Out of service{since}: {worker_name(each.id)}. {said}")
    print(f"A new run: {wait.words[:1].lower()}{wait.words[1:]}")


@app.command()
def move(run_id: RunId, place: Annotated[int, typer.Argument(min=1, help="1 is next.")]) -> None:
    """Put a waiting run at another place."""
    from backend.queue import api
    from backend.terminal.calls import call

    board = call(api.move_run, run_id=run_id, body=api.Move(position=place))
    got = next((at for at, run in enumerate(board.runs, 1) if run.id == run_id), place)
    answer(board, f"Run {run_id} is at position {got}.")


@app.command()
def priority(
    run_id: RunId,
    priority: Annotated[
        str, typer.Argument(metavar="high|normal|low", help="High goes before normal, normal before low.")
    ],
) -> None:
    """Give a waiting run another priority."""
    from backend.queue import api
    from backend.terminal.calls import call

    board = call(api.prioritise_run, run_id=run_id, body=api.Priority(priority=priority))
    answer(board, f"Run {run_id} has priority {priority}.")
