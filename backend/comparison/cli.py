"""`etrm compare`: runs side by side in a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from backend.kit.output import answered, is_json
from backend.terminal.completion import complete_runs
from backend.terminal.options import score_text, write

if TYPE_CHECKING:
    from fastapi import Response

    from backend.run_view.views import RunView


def compare(
    run_ids: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN RUN...]", help="Run ids; the first is the baseline.", autocompletion=complete_runs
        ),
    ] = None,
    group: Annotated[
        str,
        typer.Option(
            metavar="GROUP", help="Compare the runs of a group, by its id or name, instead of RUNs."
        ),
    ] = "",
    k: Annotated[int, typer.Option("-k", min=1, max=100, help="Compare pass@k.")] = 1,
    table: Annotated[
        str, typer.Option(metavar="TABLE", help="Print one table for a paper: results or significance.")
    ] = "",
    typeset_as: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="Of --table: latex, typst or markdown.")
    ] = "latex",
    by: Annotated[
        str, typer.Option(metavar="LINE", help="Of --table: a line per run, or over its seeds: run, seed.")
    ] = "run",
    published: Annotated[
        bool, typer.Option("--published", help="Of --table: with published results below.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the table into a file instead of printing it.")
    ] = None,
) -> None:
    """Compare runs: results, differing config fields, and whether the difference is significant."""
    from backend.comparison import api
    from backend.domain.config.messages import shown
    from backend.terminal.calls import call
    from backend.terminal.tables import show

    runs = ",".join(run_ids or [])
    if table:
        asked = {"what": table, "format": typeset_as, "by": by, "published": published}
        _give_table(out, api.typeset_table, runs=runs, group=group, k=k, **asked)
        return
    compared = call(api.compare_runs, runs=runs, group=group, k=k)
    found = compared.runs
    if answered(compared):
        return
    show(
        ("run", "name", "variant", "seed", f"pass@{k}", "measured on"),
        [_row(run, k) for run in found],
        empty="",
    )
    if compared.differing:
        print("\nConfig differences")
        rows = [
            (path, *(shown(values[run.id]) if run.id in values else "" for run in found))
            for path, values in compared.differing.items()
        ]
        show(("field", *(run.id for run in found)), rows, empty="")
    if compared.significance:
        print(f"\nAgainst {found[0].id} ({found[0].name}): a is the baseline, b the run")
        for pair in compared.significance:
            print(f"{pair.run}  {pair.comparison.words if pair.comparison else pair.reason}")
    if compared.over_seeds and len(compared.variations) < len(found):
        print(f"\nOver seeds, against {compared.variations[0].label}")
        for each in compared.over_seeds:
            print(f"{each.label}  {each.words}")


def _give_table(out: Path | None, endpoint: Callable[..., Response], **values: object) -> None:
    """Print the table; into a file where one is named, and for programs, which read where it is."""
    from backend.terminal.calls import save

    if out or is_json():
        write(out, endpoint, **values)
        return
    with TemporaryDirectory() as folder:
        table = save(endpoint, Path(folder) / "table", **values).path
        sys.stdout.write(table.read_text(encoding="utf-8"))


def _row(run: RunView, k: int) -> tuple[str, ...]:
    result = run.held_out
    seed = "" if run.seed is None else str(run.seed)
    parts = (result.set, result.caveat, result.measured_at) if result else ()
    measured = " · ".join(filter(None, parts))
    return (run.id, run.name, run.variant, seed, score_text(result.pass_at(k) if result else None), measured)
