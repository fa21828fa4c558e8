"""`etrm study`: put every claim of a paper to the test, and read the verdicts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from backend.kit.output import answered
from backend.terminal.options import Project

if TYPE_CHECKING:
    from backend.study.views import StudyOutline, StudyView


class StartsByName(TyperGroup):
    """`etrm study discussion` is `etrm study start discussion`."""

    usual = "start"  # what is meant where no command is named

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            args = [self.usual, *args]
        rest: list[str] = super().parse_args(ctx, args)
        return rest


app = typer.Typer(
    cls=StartsByName,
    help="Studies, every claim of a paper put to the test: start (or the name alone), list, show, stop, "
    "continue, export.",
    no_args_is_help=True,
)
StudyId = Annotated[str, typer.Argument(metavar="STUDY", help="Id of a study.")]
Hours = Annotated[
    float | None, typer.Option(metavar="H", help="Budget in hours, by the clock. Default: the scale's.")
]


@app.command()
def start(
    study: Annotated[
        str, typer.Argument(metavar="NAME|FILE.toml", help="A study that comes with the lab, or a file.")
    ],
    scale: Annotated[str, typer.Option(help="One of the study's scales.")] = "laptop",
    hours: Hours = None,
    project: Project = "",
) -> None:
    """Start a study: its runs are queued, judged, and repeated while a verdict is open and the budget lasts.

    A web server and a worker must run for that (etrm up). Stopping them loses nothing: the study continues.
    """
    from backend.study import api
    from backend.terminal.calls import call

    path = Path(study)
    if path.suffix == ".toml" or path.is_file():
        body = api.NewStudy(
            study=_read(path), name=path.stem[: api.MAX_NAME], scale=scale, hours=hours, project=project
        )
    else:
        body = api.NewStudy(study=study, scale=scale, hours=hours, project=project)
    view = call(api.create_study, body=body)
    if answered(view):
        return
    print(f"Started study {view.id}: {view.title}, {view.scale_title}, at most {view.hours:g} hours.")
    print(f"Watch it: etrm study show {view.id}")


@app.command(name="list")
def list_studies() -> None:
    """List the studies, newest first."""
    from backend.study import api
    from backend.terminal.calls import call
    from backend.terminal.tables import show as show_table

    found = call(api.list_studies)
    if answered(found):
        return
    rows = [(each.id, each.name, each.scale, each.status, each.hours_words) for each in found.studies]
    empty = f"No studies yet. Start one: etrm study {found.available[0] if found.available else 'FILE.toml'}"
    show_table(("study", "name", "scale", "status", "hours"), rows, empty=empty)
    for name in found.available:
        print(f"Comes with the lab: {name}. Read its claims, runs and budget: etrm study show {name}")


@app.command()
def show(
    study: Annotated[
        str,
        typer.Argument(
            metavar="STUDY|NAME|FILE.toml",
            help="Id of a study; or one that is not started: a name that comes with the lab, or a file.",
        ),
    ],
    scale: Annotated[str, typer.Option(help="Of one that is not started. Default: its first.")] = "",
) -> None:
    """Show every claim of a study with its verdict and the numbers it rests on.

    Of one that is not started: its claims with their bars, its runs and its budget.
    """
    from backend.study import api
    from backend.terminal.calls import call

    path = Path(study)
    if path.suffix == ".toml" or path.is_file():
        body = api.Unstarted(study=_read(path), name=path.stem[: api.MAX_NAME], scale=scale)
    elif study in call(api.list_studies, limit=1).available:
        body = api.Unstarted(study=study, scale=scale)
    else:
        view = call(api.read_study, study_id=study)
        if not answered(view):
            _show(view)
        return
    outline = call(api.preview_study, body=body)
    if not answered(outline):
        _show_outline(outline, study)


@app.command()
def stop(study_id: StudyId) -> None:
    """Queue nothing further; what waits or runs continues to its end."""
    from backend.study import api
    from backend.terminal.calls import call

    _say(call(api.stop_study, study_id=study_id))


@app.command(name="continue")
def resume(study_id: StudyId, hours: Hours = None) -> None:
    """Continue a study that was stopped or is finished; --hours gives it another budget."""
    from backend.study import api
    from backend.terminal.calls import call

    _say(call(api.continue_study, study_id=study_id, body=api.Budget(hours=hours)))


@app.command()
def export(
    study_id: StudyId,
    as_: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="report: all of it in Markdown. latex, typst or markdown: the table of claims. zip: report, "
            "tables, figures and numbers, which needs the extra paper where the lab runs.",
        ),
    ] = "report",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Default: a name in the current folder.")
    ] = None,
) -> None:
    """Write a study as a report, its claims as a table, or all of it for a paper."""
    from backend.study import api
    from backend.terminal.options import write

    if as_ == "zip":
        write(out, api.study_paper, study_id=study_id)
    elif as_ == "report":
        write(out, api.study_report, study_id=study_id)
    else:
        write(out, api.study_table, study_id=study_id, format=as_)


def _read(path: Path) -> dict[str, Any]:
    from backend.domain.study import from_toml
    from backend.kit.errors import InvalidInput

    try:
        return from_toml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a text"
        raise InvalidInput(f"{path} cannot be read: {reason}.", "Name a TOML file.") from error


def _say(view: StudyView) -> None:
    if not answered(view):
        _print(view)


def _print(view: StudyView) -> None:
    print(f"Study {view.id} is {view.words}.")
    if view.cause:
        print(view.cause)


def _show_outline(outline: StudyOutline, named: str) -> None:
    from backend.terminal.tables import show as show_table

    print(f"{outline.title}. {outline.about}")
    print(
        f"Scale {outline.scale}: {outline.scale_title}; at most {outline.hours:g} hours, "
        f"{outline.at_once} at once. All scales: {', '.join(outline.scales)}."
    )
    for number, of_round in enumerate(outline.rounds, 1):
        later = " Only for claims that are undecided by then." if number > 1 else ""
        print(f"Round {number}, {of_round.words}: {'at most ' * (number > 1)}{of_round.work}.{later}")
    rows = [
        (claim.name if not place else "", claim.section if not place else "", asks)
        for claim in outline.claims
        for place, asks in enumerate(claim.asks)
    ]
    show_table(("claim", "section", "supported where"), rows, empty="")
    print(f"Not started. Start it: etrm study {named} --scale {outline.scale}")


def _show(view: StudyView) -> None:
    from backend.terminal.tables import show as show_table

    _print(view)
    rows = [
        (claim.verdict if not place else "", claim.name if not place else "", test.asks, test.words)
        for claim in view.claims
        for place, test in enumerate(claim.tests)
    ]
    show_table(("verdict", "claim", "test", "found"), rows, empty="")
    for claim in view.claims:
        if claim.trouble:
            print(f"{claim.name}: {claim.trouble}")
