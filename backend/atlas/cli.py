"""`etrm atlas`: how the contexts of runs lie, over their steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from backend.kit.format import counted, fine_percent, percent
from backend.kit.output import answered
from backend.terminal.completion import complete_runs
from backend.terminal.options import Out, write

if TYPE_CHECKING:
    from backend.atlas.api import AtlasSnapshot


def atlas(
    run_ids: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="Run ids.", autocompletion=complete_runs)
    ],
    positions: Annotated[
        str,
        typer.Option(metavar="FORMAT", help="Write every position of the map to a file: csv, json, parquet."),
    ] = "",
    contexts: Annotated[
        int | None,
        typer.Option(metavar="STEP", min=0, help="Write the contexts of the first run at this step (.npz)."),
    ] = None,
    out: Out = None,
) -> None:
    """Show how the contexts of runs lie among each other at each step.

    Example: etrm atlas k3v9q2m7xa w7c2m4k1zz --positions csv
    """
    from backend.atlas import api
    from backend.terminal.calls import call
    from backend.terminal.tables import show

    if contexts is not None:
        write(out, api.download_contexts, run_id=run_ids[0], step=contexts)
        return
    if positions:
        write(out, api.export_atlas, runs=",".join(run_ids), format=positions)
        return
    found = call(api.read_atlas, runs=",".join(run_ids))
    if answered(found):
        return
    for run in found.runs:
        print(f"{run.id} {run.name}: {run.sentence}")
        if run.agreement:
            alike = run.agreement
            print(
                f"Its last contexts agree with those of the first run to {percent(alike.value, 0)} over "
                f"{counted(alike.common, 'common task')}; "
                f"shuffled tasks give {percent(alike.low, 0)} to {percent(alike.high, 0)}."
            )
        show(
            ("step", "variance of contexts", "reading", "as before", "right", "retrieval"),
            [_row(each) for each in run.snapshots],
            empty="No contexts. Runs keep them at each probe (health.probe_every).",
        )


def _row(each: AtlasSnapshot) -> tuple[str, ...]:
    there = [answer for answer in each.answers if answer]
    right = f"{sum(answer.right for answer in there)}/{len(there)}"
    kept = percent(each.kept, 0)
    return f"{each.step:,}", fine_percent(each.spread), each.word, kept, right, percent(each.retrieval, 0)
