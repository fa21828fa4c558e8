"""Files that commands write: `etrm runs export`, `etrm run curves`, `etrm run figure`."""

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


def figure(
    run_id: RunId,
    chart: Annotated[str, typer.Argument(metavar="CHART", help="Chart of the run's page, such as loss.")],
    as_: Annotated[str, typer.Option("--format", metavar="FORMAT", help="pdf or svg.")] = "pdf",
    width: Annotated[
        str, typer.Option(metavar="INCHES", help="3.5 or 7: one column of a paper, or both.")
    ] = "3.5",
    out: Out = None,
) -> None:
    """Draw a chart of a run as a figure for a paper; needs the extra paper where the lab runs."""
    from backend.run_page import figures_api as api

    write(out, api.figure_of_run, run_id=run_id, panel=chart, format=as_, width=width)
