"""`etrm metrics`: what a training records, and what each number means."""

from __future__ import annotations

from typing import Annotated

import typer

from backend.kit.output import answered

HEADS = ("metric", "title", "unit", "better", "recorded")


def metrics(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="Explain this one, for example loss.")] = "",
) -> None:
    """List the metrics that trainings record: title, unit, which direction is better, and when."""
    from backend.domain.metrics import METRICS, NAMES
    from backend.kit.problems import unknown
    from backend.terminal.tables import show as show_table

    found = [each for each in METRICS if name in ("", each.name)]
    if not found:
        raise unknown("metric", name, NAMES)
    if answered(found):
        return
    rows = [(each.name, each.title, each.unit, each.better or "-", each.recorded) for each in found]
    show_table(HEADS, rows, empty="")
    if name:
        print(f"\n{found[0].about}")
