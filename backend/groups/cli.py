"""`etrm sweep`: queue a group of runs that differ in their seeds or in any field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from backend.kit.format import counted
from backend.kit.output import answered
from backend.terminal.options import Overrides, Project, Source

if TYPE_CHECKING:
    from backend.domain.sweeps import Confound
    from backend.groups.api import PlannedRun


def sweep(
    source: Source,
    overrides: Overrides = None,
    seeds: Annotated[
        int, typer.Option(metavar="N", help="Replicates: the config's seed, and those after it.")
    ] = 1,
    grid: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH=V1,V2,...",
            help="Run each value, in every combination: --grid model.core.width=64,128. Repeatable.",
        ),
    ] = None,
    random: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH=LOW..HIGH[:log]",
            help="Draw from a range, or from values: --random optimisation.learning_rate=1e-4..1e-2:log. "
            "Repeatable.",
        ),
    ] = None,
    count: Annotated[int | None, typer.Option(metavar="N", help="Number of random draws.")] = None,
    draw_seed: Annotated[int, typer.Option(metavar="SEED", help="Seed of the random draws.")] = 0,
    same_depth: Annotated[
        bool,
        typer.Option(
            "--same-depth",
            help="Kinds that are compared keep the config's layers and the other fields they share.",
        ),
    ] = False,
    name: Annotated[str, typer.Option(metavar="NAME", help="Name of the group. Default: what varies.")] = "",
    project: Project = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the runs without queueing them.")] = False,
) -> None:
    """Queue a group of runs: seeds, a grid of values, or random draws.

    At most 256 runs at once; nothing is queued if one of them is not valid.
    """
    from backend.domain.config.files import read_experiment
    from backend.domain.sweeps import parse_sweep, read_axes
    from backend.groups import api
    from backend.kit.errors import FieldProblem, InvalidInput
    from backend.terminal.calls import call

    config = read_experiment(source, overrides or [])
    asked = parse_sweep(
        {"seeds": seeds, "draw_seed": draw_seed, "same_depth": same_depth}
        | ({"count": count} if count is not None else {})
        | {"grid": read_axes("grid", "--grid", grid), "random": read_axes("random", "--random", random)}
    )
    body = api.NewGroup(
        sweep=asked.model_dump(mode="json"),
        config=config.model_dump(mode="json"),
        name=name,
        project=project,
    )
    if dry_run:
        plan = call(api.preview_group, body=body)
        if not plan.valid:
            problems = [FieldProblem(each.field, each.message, each.hint) for each in plan.problems]
            raise InvalidInput(plan.message, problems=problems)
        if answered(plan):
            return
        _list(plan.runs)
        _warn(plan.also_differs)
        print(f"{counted(plan.count, 'run')}. Nothing was queued.")
        return
    group = call(api.create_group, body=body)
    if answered(group):
        return
    print(f"Queued {counted(len(group.runs), 'run')} as group {group.id}: {group.name}.")
    _warn(group.also_differs)
    print(f"Watch them: etrm runs --filter 'group == \"{group.id}\"'")
    print(f"Compare them: etrm compare --group {group.id}")


def _warn(confounds: Sequence[Confound]) -> None:
    """Say what else differs between the configurations."""
    if confounds:
        print("Also differs between the configurations, though not swept (--same-depth keeps shared fields):")
        for each in confounds:
            print(f"  {each.path}: {each.words}")


def _list(planned: Sequence[PlannedRun]) -> None:
    from backend.domain.config.messages import shown
    from backend.terminal.tables import show

    paths = list(planned[0].changes)
    rows = [(each.name, *(shown(each.changes[path]) for path in paths)) for each in planned]
    show(("run", *paths), rows, empty="")
