"""`etrm evaluate` and `etrm evaluation`: score checkpoints, watch it, and compare what came of it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from backend.evaluation_page.options import (
    ActSteps,
    Adapt,
    DistinctViews,
    First,
    Ref,
    Search,
    TraceSteps,
    Trim,
    Views,
    Weights,
)
from backend.kit.errors import Interrupted
from backend.kit.exit_codes import ExitCode
from backend.kit.format import counted, interval
from backend.kit.output import answer, answered, is_json
from backend.terminal.completion import MAX_LOCAL, MAX_REMOTE, complete_runs, offered
from backend.terminal.options import Format, Out, oracle_text, progress_text, score_text, write

if TYPE_CHECKING:
    from backend.domain.evaluation_request import EvaluationRequest
    from backend.evaluation.views import EvaluationView
    from backend.scores.paired import ComparisonView

app = typer.Typer(help="Evaluations: list, show, cancel, resume, compare, export.", no_args_is_help=True)
SIDE = "The id of an evaluation, or of a run: its held-out headline."
HEADS = ("evaluation", "run", "set", "step", "weights", "views", "status", "progress", "pass@1")
STRATA_HEADS = ("tasks", "pass@1", "pass@2", "pass@5", "pass@10", "oracle")
POLL_INTERVAL = 1.0  # seconds
complete_evaluations = offered(
    "SELECT evaluation.id, run.name || ', ' || evaluation.set_name FROM evaluation JOIN run "
    f"ON run.id = evaluation.run_id ORDER BY evaluation.id DESC LIMIT {MAX_LOCAL}",
    f"/evaluations?limit={MAX_REMOTE}",
    lambda page: [(str(each["id"]), f"{each['run_name']}, {each['set']}") for each in page["evaluations"]],
)
EvaluationId = Annotated[
    int,
    typer.Argument(metavar="ID", help="The evaluation's number.", autocompletion=complete_evaluations),
]


def evaluate(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            help="The id of a run, or a folder made by train.",
            autocompletion=complete_runs,
        ),
    ],
    set_name: Annotated[
        str, typer.Option("--set", metavar="NAME", help="Task set. Default: the first of the run's config.")
    ] = "",
    first: First = None,
    task: Annotated[
        list[str] | None, typer.Option(metavar="TASK", help="Only this task. Repeatable.")
    ] = None,
    views: Views = None,
    act_steps: ActSteps = None,
    weights: Weights = None,
    step: Ref = None,
    trace_steps: TraceSteps = False,
    distinct_views: DistinctViews = False,
    adapt: Adapt = None,
    search: Search = None,
    trim: Trim = None,
    workers: Annotated[int, typer.Option(min=1, help="Maximum number of workers.")] = 1,
    here: Annotated[
        bool,
        typer.Option("--here", help="Evaluate in this process and write results to the run's folder only."),
    ] = False,
    follow: Annotated[bool, typer.Option(help="Show progress until it finishes.")] = True,
) -> None:
    """Score a checkpoint: pass@k with its interval.

    The workers of a lab that is running do it and its database keeps the results; without one it happens
    here, as it does with --here.
    """
    if here or not _lab_knows(run):
        switches = {"--trace-steps": trace_steps, "--distinct-views": distinct_views}
        options = {
            "--set": set_name or None, "--first": first, "--views": views, "--act-steps": act_steps,
            "--weights": weights, "--checkpoint": step, "--trim": trim, "--adapt": adapt, "--search": search,
        }  # fmt: skip
        _here(run, task, options, switches)
    asked: dict[str, Any] = {
        "set": set_name, "first_tasks": first, "tasks": task or [], "views": views, "act_steps": act_steps,
        "weights": weights, "step": step, "trace_steps": trace_steps, "workers": workers,
        "trim": trim, "distinct_views": distinct_views,
    }  # fmt: skip
    from backend.domain.config.problems import apply_overrides
    from backend.domain.evaluation_request import parse_request

    asked["adaptation"] = apply_overrides({}, adapt) if adapt else None
    asked["search"] = apply_overrides({}, search) if search else None
    request = parse_request({name: value for name, value in asked.items() if value is not None})
    view = _queued(run, request)
    said = f"Queued evaluation {view.id} of run {run}, step {view.step}."
    if is_json() and follow:
        print(said)  # the one document is what comes of it
    else:
        answer(view, said)
    if follow:
        _follow(view.id)


@app.command(name="list")
def list_(
    run: Annotated[
        str,
        typer.Option(
            metavar="RUN",
            help="Only those of this run, in training as well.",
            autocompletion=complete_runs,
        ),
    ] = "",
    limit: Annotated[int, typer.Option(min=1, max=200, help="Maximum number to list, newest first.")] = 50,
) -> None:
    """List evaluations, newest first."""
    from backend.evaluation_page import api
    from backend.terminal.calls import call
    from backend.terminal.tables import show as show_table

    found = call(api.list_all_evaluations, run=run, limit=limit)
    if answered(found):
        return
    empty = "No evaluations yet. Start one: etrm evaluate RUN"
    show_table(HEADS, [_row(each) for each in found.evaluations], empty=empty)


@app.command()
def show(evaluation_id: EvaluationId) -> None:
    """Show everything an evaluation has found so far."""
    view = _read(evaluation_id)
    if not answered(view):
        print("\n".join(_lines(view)))


@app.command()
def cancel(evaluation_id: EvaluationId) -> None:
    """Stop an evaluation; what it has computed stays."""
    from backend.evaluation_page import api
    from backend.terminal.calls import call

    view = call(api.cancel_evaluation, evaluation_id=evaluation_id)
    answer(view, f"Evaluation {evaluation_id} is {view.status}.")


@app.command()
def resume(evaluation_id: EvaluationId) -> None:
    """Queue a failed or cancelled evaluation again; it resumes where it stopped."""
    from backend.evaluation_page import api
    from backend.terminal.calls import call

    view = call(api.resume_evaluation, evaluation_id=evaluation_id)
    answer(view, f"Evaluation {evaluation_id} is queued.")


@app.command()
def export(
    evaluation_id: EvaluationId,
    what: Annotated[
        str,
        typer.Option(
            metavar="WHAT", help="predictions, votes, steps, curve, strata, or Kaggle's submission."
        ),
    ] = "predictions",
    as_: Format = "json",
    out: Out = None,
) -> None:
    """Write what an evaluation found into a file."""
    from backend.evaluation_page import api

    write(out, api.export_evaluation, evaluation_id=evaluation_id, what=what, format=as_)


@app.command()
def compare(
    a: Annotated[str, typer.Argument(metavar="A", help=SIDE, autocompletion=complete_runs)],
    b: Annotated[str, typer.Argument(metavar="B", help=SIDE, autocompletion=complete_runs)],
    k: Annotated[int, typer.Option("-k", min=1, max=100, help="Compare pass@k.")] = 1,
) -> None:
    """Compare two evaluations task by task: McNemar's exact test and the paired bootstrap.

    Only tasks that both evaluated count. Refused, with the reasons, where the two are not comparable.
    """
    from backend.evaluation_page import api
    from backend.terminal.calls import call

    found = call(api.compare_evaluations, a=a, b=b, k=k)
    if not answered(found):
        print("\n".join(_compared(found)))


@app.command()
def strata(evaluation_id: EvaluationId) -> None:
    """Show the scores by size, colours, demonstrations, and by whether the size changes."""
    from backend.evaluation_page import api
    from backend.terminal.calls import call
    from backend.terminal.tables import show as show_table

    found = call(api.read_strata, evaluation_id=evaluation_id)
    if answered(found):
        return
    for dimension in found.dimensions:
        print(f"\n{dimension.name}: {dimension.about}")
        lines = [
            (each.name, *map(score_text, each.passes), score_text(each.oracle.score if each.oracle else None))
            for each in dimension.strata
        ]
        show_table(STRATA_HEADS, lines, empty="No task is scored.")


def _lab_knows(run: str) -> bool:
    """Whether a lab with a broker is there and has this run; one elsewhere says so itself."""
    from backend.kit.errors import NotFound
    from backend.lifecycle import service as runs
    from backend.settings import Settings
    from backend.terminal.lab import reading, settings

    if Settings.current().url:
        return True
    if settings().broker_url is None:
        return False
    try:
        with reading() as session:
            runs.check_exists(session, run)
    except NotFound:
        if os.path.isdir(run):
            return False
        raise
    return True


def _here(
    run: str, tasks: list[str] | None, options: Mapping[str, object], switches: Mapping[str, bool]
) -> None:
    """Become the process that scores; does not return."""
    from backend.terminal.worker import become_worker

    if tasks:
        raise typer.BadParameter("needs a running lab (etrm up)", param_hint="--task")
    given: list[str] = []
    for name, value in options.items():
        several = value if isinstance(value, list) else [] if value is None else [value]
        given += [part for each in several for part in (name, str(each))]
    become_worker("evaluate", run, *given, *(name for name, is_on in switches.items() if is_on))


def _queued(run: str, request: EvaluationRequest) -> EvaluationView:
    from backend.evaluation_page import api
    from backend.terminal.calls import call

    return call(api.create_evaluation, run_id=run, asked=request)


def _read(evaluation_id: int) -> EvaluationView:
    from backend.evaluation_page import api
    from backend.terminal.calls import call

    return call(api.read_evaluation, evaluation_id=evaluation_id)


def _follow(evaluation_id: int) -> None:
    """Print progress until it is over. Ctrl-C stops the printing, not the evaluation."""
    said = ""
    try:
        while (view := _read(evaluation_id)).is_active:
            if (now := f"{view.status}  {progress_text(view)}") != said:
                print(now, file=sys.stderr)
                said = now
            time.sleep(POLL_INTERVAL)
    except KeyboardInterrupt:
        raise Interrupted(f"Still running: etrm evaluation show {evaluation_id}") from None
    if not answered(view):
        print("\n".join(_lines(view)))
    if view.status != "finished":
        raise typer.Exit(ExitCode.FAILED)


def _row(view: EvaluationView) -> tuple[str, ...]:
    return (
        str(view.id), view.run_name, view.set, str(view.step), view.weights, str(view.views), view.status,
        progress_text(view), score_text(view.pass_at(1)),
    )  # fmt: skip


def _lines(view: EvaluationView) -> list[str]:
    """The evaluation in words, one fact a line."""
    from backend.domain.records import mode_words

    cause = f": {view.status_cause}" if view.status_cause else ""
    lines = [
        f"evaluation {view.id} of {view.run_name} ({view.run_id}), step {view.step}, {view.weights} weights",
        f"tasks     {view.n} of {view.set}, {view.standing}",
        f"how       {counted(view.views, 'view')}, {counted(view.act_steps, 'ACT step')}"
        f"{view.protocol.options or ', no adaptation, no search, square canvas'}",
        f"status    {view.status}{cause}",
        f"progress  {progress_text(view)}",
    ]
    if view.without_embedding:
        lines.append(f"apart     {view.without_embedding.words}: TRM never learnt their demonstrations")
    lines += [f"waits     {reason}" for reason in view.waiting_reasons]
    so_far = "" if view.status == "finished" else " of the tasks scored so far"
    lines += [f"pass@{each.k:<5}{score_text(each)}{so_far}" for each in view.passes if each.n]
    lines += [f"oracle    {oracle_text(view.oracle)}"] if view.oracle else []
    lines += [f"wrong     {count} {mode_words(mode)}" for mode, count in view.failure_modes.items()]
    if gap := view.gap:
        lines.append(
            f"gap       {score_text(gap.trained)} on {gap.trained_set}, {score_text(gap.held_out)} on "
            f"{gap.held_out_set}: {gap.difference * 100:.0f} points {interval(gap.low, gap.high)}"
        )
    compute = view.compute
    if compute.views_per_second:
        lines.append(
            f"compute   {compute.seconds:.1f} s for {compute.views} distinct views, "
            f"{compute.views_per_second:.1f} views/s, {counted(len(compute.workers), 'worker')}"
        )
    if tasks := compute.adapted_tasks:
        took = f"{compute.adaptation_decodes} demonstrations decoded in {compute.adaptation_seconds:.1f} s"
        lines.append(f"learned   {counted(tasks, 'task')}, {took}")
    if view.warning:
        lines.append(f"warning   {view.warning}")
    return [*lines, *([view.traceback.rstrip()] if view.traceback else [])]


def _compared(found: ComparisonView) -> list[str]:
    lines = [
        f"pass@{found.k} on {found.set}, {counted(found.n, 'task')}, {found.weights} weights, "
        f"{counted(found.views, 'view')}, {found.act_steps} ACT steps{found.protocol.options}"
    ]
    lines += [
        f"{letter}  {side.run_name}  run {side.run_id}  step {side.step}  evaluation {side.evaluation}  "
        f"{score_text(side.score)}"
        for letter, side in (("a", found.a), ("b", found.b))
    ]
    for name, tasks in (("only a", found.only_a), ("only b", found.only_b)):
        lines.append(f"{name}  {counted(len(tasks), 'task')}{': ' if tasks else ''}{' '.join(tasks)}")
    lines.append(f"both {len(found.both)}, neither {len(found.neither)}, partly {len(found.partly)}")
    return [*lines, found.words]
