"""`etrm gallery`: what evaluations made of test inputs, as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from backend.kit.output import answered

if TYPE_CHECKING:
    from backend.gallery.api import AnswerView, GalleryItem


def gallery(
    evaluation: Annotated[
        list[int] | None,
        typer.Option(
            metavar="ID",
            help="Id of an evaluation. Repeatable: several are compared side by side as A, B and so on.",
        ),
    ] = None,
    run: Annotated[list[str] | None, typer.Option(metavar="RUN", help="Id of a run. Repeatable.")] = None,
    set_name: Annotated[str, typer.Option("--set", metavar="NAME", help="Task set.")] = "",
    variant: Annotated[str, typer.Option(metavar="NAME", help="trm, or the kind of the encoder.")] = "",
    task: Annotated[str, typer.Option(metavar="TEXT", help="Part of a task's id.")] = "",
    mode: Annotated[
        str, typer.Option(metavar="MODE", help="Failure mode of the first attempt (of A), or correct.")
    ] = "",
    size: Annotated[str, typer.Option(metavar="small|medium|large", help="By the task's longest side.")] = "",
    change: Annotated[
        str, typer.Option(metavar="a_only|b_only|both|neither|differ", help="A against B.")
    ] = "",
    attempts: Annotated[
        int, typer.Option(min=1, max=1000, help="Within which a test input counts as solved.")
    ] = 1,
    limit: Annotated[int, typer.Option(min=1, max=200, help="Maximum number of test inputs to list.")] = 50,
) -> None:
    """List test inputs with the first attempts at them, newest evaluation first."""
    from backend.gallery import api
    from backend.terminal.calls import call
    from backend.terminal.tables import show

    evaluations = evaluation or []
    page = call(
        api.read_gallery,
        evaluation=[str(each) for each in evaluations], run=run or [], set=set_name, variant=variant,
        task=task, mode=mode, size=size, change=change, attempts=attempts, limit=limit,
    )  # fmt: skip
    if answered(page):
        return
    several = max(1, len(evaluations))
    heads = ("task", "test", *(f"{letter}  run, first attempt" for letter in "ABCDEF"[:several]))
    show(heads, [_row(item) for item in page.items], empty="No predictions match.")
    if page.modes:
        print(" · ".join(f"{mode} {number}" for mode, number in page.modes.items()))
    for evaluation_id, reason in page.not_comparable.items():
        letter = "ABCDEF"[evaluations.index(evaluation_id)]
        print(f"{letter} is not comparable with A: {reason}.")
    if page.next_cursor:
        print(f"The first {limit}; --limit shows more.")


def _row(item: GalleryItem) -> tuple[str, ...]:
    return (item.task_id, str(item.test_index + 1), *(_said(answer) for answer in item.answers))


def _said(answer: AnswerView | None) -> str:
    """`quick 0, step 600: nearly right, 76 % of cells, 3/8 votes, correct answer ranked #3`."""
    if answer is None:
        return "not evaluated"
    source = answer.source
    where = f"{source.run_name}, step {source.step}, {source.weights}"
    if not answer.candidates:
        return f"{where}: {answer.note or 'no answer'}"
    first = answer.candidates[0]
    verdict = "correct" if first.correct else (first.failure_mode or "correct answer unknown")
    rank = (
        f"correct answer ranked #{answer.truth_rank}" if answer.truth_rank else "correct answer got 0 votes"
    )
    cells = f"{first.cell_accuracy:.0%} of cells"
    return f"{where}: {verdict}, {cells}, {first.votes}/{answer.views} votes, {rank}"
