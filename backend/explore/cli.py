"""`etrm explore`: which fields go with a result, or values of a set of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from backend.kit.format import counted, short_number
from backend.kit.output import answered

if TYPE_CHECKING:
    from backend.explore.api import ImportanceView


def explore(
    of: Annotated[
        str, typer.Option(metavar="NAME", help="The result: a name of the filter language, or an expression.")
    ] = "pass1",
    filter_text: Annotated[str, typer.Option("--filter", metavar="FILTER", help="As in the table.")] = "",
    values: Annotated[
        list[str] | None,
        typer.Option("--value", metavar="NAME", help="Print this of every run instead. Repeatable."),
    ] = None,
) -> None:
    """Show which config fields go with a result, over the configurations of the runs that match.

    Example: etrm explore --of pass1 --filter 'group == "w7c2m4k1zz"'
    """
    from backend.explore import api
    from backend.terminal.calls import call
    from backend.terminal.tables import show

    if values:
        found = call(api.explore_runs, filter=filter_text, value=values)
        if answered(found):
            return
        rows = [(run.id, run.name, *(_shown(run.values[name]) for name in values)) for run in found.runs]
        show(("run", "name", *values), rows, empty="No runs match.")
        for note in found.notes:
            print(note)
        return
    weighed = call(api.importance_of_fields, filter=filter_text, of=of)
    if answered(weighed):
        return
    show(
        (
            "field",
            "measure",
            "effect",
            "95 % interval",
            "configurations",
            "verdict",
            "cannot be told apart from",
        ),
        [_row(each) for each in weighed.fields],
        empty="No config field varies between these runs.",
    )
    print(
        f"Of {of}: {counted(weighed.runs, 'run')} of {counted(weighed.configurations, 'configuration')}; "
        f"{counted(weighed.without, 'run')} without it."
    )


def _row(each: ImportanceView) -> tuple[str, ...]:
    measure = "rank correlation" if each.kind == "ordered" else "eta squared"
    interval = "" if each.low is None or each.high is None else f"{each.low:.2f} to {each.high:.2f}"
    effect = (
        ""
        if each.effect is None
        else f"{each.effect:+.2f}"
        if each.kind == "ordered"
        else f"{each.effect:.2f}"
    )
    verdict = each.reason or ("decided" if each.decided else "undecided")
    together = ", ".join(each.together_with)
    return (each.path, measure, effect, interval, str(each.configurations), verdict, together)


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else short_number(value) if isinstance(value, float) else str(value)
