"""`etrm run`: look at one run, stop it, and run it again changed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from backend.kit.clock import clock, time_of_day
from backend.kit.format import duration, short_number
from backend.kit.output import answer, answered
from backend.kit.streams import one_line
from backend.terminal.options import Contains, Least, OtherProject, Overrides, RunId, score_text

if TYPE_CHECKING:
    from backend.run_view.health import HealthView
    from backend.run_view.views import RunView

app = typer.Typer(
    help="One run: show, log, provenance, cancel, resume, clone, fork, checkpoints, weights, curves, pack.",
    no_args_is_help=True,
)


@app.command()
def show(run_id: RunId) -> None:
    """Show a run's status, results, newest metrics, alarms and the verdict on its encoder."""
    from backend.run_page import api
    from backend.terminal.calls import call

    run = call(api.read_run, run_id=run_id)
    verdict = call(api.read_health, run_id=run_id)
    if not answered(run.model_dump(mode="json") | {"health": verdict}):
        print("\n".join([*_lines(run), *_verdict(verdict), *_traceback(run)]))


@app.command()
def log(
    run_id: RunId,
    lines: Annotated[
        int, typer.Option("-n", "--lines", min=1, max=10_000, help="Number of newest lines to print.")
    ] = 50,
    contains: Contains = "",
    level: Least = "info",
) -> None:
    """Print the newest lines of a run's log, or of those that hold a text."""
    from backend.run_page import logs_api as api
    from backend.terminal.calls import call

    page = call(api.read_log, run_id=run_id, limit=lines, contains=contains, level=level)
    if answered(page):
        return
    for line in page.lines:
        print(f"{time_of_day(line.wall_time)} {line.level:7} {one_line(line.text)}")
    if not page.lines:
        print("No lines match." if contains or level != "info" else "The log is empty.")


@app.command()
def cancel(run_id: RunId) -> None:
    """Stop a run; it is cancelled once its process and its memory are gone."""
    from backend.run_page import api
    from backend.terminal.calls import call

    run = call(api.cancel_run, run_id=run_id)
    answer(run, f"Run {run_id} is {run.status}.")


@app.command()
def resume(
    run_id: RunId,
    checkpoint: Annotated[
        str | None,
        typer.Option(
            "--checkpoint",
            metavar="STEP|ALIAS",
            help="What to resume from; later checkpoints are discarded. Default: the newest.",
        ),
    ] = None,
) -> None:
    """Queue a failed or cancelled run again, from its newest checkpoint or an older one."""
    from backend.run_page import api, checkpoints_api
    from backend.terminal.calls import call

    if checkpoint is None:
        run = call(api.resume_run, run_id=run_id)
    else:
        run = call(checkpoints_api.resume_from_checkpoint, run_id=run_id, step=checkpoint)
    answer(run, f"Run {run_id} is queued: {run.status_cause}.")


@app.command()
def clone(run_id: RunId, overrides: Overrides = None, project: OtherProject = None) -> None:
    """Queue a new run with the config of another one, changed by --set."""
    from backend.domain.config.problems import changes_of
    from backend.run_page import api
    from backend.terminal.calls import call
    from backend.terminal.lab import page

    body = api.CloneOf(overrides=changes_of(overrides or []), project=project)
    run = call(api.clone_run, run_id=run_id, body=body)
    answer(run, f"Queued run {run.id}, cloned from {run_id}. Watch it:\n{page(f'/runs/{run.id}')}")


@app.command("provenance")
def show_provenance(run_id: RunId) -> None:
    """Show which code, packages and machine a run was computed with, and the commands that train it again."""
    from backend.run_page import provenance_api as api
    from backend.terminal.calls import call

    found = call(api.read_provenance, run_id=run_id)
    if answered(found):
        return
    for start in found.starts:
        torch = f"PyTorch {start.packages['torch']}" if "torch" in start.packages else ""
        facts = (start.code_name, f"Python {start.python}", torch, start.device, f"on {start.host}")
        print(f"start     {start.attempt}: {', '.join(filter(None, facts))}")
    if not found.starts:
        print(f"Run {run_id} has no record: it has not started, or is older than these records.")
    print("\n".join(["", *found.commands]) if found.commands else "", end="\n" if found.commands else "")
    for note in found.notes:
        print(note, file=sys.stderr)


def _lines(run: RunView) -> list[str]:
    """The run in words, one fact a line."""
    cause = f": {run.status_cause}" if run.status_cause else ""
    seed = "" if run.seed is None else f"  seed {run.seed}"
    lines = [f"{run.name}  {run.id}  {run.variant or 'external'}{seed}", f"status    {run.status}{cause}"]
    lines += [f"waits     {reason}" for reason in run.waiting_reasons]
    lines += [f"owner     {run.owner}"] if run.owner else []
    lines += [f"project   {run.project}"] if run.project else []
    if run.heartbeat and run.heartbeat.silent_since is not None and run.status == "running":
        lines.append(f"silent    since {clock(run.heartbeat.silent_since)}")
    lines.append(_progress(run))
    if run.duration is not None:
        lines.append(f"duration  {duration(run.duration)}")
    if run.trained_on:
        lines.append(f"tasks     {run.trained_on.words}")
    for result in run.results:
        scores = " · ".join(f"pass@{each.k} {score_text(each)}" for each in result.passes)
        mark = " (headline)" if result.id == run.headline else ""
        measured = " · ".join(filter(None, (result.set, result.caveat, result.measured_at)))
        lines.append(f"result    {measured}: {scores or result.status}{mark}")
    lines += [
        f"metric    {name} {short_number(value.last)} at step {value.step}"
        for name, value in sorted(run.metrics.items())
        if value.last is not None
    ]
    lines += [
        f"alarm     step {alarm.step}: {alarm.text} ({alarm.delivery.words if alarm.delivery else ''})"
        for alarm in run.alarms
    ]
    return [*lines, *_hypothesis(run)]


def _progress(run: RunView) -> str:
    """How far the run is; of one that is over, how far it came."""
    if run.status.is_over or not run.progress.total:
        return f"step      {run.step}"
    left = run.progress.seconds_left
    rest = "" if left is None else f", about {left:.0f} s left"
    return f"progress  {run.progress.phase} {run.progress.done} of {run.progress.total}{rest}"


def _hypothesis(run: RunView) -> list[str]:
    """What the run is to show, by which bar, and the verdict."""
    stated = run.hypothesis
    if stated is None:
        return []
    stop = [f"stop rule {stated.stop}"] if stated.stop else []
    bar = [f"claim     {stated.claim}", f"bar       {stated.bar}", *stop]
    return [*bar, f"judged    {stated.verdict}: {stated.reason}"]


def _verdict(health: HealthView) -> list[str]:
    """The verdicts on learning and on the encoder, then each measure with its number and threshold."""
    lines = [f"learning  {health.learning.sentence}", f"encoder   {health.word}: {health.sentence}"]
    for each in health.evidence:
        expected = "" if each.threshold is None else f", expected {each.expected}"
        lines.append(f"evidence  {each.topic}: {each.title} {each.text}{expected}: {each.word}")
    return lines


def _traceback(run: RunView) -> list[str]:
    return [run.traceback.rstrip()] if run.traceback else []
