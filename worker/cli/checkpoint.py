"""`etrm checkpoint …`: published checkpoints in, ours out, and a look into either."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from backend.domain.config.files import read_experiment
from backend.domain.hub import is_hub_link
from backend.kit import output
from backend.kit.errors import Conflict

app = typer.Typer(help="Import, export and inspect checkpoints.", no_args_is_help=True)


class Averaged(Enum):
    """The two kinds of weights of a checkpoint of ours."""

    EMA = "ema"
    RAW = "raw"


File = Annotated[
    str,
    typer.Argument(
        metavar="FILE", help="A PyTorch or safetensors file, or hf:OWNER/NAME/FILE@REVISION on the Hub."
    ),
]


@app.command()
def inspect(file: File) -> None:
    """List what a file holds: every state, every tensor, and what cannot be taken."""
    from worker.cli.inspection import described, facts
    from worker.models.hub import local_path
    from worker.models.weight_files import read_weights

    weights = read_weights(local_path(file, "FILE"), "FILE")
    if output.answered(facts(weights)):
        return
    for line in described(weights):
        print(line)


@app.command(name="import")
def import_(
    file: File,
    config: Annotated[str, typer.Option(metavar="CONFIG.json|PRESET", help="The model it is put into.")],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="A new run, to evaluate or to train on.")],
    part: Annotated[str, typer.Option(metavar="all|decoder", help="What of it is taken.")] = "all",
    weights: Annotated[
        str, typer.Option(metavar="ema|raw|unknown", help="Which weights they are, or to take.")
    ] = "unknown",
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Change a field. Repeatable.")
    ] = None,
) -> None:
    """Make a run of a published checkpoint, at step 0: to evaluate, or to train on with --resume."""
    from worker.cli.app import write_config
    from worker.cli.local import LocalTasks
    from worker.recording.console import ConsoleRecorder
    from worker.training.stop import StopSignal
    from worker.training.trainer import train

    path = file if is_hub_link(file) else str(Path(file).absolute())
    start = {"kind": "checkpoint", "path": path, "part": part, "weights": weights}
    experiment = read_experiment(
        config, [f"training.initialise_from={json.dumps(start)}", *(overrides or [])]
    )
    if out.exists() and any(out.iterdir()):
        raise Conflict(f"{out} is not empty.", "Choose another --out.")
    write_config(experiment, out)
    recorder, stop = ConsoleRecorder(), StopSignal()
    stop.request("imported, not trained")
    try:
        train(experiment, LocalTasks(), recorder, out, stop)
    finally:
        recorder.close()
    said = f"Evaluate it: etrm evaluate {out}. Train on: etrm train --resume --out {out}"
    output.answer({"folder": out}, said)


@app.command()
def between(
    run: Annotated[str, typer.Argument(help="A folder made by train, or the id of a run.")],
    first: Annotated[str, typer.Argument(metavar="SET/TASK", help="Whose test input is asked.")],
    second: Annotated[str, typer.Argument(metavar="SET/TASK", help="Whose context it ends at.")],
    test: Annotated[int, typer.Option(min=1, metavar="N", help="Number of the test input.")] = 1,
    points: Annotated[int, typer.Option(min=2, max=101, help="Contexts on the way, both ends included.")] = 9,
    act_steps: Annotated[
        int | None, typer.Option(min=1, max=64, help="ACT steps. Default: those of the config's evaluation.")
    ] = None,
    step: Annotated[
        int | None,
        typer.Option("--checkpoint", metavar="STEP", help="Step of the checkpoint. Default: the newest."),
    ] = None,
) -> None:
    """Answer a test input under contexts on the way from its task's to another task's.

    Example: etrm checkpoint between RUN arc-agi-1/training/007bbfb7 arc-agi-1/training/00d62c1b
    """
    from worker.cli.local import LocalTasks, folder_of_run
    from worker.evaluation.interpolation import interpolated, task_named
    from worker.training.scoring import load_checkpoint

    source = LocalTasks()
    tasks = [task_named(source, field, name) for field, name in (("first", first), ("second", second))]
    changes = {} if act_steps is None else {"act_steps": act_steps}
    loaded = load_checkpoint(folder_of_run(run, step), step, changes, source)
    way = interpolated(
        loaded.reasoner, loaded.config, loaded.puzzles, loaded.device, tasks[0], tasks[1], test - 1, points
    )
    told = [
        {
            "share": each.share,
            "grid": each.grid.digits,
            "cell_accuracy": each.cell_accuracy,
            "halting_probability": each.halting_probability,
        }
        for each in way.points
    ]
    if output.answered({"step": loaded.step, "first": first, "second": second, "points": told}):
        return
    for each in way.points:
        right = "" if each.cell_accuracy is None else f", {each.cell_accuracy:.0%} of the cells right"
        print(f"{each.share:.0%} of the way{right}: {each.grid.digits or 'an empty grid'}")


@app.command()
def export(
    run: Annotated[str, typer.Argument(help="A folder made by train, or the id of a run.")],
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Safetensors by extension, otherwise PyTorch.")
    ],
    step: Annotated[
        int | None,
        typer.Option("--checkpoint", metavar="STEP", help="Step of the checkpoint. Default: the newest."),
    ] = None,
    weights: Annotated[Averaged, typer.Option(help="Which weights.")] = Averaged.EMA,
) -> None:
    """Write a checkpoint of a run in the layout of the published code."""
    from worker.cli.local import folder_of_run
    from worker.models.build import build_reasoner
    from worker.models.importing import export_weights
    from worker.training.checkpoints import checkpoint

    found = checkpoint.find(folder_of_run(run, step), step)
    snapshot = checkpoint.load(found)
    state = dict(snapshot.ema if weights is Averaged.EMA else snapshot.weights)
    table = state.get("context.table")
    reasoner = build_reasoner(snapshot.config, 1 if table is None else len(table))
    reasoner.load_state_dict(state)
    count = export_weights(reasoner, file, weights.value)
    written = {"path": file, "tensors": count, "weights": weights, "step": snapshot.step}
    said = f"{file}: {count} tensors, {weights.value} weights of step {snapshot.step}."
    output.answer(written, said)
