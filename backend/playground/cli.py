"""`etrm play`: ask a checkpoint one task and show its answer."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backend.evaluation_page.options import ActSteps, Adapt, Ref, Search, Weights
from backend.kit.errors import Interrupted, InvalidInput
from backend.kit.exit_codes import ExitCode
from backend.kit.format import counted
from backend.kit.output import answered
from backend.terminal.completion import complete_runs

if TYPE_CHECKING:
    from backend.playground.views import AnswerView, PlayView

POLL_INTERVAL = 0.3  # seconds
WAITING = ("queued", "running")


def play(
    task: Annotated[Path, typer.Argument(metavar="TASK.json", help="A file with one ARC task.")],
    run: Annotated[
        str,
        typer.Argument(metavar="RUN", help="Id or name of a run.", autocompletion=complete_runs),
    ],
    step: Ref = None,
    views: Annotated[int, typer.Option(min=1, max=200, help="Augmented forms that vote.")] = 8,
    act_steps: ActSteps = None,
    weights: Weights = None,
    adapt: Adapt = None,
    search: Search = None,
) -> None:
    """Ask a checkpoint one task: its candidates by votes.

    A worker of the lab answers, beside whatever it trains. The page /play does the same, lets you
    draw, and shows the training tasks whose contexts lie nearest.
    """
    from backend.domain.config.problems import apply_overrides
    from backend.domain.play import parse_play
    from backend.playground import api
    from backend.terminal.calls import call

    request = parse_play(
        {
            "task": _content(task),
            "name": task.stem[:200] or "task",
            "run": run,
            "step": step,
            "views": views,
            "act_steps": act_steps,
            "weights": weights or "ema",
            "adaptation": apply_overrides({}, adapt) if adapt else None,
            "search": apply_overrides({}, search) if search else None,
        }
    )
    view = _awaited(call(api.create_play, asked=request))
    if not answered(view):
        print("\n".join(_lines(view)))
    if view.status != "finished":
        raise typer.Exit(ExitCode.FAILED)


def _content(path: Path) -> object:
    import json

    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise InvalidInput(f"Cannot read {path}: {error.strerror}.") from None
    except ValueError as error:
        raise InvalidInput(f"{path} is not JSON: {error}.", "Export it again, or fix that place.") from None


def _awaited(view: PlayView) -> PlayView:
    """The play once it is answered. Ctrl-C stops the waiting, not the play."""
    from backend.playground import api
    from backend.terminal.calls import call

    said = ""
    try:
        while view.status in WAITING:
            now = f"waiting: {view.waiting_for}" if view.waiting_for else "a worker is answering"
            if now != said:
                print(now, file=sys.stderr)
                said = now
            time.sleep(POLL_INTERVAL)
            view = call(api.read_play, play_id=view.id)
    except KeyboardInterrupt:
        raise Interrupted(f"Still asked: see /play/{view.id}") from None
    return view


def _lines(view: PlayView) -> list[str]:
    made_by = f"{view.checkpoint.run_name} ({view.checkpoint.run}), step {view.checkpoint.step}"
    if view.status != "finished":
        return [f"No answer of {made_by}: {view.status_cause or view.status}"]
    lines = [f"{made_by}, {view.request.weights} weights", f"{_times(view)} on {view.device}"]
    for each in view.answers:
        lines += _answer(each)
    return [*lines, "", f"See it: /play/{view.id}"]


def _times(view: PlayView) -> str:
    loaded = f"loaded in {view.load_seconds:.1f} s" if view.load_seconds else "already loaded"
    return f"waited {view.waited_seconds:.1f} s, {loaded}, computed in {view.compute_seconds:.1f} s"


def _answer(answer: AnswerView) -> list[str]:
    lines = ["", f"test {answer.test_index + 1}{f': {answer.note}' if answer.note else ''}"]
    for each in answer.candidates:
        rightness = {True: ", right", False: f", {each.failure_mode}", None: ""}[each.correct]
        lines.append(f"  {each.rank}. {each.votes} of {counted(answer.views, 'view')}{rightness}")
        lines += [f"     {row}" for row in each.grid.split("/")]
    return lines
