"""`etrm runs` and `etrm view`: the table of runs, what is done to many of them, and its saved views."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from backend.kit.clock import clock, time_or_date
from backend.kit.format import counted, short_number
from backend.kit.output import answer, answered, is_json
from backend.kit.streams import one_line
from backend.terminal.completion import complete_runs
from backend.terminal.options import Least, RunId, score_text, share_text
from backend.terminal.tables import show as show_table

if TYPE_CHECKING:
    from backend.run_page.api import Cell
    from backend.run_view.views import RunView
    from backend.runs.brief import Brief

app = typer.Typer(
    help="Runs: list, archive, restore, tag, note, project, log, export.", invoke_without_command=True
)
view_app = typer.Typer(help="Saved views of the runs: list, save, delete.", no_args_is_help=True)
NONE_YET = "No runs yet. Start one: etrm train quick --queue"
MORE = "There are more than {limit}: --limit or --filter."
HEADS = ("run", "name", "variant", "status", "progress", "pass@1", "hypothesis", "started")
RunIds = Annotated[
    list[str], typer.Argument(metavar="RUN...", help="Ids of runs.", autocompletion=complete_runs)
]
ViewName = Annotated[str, typer.Argument(metavar="NAME", help="Name of the view.")]


@app.callback()
def runs(
    context: typer.Context,
    filter_text: Annotated[
        str, typer.Option("--filter", help='For example: encoder == "deterministic" and pass1 > 0.1')
    ] = "",
    view: Annotated[
        str, typer.Option(metavar="NAME", help="A saved view: its filter, order and columns.")
    ] = "",
    sort: Annotated[
        str, typer.Option(metavar="NAME", help="By any name of the filter language; -NAME: descending.")
    ] = "",
    columns: Annotated[
        list[str] | None, typer.Option("--column", metavar="NAME", help="One more column. Repeatable.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Maximum number to list, newest first.")] = 50,
) -> None:
    """List runs, newest first; archived ones are left out unless the filter says something about them."""
    if context.invoked_subcommand:
        return
    if not (filter_text or view or sort or columns or is_json()) and _show_newest(limit):
        return
    from backend.kit.lists import as_text
    from backend.run_page import api
    from backend.terminal.calls import call

    asked = {"filter": filter_text, "view": view, "sort": sort, "columns": as_text(columns or [])}
    page = call(api.list_runs, **asked, limit=limit)
    if answered(page):
        return
    is_narrowed = filter_text or view
    rows = [(*_row(run), *map(_text, page.values.get(run.id, []))) for run in page.runs]
    show_table((*HEADS, *page.columns), rows, empty="No runs match." if is_narrowed else NONE_YET)
    for note in page.notes:
        print(note, file=sys.stderr)
    if page.next_cursor:
        print(MORE.format(limit=limit), file=sys.stderr)


@app.command()
def archive(run_ids: RunIds) -> None:
    """Put runs away: lists leave them out unless asked for."""
    _put_away(run_ids, True)


@app.command()
def restore(run_ids: RunIds) -> None:
    """Take runs out of the archive."""
    _put_away(run_ids, False)


@app.command()
def tag(
    run_ids: RunIds,
    add: Annotated[list[str] | None, typer.Option(metavar="TAG", help="Tag to add. Repeatable.")] = None,
    remove: Annotated[
        list[str] | None, typer.Option(metavar="TAG", help="Tag to remove. Repeatable.")
    ] = None,
) -> None:
    """Add tags to runs and remove others, all or none."""
    from backend.run_page import api
    from backend.terminal.calls import call

    body = api.Tagging(runs=run_ids, add=add or [], remove=remove or [])
    tagged = call(api.tag_runs, body=body)
    answer(tagged, f"Updated tags on {len(tagged.changed)} of {counted(len(set(run_ids)), 'run')}.")


@app.command()
def note(
    run_id: RunId,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="Replace the existing notes.")],
) -> None:
    """Write a run's notes."""
    from backend.run_page import api
    from backend.terminal.calls import call

    before = call(api.read_run, run_id=run_id).notes
    run = call(api.edit_run, run_id=run_id, body=api.Edit(notes=text))
    if before and before != text:
        print(f"Replaced: {before}", file=sys.stderr)
    answer(run, f"Saved the notes of run {run_id}.")


@app.command()
def project(
    name: Annotated[str, typer.Argument(metavar="NAME", help='Project; "" takes the runs out of theirs.')],
    run_ids: RunIds,
) -> None:
    """Put runs into a project, one after the other."""
    from backend.run_page import api
    from backend.terminal.calls import call

    runs = [call(api.edit_run, run_id=run_id, body=api.Edit(project=name)) for run_id in run_ids]
    where = f"Project {name}" if name.strip() else "No project"
    answer({"runs": runs}, f"{where}: {counted(len(set(run_ids)), 'run')}.")


@view_app.command(name="list")
def list_views() -> None:
    """List the saved views, by name."""
    from backend.runs_table import saved_views, views_api
    from backend.terminal.calls import call

    found = call(views_api.list_views)
    if answered(found):
        return
    rows = []
    for each in found:
        parts = saved_views.parts_of(each.query)
        rows.append((each.name, parts.filter, parts.sort, ", ".join(parts.columns)))
    empty = "No saved views. Save one: etrm view save NAME --filter ..."
    show_table(("view", "filter", "order", "columns"), rows, empty=empty)


@view_app.command()
def save(
    name: ViewName,
    filter_text: Annotated[str, typer.Option("--filter", help="Filter of the view.")] = "",
    sort: Annotated[str, typer.Option(metavar="NAME", help="-NAME: descending.")] = "",
    columns: Annotated[
        list[str] | None, typer.Option("--column", metavar="NAME", help="Repeatable, in this order.")
    ] = None,
) -> None:
    """Save a view for everybody, or give the one of this name another filter, order and columns."""
    from backend.runs_table import saved_views, views_api
    from backend.terminal.calls import call

    parts = saved_views.Parts(filter_text, sort, tuple(columns or ()))
    kept = call(views_api.save_view, name=name, body=views_api.Query(query=parts.query))
    answer(kept, f"Saved view {kept.name}: /?{kept.query}")


@app.command("log")
def search_logs(
    contains: Annotated[str, typer.Argument(metavar="TEXT", help="What the lines hold, in any case.")],
    level: Least = "info",
    limit: Annotated[int, typer.Option("-n", "--lines", min=1, max=1000, help="Most lines to print.")] = 50,
) -> None:
    """Search the logs of all runs; the newest lines that hold a text, newest first."""
    from backend.run_page import logs_api as api
    from backend.terminal.calls import call

    found = call(api.search_logs, contains=contains, level=level, limit=limit)
    if answered(found):
        return
    for line in found.lines:
        print(f"{line.run_id} {clock(line.wall_time)} {line.level:7} {one_line(line.text)}")
    if not found.lines:
        print(f"No log has a line with {contains!r}.")


@view_app.command()
def delete(name: ViewName) -> None:
    """Delete a saved view; runs are kept."""
    from backend.runs_table import views_api
    from backend.terminal.calls import call

    call(views_api.delete_view, name=name)
    answer({"deleted": name}, f"Deleted view {name}.")


def _put_away(run_ids: list[str], archived: bool) -> None:
    """All or none."""
    from backend.run_page import api
    from backend.terminal.calls import call

    changed = call(api.archive_runs, body=api.Archiving(runs=run_ids, archived=archived))
    answer(changed, f"{'Archived' if archived else 'Restored'} {counted(len(run_ids), 'run')}.")


def _show_newest(limit: int) -> bool:
    """Print the newest runs of this machine's lab at once; False where that needs more of the program."""
    from backend.runs import brief
    from backend.settings import Settings
    from backend.terminal.lab import settings

    if Settings.current().url is not None:
        return False
    runs = brief.newest(settings().database_url, limit + 1)
    if runs is None:
        return False
    show_table(HEADS, [_brief_row(run) for run in runs[:limit]], empty=NONE_YET)
    if len(runs) > limit:
        print(MORE.format(limit=limit), file=sys.stderr)
    return True


def _brief_row(run: Brief) -> tuple[str, ...]:
    score = share_text(*run.score) if run.score else ""
    progress, started = _progress(run.share, run.phase), _moment(run.started_at)
    return (run.id, run.name, run.variant, run.status, progress, score, run.verdict, started)


def _row(run: RunView) -> tuple[str, ...]:
    result = run.held_out
    score = result.pass_at(1) if result else None
    progress, started = _progress(run.progress.share, run.progress.phase), _moment(run.started_at)
    verdict = run.hypothesis.verdict if run.hypothesis else ""
    return (run.id, run.name, run.variant, run.status, progress, score_text(score), verdict, started)


def _progress(share: float | None, phase: str) -> str:
    return "" if share is None else f"{share:.0%} {phase}"


def _moment(moment: float | None) -> str:
    return "" if moment is None else time_or_date(moment)


def _text(value: Cell) -> str:
    """A value of a column; empty where a run has none."""
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(value)
    return short_number(value, 4) if isinstance(value, float) else str(value)
