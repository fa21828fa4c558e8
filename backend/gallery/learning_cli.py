"""`etrm evaluation learning`: what the checkpoints of a run gained and lost, task by task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from backend.kit.output import answered
from backend.terminal.options import RunId, score_text

if TYPE_CHECKING:
    from backend.gallery.learning import CellView, CourseView

SHOWN = 8  # newest checkpoints that fit a terminal


def learning(
    run: RunId,
    k: Annotated[int, typer.Option("-k", min=1, max=100, help="Solved within so many attempts.")] = 1,
    state: Annotated[str, typer.Option(metavar="lost|wavering|gained|kept|never", help="Default: all.")] = "",
) -> None:
    """Show, task by task, the rank of the right answer at every evaluated checkpoint."""
    from backend.gallery import learning as by_task
    from backend.gallery import learning_api as api
    from backend.terminal.calls import call
    from backend.terminal.tables import show

    if state and state not in by_task.STATES:
        raise typer.BadParameter(f"{state!r} is none of {', '.join(by_task.STATES)}", param_hint="--state")
    found = call(api.read_learning, run_id=run, k=k)
    if answered(found):
        return
    print(found.protocol.label)
    for at in found.checkpoints:
        print(f"step {at.step:>9,}  pass@{k} {score_text(at.score)}")
    print(" · ".join(f"{number} {name}" for name, number in found.counts.items()))
    steps = [f"{at.step:,}" for at in found.checkpoints[-SHOWN:]]
    lines = [_row(each) for each in found.courses if state in ("", each.state)]
    show(("task", "test", "state", *steps), lines, empty="No test input is in this state.")


def _row(course: CourseView) -> tuple[str, ...]:
    cells = (_said(each) for each in course.cells[-SHOWN:])
    return (course.task_id, str(course.test_index + 1), course.state, *cells)


def _said(cell: CellView | None) -> str:
    """`#3 12%`: rank and share of the votes; a dash where nobody voted for the right answer."""
    if cell is None or cell.rank is None:
        return "" if cell is None else "–"
    return f"#{cell.rank}" + ("" if cell.share is None else f" {cell.share:.0%}")
