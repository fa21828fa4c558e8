"""Files that commands write: `etrm runs export`, `etrm run curves`, `etrm evaluation export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backend.cli.run import RunId

if TYPE_CHECKING:
    from backend.services.table_files import File

Format = Annotated[str, typer.Option("--format", metavar="FORMAT", help="json, csv or parquet.")]
Out = Annotated[Path | None, typer.Option(metavar="FILE", help="Default: its own name, here.")]


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
    from backend.cli.place import reading
    from backend.services import run_exports

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
    from backend.cli.place import reading
    from backend.services import run_exports

    with reading() as session:
        file = run_exports.curves(session, run_id, metrics, as_)
    write(file, out)


def write(file: File, out: Path | None) -> None:
    """Save the file and say where."""
    from backend.domain.errors import InvalidInput

    path = out or Path(file.name)
    try:
        path.write_bytes(file.content)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror}.", "Choose another --out.") from error
    print(f"Wrote {path}.")
