"""Files that commands write: `etrm runs export`, `etrm run curves`, `etrm evaluation export`."""

from __future__ import annotations

from typing import Annotated

import typer

from backend.terminal.options import Format, Out, RunId, write


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
    from backend.kit.lists import as_text
    from backend.run_page import api

    asked = {"filter": filter_text, "columns": as_text(columns or []), "sort": sort, "format": as_}
    write(out, api.export_runs, **asked)


def curves(
    run_id: RunId,
    metrics: Annotated[
        list[str] | None,
        typer.Option("--metric", metavar="NAME", help="Or an expression. Repeatable; default: all."),
    ] = None,
    as_: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="json, csv, parquet or tensorboard.")
    ] = "csv",
    out: Out = None,
) -> None:
    """Write every recorded point of a run's metrics into a file."""
    from backend.kit.lists import as_text
    from backend.run_page import series_api as api

    write(out, api.export_series, run_id=run_id, names=as_text(metrics or []), format=as_)
