"""`etrm dashboard`: list, make, copy, share, export and delete dashboards."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from backend.kit.clock import to_the_minute
from backend.kit.output import answer, answered
from backend.terminal.completion import MAX_LOCAL, offered

app = typer.Typer(
    help="Dashboards: list, show, create, duplicate, share, export, paper, delete.", no_args_is_help=True
)
complete_dashboards = offered(
    f"SELECT slug, name FROM dashboard ORDER BY slug LIMIT {MAX_LOCAL}",
    "/dashboards",
    lambda dashboards: [(each["slug"], each["name"]) for each in dashboards],
)
Slug = Annotated[
    str,
    typer.Argument(
        metavar="SLUG", help="Slug of the dashboard, as in /d/SLUG.", autocompletion=complete_dashboards
    ),
]


@app.command(name="list")
def list_all() -> None:
    """List the dashboards, the last changed first."""
    from backend.dashboards import api
    from backend.terminal.calls import call
    from backend.terminal.tables import show as show_table

    found = call(api.list_dashboards)
    if answered(found):
        return
    rows = [(each.slug, each.name, str(each.panels)) for each in found]
    empty = "No dashboards yet. Create one: etrm dashboard create NAME"
    show_table(("slug", "name", "panels"), rows, empty=empty)


@app.command()
def show(slug: Slug) -> None:
    """Print a dashboard as JSON; `etrm dashboard create` reads it."""
    from backend.dashboards import api
    from backend.terminal.calls import call

    found = call(api.read_dashboard, slug=slug)
    answer(found, found.model_dump_json(indent=2))


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Name of the dashboard; its URL is derived from it.")],
    content: Annotated[
        Path | None,
        typer.Option("--from", exists=True, dir_okay=False, help="JSON from `show`, or its content alone."),
    ] = None,
) -> None:
    """Make a dashboard, empty or from a file."""
    from backend.dashboards import api
    from backend.terminal.calls import call

    read = _content(content) if content else {}
    body = api.NewDashboard(name=name, content=read.get("content", read))
    made = call(api.create_dashboard, body=body)
    answer(made, f"Created dashboard {made.slug}: /d/{made.slug}")


def _content(file: Path) -> Any:
    """What a JSON file holds; InvalidInput in words."""
    from backend.kit import json_text
    from backend.kit.errors import InvalidInput
    from backend.kit.text import problems

    try:
        read = json_text.read(file.read_text())
    except json_text.RepeatedKey as error:
        raise InvalidInput(f"{file} {error}.", "Remove one of the two.") from error
    except (ValueError, RecursionError, OSError) as error:
        raise InvalidInput(f"{file} is not JSON.", "Give a file that etrm dashboard show wrote.") from error
    if not isinstance(read, dict):
        raise InvalidInput(f"{file} is not a JSON object.", "Give a file that etrm dashboard show wrote.")
    if found := problems(read):
        raise InvalidInput(f"{file} holds what is no text.", problems=found)
    return read


@app.command()
def duplicate(
    slug: Slug, name: Annotated[str, typer.Option(metavar="NAME", help="Name of the copy.")] = ""
) -> None:
    """Make another dashboard with the same panels."""
    from backend.dashboards import api
    from backend.terminal.calls import call

    made = call(api.duplicate_dashboard, slug=slug, body=api.CopyName(name=name))
    answer(made, f"Created dashboard {made.slug}: /d/{made.slug}")


@app.command()
def share(slug: Slug) -> None:
    """Create a link that shows this dashboard, and nothing else, without a login."""
    from backend.dashboards import api
    from backend.terminal.calls import call

    made = call(api.share_dashboard, slug=slug)
    note = (
        "\nOnly this machine opens it. Set ETRM_PUBLIC_URL to the address under which others reach the lab."
        if made.only_here
        else ""
    )
    answer(made, f"Share link {made.id}, shown only once: {made.url}{note}")


@app.command()
def shares(
    slug: Annotated[str, typer.Argument(metavar="[SLUG]", help="Left out: all that open something.")] = "",
) -> None:
    """List the share links of a dashboard, or those of all."""
    from backend.dashboards import api, shares_api
    from backend.terminal.calls import call
    from backend.terminal.tables import show as show_table

    found: list[tuple[str, api.Share]]
    if slug:
        found = [(slug, each) for each in call(api.list_shares, slug=slug)]
    else:
        found = [(each.slug, each) for each in call(shares_api.list_live_shares)]
    if answered([share for _, share in found]):
        return
    rows = [
        (
            str(each.id), where, each.made_by, to_the_minute(each.created_at),
            to_the_minute(each.last_opened_at), to_the_minute(each.revoked_at),
        )
        for where, each in found
    ]  # fmt: skip
    heads = ("link", "dashboard", "made by", "made", "last opened", "revoked")
    show_table(heads, rows, empty="No share links.")


@app.command()
def revoke(
    slug: Slug, share_id: Annotated[int, typer.Argument(metavar="LINK", help="Number of the share link.")]
) -> None:
    """Revoke a share link."""
    from backend.dashboards import api
    from backend.terminal.calls import call

    answer(call(api.revoke_share, slug=slug, share_id=share_id), f"Revoked share link {share_id}.")


@app.command()
def export(
    slug: Slug,
    out: Annotated[
        Path | None,
        typer.Option("--out", dir_okay=False, help="Output file. Default: SLUG.html in the current folder."),
    ] = None,
) -> None:
    """Write a dashboard as one HTML file that needs nothing else."""
    from backend.dashboards import pages
    from backend.terminal.calls import save

    file = save(pages.export, out, slug=slug)
    answer(file, f"Wrote {file.path} ({file.size / 1000:.0f} kB).")


@app.command()
def paper(
    slug: Annotated[str, typer.Argument(metavar="[SLUG]", help="Slug of the dashboard, as in /d/SLUG.")] = "",
    run_ids: Annotated[
        list[str] | None,
        typer.Option("--run", metavar="RUN", help="Instead of a dashboard: compare these runs. Repeatable."),
    ] = None,
    by: Annotated[str, typer.Option(metavar="LINE", help="Of --run: a line per run or seed.")] = "run",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", dir_okay=False, help="Output file. Default: its own name, in the current folder."
        ),
    ] = None,
) -> None:
    """Write a dashboard's figures, data and tables for a paper as one zip; needs the extra paper."""
    from backend.dashboards import paper_api as api
    from backend.kit.errors import InvalidInput
    from backend.terminal.options import write

    if bool(slug) == bool(run_ids):
        raise InvalidInput("Nothing was written.", "Give the slug of a dashboard, or runs by --run.")
    if slug:
        write(out, api.dashboard_paper, slug=slug)
    else:
        write(out, api.comparison_paper, runs=",".join(run_ids or ()), by=by)


@app.command()
def delete(slug: Slug) -> None:
    """Delete a dashboard with its share links."""
    from backend.dashboards import api
    from backend.terminal.calls import call

    call(api.delete_dashboard, slug=slug)
    answer({"deleted": slug}, f"Deleted dashboard {slug}.")
