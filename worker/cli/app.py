"""`python -m worker …`: the commands of `etrm` that need torch. They work with no server and no database."""

from __future__ import annotations

import hashlib
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from backend.domain.config.files import read_experiment
from backend.domain.config.problems import apply_overrides
from backend.domain.experiment import EvaluationSet, ExperimentConfig
from backend.evaluation_page.options import (
    ActSteps,
    Adapt,
    DistinctViews,
    First,
    Search,
    Step,
    TraceSteps,
    Trim,
    Views,
    Weights,
)
from backend.kit import output
from backend.kit.errors import Conflict, EtrmError, InvalidInput
from backend.kit.exit_codes import ExitCode
from backend.kit.format import counted
from backend.settings import Settings
from backend.terminal.program import EXIT_CODES, Program, run
from worker.cli.checkpoint import app as checkpoint_app
from worker.kit.recorder import NullRecorder, Recorder
from worker.service import parallel

if TYPE_CHECKING:
    from worker.service.provenance import ReadAhead

CONFIG_FILE = "config.json"  # in the folder of a run
STOPPED = "Stopped. Run the same command to continue."

app = typer.Typer(
    cls=Program,
    epilog=EXIT_CODES,
    help="Train, evaluate and check models.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(checkpoint_app, name="checkpoint")


def main() -> NoReturn:
    """Run a command and leave with its exit code; what a user can put right is told without a traceback."""
    parallel.join()
    parallel.leave(run(app, translate=_missing_library))


def _missing_library(error: Exception) -> EtrmError | None:
    """Words for a command that needs torch where the worker is not installed."""
    library = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    if library not in ("torch", "safetensors"):
        return None
    return InvalidInput(
        f"This command needs {library}.", "Install the worker: pip install 'etrm-lab[worker]'"
    )


@app.command()
def train(
    config: Annotated[
        str,
        typer.Argument(metavar="CONFIG.json|PRESET", help="Config file or preset. Omit with --resume."),
    ] = "",
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="PATH=VALUE", help="Change a field: --set training.steps=100. Repeatable."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Output folder. Default: runs/NAME-TIME.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Resume from the checkpoints in --out.")] = False,
) -> None:
    """Train and evaluate here and now."""
    if resume and out is None:
        raise typer.BadParameter("needs --out, the folder of the run to resume", param_hint="--resume")
    if not config and not resume:
        raise typer.BadParameter("a config file or preset is missing", param_hint="CONFIG.json|PRESET")
    experiment = read_experiment(config or str(out / CONFIG_FILE if out else ""), overrides or [])
    folder = out or _new_folder(experiment)
    if not resume and any((folder / "checkpoints").glob("step-*")):
        raise Conflict(f"{folder} contains checkpoints.", "Resume with --resume, or choose another --out.")
    if not parallel.is_one_of_several():
        write_config(experiment, folder)
        if experiment.training.processes > 1:
            arguments = ["train", "--resume", "--out", str(folder)]
            arguments += [output.OPTION] if output.is_json() else []
            parallel.hand_over(experiment.training.processes, "worker", arguments)
    _train(experiment, folder)


@app.command()
def evaluate(
    run: Annotated[str, typer.Argument(help="A folder made by train, or the id of a run.")],
    set_name: Annotated[
        str, typer.Option("--set", metavar="NAME", help="Task set. Default: those of the run's config.")
    ] = "",
    first: First = None,
    views: Views = None,
    act_steps: ActSteps = None,
    weights: Weights = None,
    trace_steps: TraceSteps = False,
    distinct_views: DistinctViews = False,
    step: Step = None,
    adapt: Adapt = None,
    search: Search = None,
    trim: Trim = None,
) -> None:
    """Score a checkpoint: pass@k with its interval."""
    changes: dict[str, object] = {"views": views, "act_steps": act_steps, "weights": weights, "trim": trim}
    if trace_steps:
        changes["trace_steps"] = True
    if distinct_views:
        changes["distinct_views"] = True
    if adapt:
        changes["adaptation"] = apply_overrides({}, adapt)
    if search:
        changes["search"] = apply_overrides({}, search)
    if set_name or first is not None:
        changes["sets"] = [{"name": set_name or EvaluationSet().name, "first_tasks": first}]
    _evaluate(run, step, {name: value for name, value in changes.items() if value is not None})


@app.command()
def control(
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Ten minutes: the whole report, from trainings too short to learn."),
    ] = False,
    out: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER", help="Output folder of trainings and report; continues with what is there."
        ),
    ] = Path("runs/control"),
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Processes at a time. Default: one per core.")
    ] = None,
    ladder: Annotated[
        bool, typer.Option("--ladder", help="Instead: what one model solves at each rung.")
    ] = False,
) -> None:
    """Train small variants on rules that can be learned, and report who learns them."""
    from worker.experiments.control.command import run as run_control
    from worker.experiments.control.ladder import run_ladder
    from worker.experiments.control.variants import FULL, QUICK

    scale = QUICK if quick else FULL
    page = (run_ladder if ladder else run_control)(scale, out, jobs, lambda text: print(text, flush=True))
    if page is None:
        output.answer({"report": None}, STOPPED)
        raise SystemExit(ExitCode.INTERRUPTED)
    output.answer({"report": page}, f"Report: {page}")


@app.command()
def parity(folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of fixtures.")]) -> None:
    """Compare with recorded numbers of the published models, one line per fixture."""
    from worker.experiments.parity import main as compare

    raise typer.Exit(compare(folder))


@app.command()
def worker(
    labels: Annotated[
        str,
        typer.Option(
            metavar="A,B", help="What runs may ask of this worker in placement.labels. Default: ETRM_LABELS."
        ),
    ] = "",
    slurm_options: Annotated[
        list[str] | None,
        typer.Option(
            "--slurm",
            metavar="NAME=VALUE,…",
            help="Submit workers to Slurm: partition=gpu,gpus_per_node=1,timeout_min=240. Repeatable.",
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="With --slurm: how many, one per job. Default: 1.")
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="List the workers' jobs on Slurm.")] = False,
    cancel: Annotated[
        bool,
        typer.Option("--cancel", help="Cancel them: each saves a checkpoint and gives its run back."),
    ] = False,
) -> None:
    """Train queued runs, one at a time; with --slurm, submit workers to a cluster."""
    if labels:
        os.environ["ETRM_LABELS"] = labels
    if sum((slurm_options is not None, listed, cancel)) > 1:
        raise typer.BadParameter("choose one", param_hint="--slurm, --list or --cancel")
    if workers is not None and slurm_options is None:
        raise typer.BadParameter("is for --slurm", param_hint="--workers")
    if slurm_options is not None or listed or cancel:
        _on_slurm(slurm_options, workers or 1, cancel)
        return
    from worker.service.celery_app import main as serve

    serve()


def _on_slurm(options: list[str] | None, workers: int, cancels: bool) -> None:
    """Submit workers, cancel them, or list them."""
    from backend.terminal.tables import show
    from worker.service import slurm

    settings = Settings.load()
    if options is not None:
        ids = slurm.submit(settings, slurm.parameters(options), workers, settings.labels)
        submitted = f"Submitted {counted(len(ids), 'worker')}: {', '.join(ids)}."
        output.answer({"submitted": ids}, f"{submitted} See them: etrm worker --list")
    elif cancels:
        cancelled = slurm.cancel(settings)
        text = f"Cancelled {counted(len(cancelled), 'worker')}."
        output.answer({"cancelled": [job.id for job in cancelled]}, text)
    elif not output.answered(found := slurm.jobs(settings)):
        empty = "No workers on Slurm. Submit one: etrm worker --slurm partition=NAME"
        show(("job", "state", "run time", "time limit", "node or reason"), found, empty=empty)


def _train(config: ExperimentConfig, folder: Path) -> None:
    from worker.cli.local import LocalTasks
    from worker.recording.console import ConsoleRecorder, facts, recorded
    from worker.service.provenance import ReadAhead
    from worker.training.stop import StopSignal
    from worker.training.trainer import train as run_training
    from worker.training.verdict import verdict

    recorder: Recorder = ConsoleRecorder(folder=folder) if parallel.is_first() else NullRecorder()
    tasks = ReadAhead(LocalTasks())
    if parallel.is_first():
        _keep_provenance(config, tasks, folder)
    try:
        with StopSignal().on_signals() as stop:
            result = run_training(config, tasks, recorder, folder, stop)
    finally:
        recorder.close()
    if not parallel.is_first():
        return
    judged = None if result.stopped else verdict(config, result, recorded(folder))
    scores = [facts(each) for each in result.evaluations]
    answer = {"folder": folder, "step": result.step, "stopped": result.stopped, "evaluations": scores}
    hypothesis = {"verdict": judged.verdict, "reason": judged.reason} if judged else None
    is_told = output.answered(answer | {"hypothesis": hypothesis})
    if result.stopped:
        print(f"Stopped at step {result.step}. Resume: etrm train --resume --out {folder}")
        raise SystemExit(ExitCode.INTERRUPTED)
    if is_told:
        return
    if judged:
        print(f"Hypothesis {judged.verdict}: {judged.reason}")
    print(f"Checkpoints and results: {folder}")


def _evaluate(run: str, step: int | None, changes: dict[str, object]) -> None:
    from worker.cli.local import LocalTasks, folder_of_run
    from worker.recording.console import ConsoleRecorder, facts
    from worker.training.scoring import score_checkpoint
    from worker.training.stop import StopSignal

    folder = folder_of_run(run, step)
    recorder = ConsoleRecorder()
    try:
        with StopSignal().on_signals() as stop:
            score_checkpoint(folder, step, changes, LocalTasks(), recorder, stop)
    finally:
        recorder.close()
    scores = [facts(each) for each in recorder.evaluations]
    output.answered({"folder": folder, "stopped": stop.requested, "evaluations": scores})
    if stop.requested:
        print(STOPPED)
        raise SystemExit(ExitCode.INTERRUPTED)


def _new_folder(config: ExperimentConfig) -> Path:
    return Path("runs") / f"{config.name or config.variant}-{datetime.now():%Y%m%d-%H%M%S}"


def _keep_provenance(config: ExperimentConfig, tasks: ReadAhead, folder: Path) -> None:
    """Write what the training is computed with beside its config, and what of the code was not committed."""
    from worker.service.provenance import collect

    found, code = collect(config, tasks)
    if code.changes:
        found = found.model_copy(update={"diff": hashlib.sha256(code.changes.encode()).hexdigest()})
        (folder / "changes.diff").write_text(code.changes)
    if code.is_cut:
        print("Too much of the code is not committed: changes.diff holds its beginning.", file=sys.stderr)
    (folder / "provenance.json").write_text(found.model_dump_json(indent=1) + "\n")


def write_config(config: ExperimentConfig, folder: Path) -> None:
    """Make the folder of a run, with its config in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / CONFIG_FILE).write_text(config.model_dump_json(indent=1) + "\n")
    except OSError as error:
        raise InvalidInput(
            f"{folder} cannot be written: {error.strerror}.", "Choose another --out."
        ) from error
