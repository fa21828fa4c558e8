"""`etrm parameter-search`: try configurations, chosen by what the earlier ones reached."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from backend.kit.output import answered
from backend.terminal.options import Overrides, Project, Source

if TYPE_CHECKING:
    from backend.parameter_search.views import ParameterSearchView

app = typer.Typer(
    help="Search over the fields of a config (needs the extra optuna): start, show, stop, continue."
)
SearchId = Annotated[
    str, typer.Argument(metavar="SEARCH", help="Id of the search, which its group has, too.")
]


@app.command()
def start(
    source: Source,
    vary: Annotated[
        list[str],
        typer.Option(
            metavar="PATH=LOW..HIGH[:log][:step=N]",
            help="Search a range, or a list of choices: --vary optimisation.learning_rate=1e-4..1e-2:log. "
            "Repeatable.",
        ),
    ],
    overrides: Overrides = None,
    objective: Annotated[
        str, typer.Option(help="What is to become good: pass@1, or a series such as accuracy/exact:max.")
    ] = "pass@1",
    trials: Annotated[int, typer.Option(help="Configurations to try.")] = 20,
    seeds: Annotated[int, typer.Option(help="Seeds of a trial that is never pruned.")] = 3,
    at_once: Annotated[int, typer.Option(help="Most runs that wait or run at once.")] = 1,
    prune_from: Annotated[
        int | None, typer.Option(help="Step from which a run may be pruned. Default: half of its steps.")
    ] = None,
    sampler: Annotated[str, typer.Option(metavar="tpe|random", help="Which sampler of Optuna's.")] = "tpe",
    draw_seed: Annotated[int, typer.Option(help="Of the sampler.")] = 0,
    name: Annotated[str, typer.Option(help="Name of the group. Default: what varies.")] = "",
    project: Project = "",
) -> None:
    """Start a parameter search: runs whose configurations are chosen by what the earlier ones reached.

    A trial gets its next seed only while its interval overlaps that of the best one.
    """
    from backend.domain.config.files import read_experiment
    from backend.domain.sweeps import read_axes
    from backend.parameter_search import api
    from backend.terminal.calls import call

    config = read_experiment(source, overrides or [])
    search = {
        "fields": read_axes("random", "--vary", vary),
        "objective": objective,
        "trials": trials,
        "seeds": seeds,
        "at_once": at_once,
        "prune_from": prune_from,
        "sampler": sampler,
        "draw_seed": draw_seed,
    }
    body = api.NewParameterSearch(
        search=search, config=config.model_dump(mode="json"), name=name, project=project
    )
    view = call(api.create_parameter_search, body=body)
    if answered(view):
        return
    print(f"Started parameter search {view.id}: {view.name}.")
    print(f"Watch it: etrm parameter-search show {view.id}")


@app.command()
def show(search_id: SearchId) -> None:
    """Show the trials of a parameter search, with their intervals, and the best so far."""
    from backend.parameter_search import api
    from backend.terminal.calls import call

    _show(call(api.read_parameter_search, group_id=search_id))


@app.command()
def stop(search_id: SearchId) -> None:
    """Add no further run; those that wait or run continue to their end."""
    from backend.parameter_search import api
    from backend.terminal.calls import call

    _say(call(api.stop_parameter_search, group_id=search_id))


@app.command(name="continue")
def resume(search_id: SearchId) -> None:
    """Continue a parameter search that was stopped."""
    from backend.parameter_search import api
    from backend.terminal.calls import call

    _say(call(api.continue_parameter_search, group_id=search_id))


def _say(view: ParameterSearchView) -> None:
    if not answered(view):
        _print(view)


def _print(view: ParameterSearchView) -> None:
    print(f"Parameter search {view.id} is {view.words}.")
    if view.cause:
        print(view.cause)


def _show(view: ParameterSearchView) -> None:
    from backend.terminal.tables import show as show_table

    if answered(view):
        return
    _print(view)
    rows = [
        (
            f"{trial.number}{' (best)' if trial.number == view.best else ''}",
            trial.status,
            trial.label,
            trial.estimate.words if trial.estimate else "",
            trial.reason,
        )
        for trial in view.trials
    ]
    show_table(
        ("trial", "status", "configuration", view.definition.objective, ""), rows, empty="No trial yet."
    )
