"""`etrm evaluation`: what scorings of checkpoints found, and how two of them compare."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from backend.cli.run import AsJson

if TYPE_CHECKING:
    from backend.services.comparison import ComparisonView

app = typer.Typer(help="Evaluations: compare.", no_args_is_help=True)
SIDE = "The id of an evaluation, or of a run: its newest held-out result."


@app.callback()
def _group() -> None:
    """Keep `compare` a command of its own while it is the only one."""


@app.command()
def compare(
    a: Annotated[str, typer.Argument(metavar="A", help=SIDE)],
    b: Annotated[str, typer.Argument(metavar="B", help=SIDE)],
    k: Annotated[int, typer.Option("-k", help="Attempts: compare pass@k.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Compare two evaluations task by task: McNemar's exact test and the paired bootstrap.

    Refused, with the reasons, where they were not measured alike.
    """
    from backend.cli.place import reading
    from backend.services import comparison

    with reading() as session:
        found = comparison.compare(session, a, b, k)
    print(found.model_dump_json(indent=2) if as_json else "\n".join(_compared(found)))


def _compared(found: ComparisonView) -> list[str]:
    lines = [
        f"pass@{found.k} on {found.set}, {found.n} tasks, {found.weights} weights, {found.views} views, "
        f"{found.act_steps} ACT steps"
    ]
    for letter, side in (("a", found.a), ("b", found.b)):
        score = side.score
        interval = f"[{score.low * 100:.0f}–{score.high * 100:.0f}]"
        lines.append(
            f"{letter}  {side.run_name}  run {side.run_id}  step {side.step}  evaluation {side.evaluation}  "
            f"{score.solved:g}/{score.n} {score.share or 0:.0%} {interval}"
        )
    for name, tasks in (("only a", found.only_a), ("only b", found.only_b)):
        lines.append(f"{name}  {len(tasks)} tasks{': ' if tasks else ''}{' '.join(tasks)}")
    lines.append(f"both {len(found.both)}, neither {len(found.neither)}, partly {len(found.partly)}")
    return [*lines, found.words]
