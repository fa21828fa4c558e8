"""Files that commands write: `etrm runs export`, `etrm run curves`, `etrm evaluation export`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from backend.terminal.options import Format, Out, RunId, write

if TYPE_CHECKING:
    pass


def runs(
    filter_text: Annotated[str, typer.Option("--filter", metavar="FILTER", help="As in the table.")] = "",
    columns: Annotated[
        list[str] | None, typer.Option("--column", metavar="NAME", help="One more column. Repeatable.")
    ] = None,
    sort: Annotated[str, typer.Option(metavar="NAME", help="-NAME: descending.")] = "",
    as_: Format = "csv",
    out: Out = None,
) -> None:
    """Write every run that matches into a file: facts, pass@k with tasks and interval, columns."""
    from backend.runs_table import exports as run_exports
    from backend.terminal.lab import reading

    with reading() as session:
        file = run_exports.table(session, filter_text, columns or [], sort, as_)
    write(file, out)


def curves(
    run_id: RunId,
    metrics: Annotated[
        list[str] | None, typer.Option("--metric", metavar="NAME", help="Repeatable; default: all.")
    ] = None,
    as_: Format = "csv",
    out: Out = None,
) -> None:
    """Write every recorded point of a run's metrics into a file."""
    from backend.runs_table import exports as run_exports
    from backend.terminal.lab import reading

    with reading() as session:
        file = run_exports.curves(session, run_id, metrics, as_)
    write(file, out)
