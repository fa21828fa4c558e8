"""`etrm ensemble`: the votes of several evaluations, pooled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from backend.kit.format import counted
from backend.kit.output import answered
from backend.terminal.completion import complete_runs
from backend.terminal.options import oracle_text, score_text

if TYPE_CHECKING:
    from backend.ensembles.views import EnsembleView, MemberView


def ensemble(
    members: Annotated[
        list[str],
        typer.Argument(
            metavar="MEMBER MEMBER...",
            help="Ids of evaluations, or of runs: their held-out headlines.",
            autocompletion=complete_runs,
        ),
    ],
    k: Annotated[int, typer.Option("-k", min=1, max=100, help="Compare the members at pass@k.")] = 1,
) -> None:
    """Pool the votes of several evaluations of the same tasks: checkpoints, seeds or variants.

    Nothing is computed on a worker: the stored votes are counted again, equal grids as one candidate.
    Members that were measured otherwise are refused by name.
    """
    from backend.ensembles import api
    from backend.terminal.calls import call
    from backend.terminal.tables import show

    found = call(api.read_ensemble, members=",".join(members), k=k)
    if answered(found):
        return
    print(f"{found.set}, {counted(found.n, 'task')}: {found.protocol.conditions} each")
    heads = ("", "evaluation", "run", "step", *(f"pass@{each.k}" for each in found.passes))
    best = found.against_best.evaluation
    show(heads, [_ensemble(found), *(_row(each, best) for each in found.members)], empty="")
    print("\n".join(_lines(found)))


def _ensemble(found: EnsembleView) -> tuple[str, ...]:
    scores = (score_text(each) for each in found.passes)
    return ("ensemble", "", counted(len(found.members), "member"), "", *scores)


def _row(member: MemberView, best: int) -> tuple[str, ...]:
    scores = (score_text(each) for each in member.passes)
    place = "best" if member.evaluation == best else ""
    return (place, str(member.evaluation), member.run_name, str(member.step), *scores)


def _lines(found: EnsembleView) -> list[str]:
    lines = [f"pass@{found.k}  {found.against_best.words}"]
    lines += [f"oracle  {oracle_text(found.oracle)}"]
    return [*lines, *([found.note] if found.note else [])]
