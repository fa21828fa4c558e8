"""`etrm ablate` and `etrm verify`: what a checkpoint leans on, and whether a card holds."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from backend.evaluation_page.options import First, Ref
from backend.kit.errors import Interrupted, InvalidInput
from backend.kit.exit_codes import ExitCode
from backend.kit.format import p_value
from backend.kit.output import answer, answered, is_json
from backend.terminal.completion import complete_runs
from backend.terminal.options import Out, score_text

if TYPE_CHECKING:
    from backend.ablations.views import AblationRow, AblationView, VerificationView

POLL_INTERVAL = 1.0  # seconds
HEADS = ("row", "evaluation", "pass@1", "against right", "adjusted p", "seconds", "passes")


def ablate(
    run: Annotated[str, typer.Argument(metavar="RUN", help="The id of a run.", autocompletion=complete_runs)],
    step: Ref = None,
    set_name: Annotated[
        str, typer.Option("--set", metavar="NAME", help="Task set. Default: the first of the run's config.")
    ] = "",
    first: First = None,
    part: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PART",
            help="Only this part: context, demonstrations, weights, views, ACT steps, search, test-time "
            "training. Repeatable.",
        ),
    ] = None,
    views: Annotated[
        list[int] | None, typer.Option(metavar="N", help="Compare this number of views. Repeatable.")
    ] = None,
    act_steps: Annotated[
        list[int] | None, typer.Option(metavar="N", help="Compare this number of ACT steps. Repeatable.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Maximum number of workers of an evaluation.")] = 1,
    out: Out = None,
    follow: Annotated[bool, typer.Option(help="Wait until it is finished and write the card.")] = True,
    cancel: Annotated[
        int | None,
        typer.Option(
            metavar="ID", help="Start none: cancel what waits or runs of this ablation of the run.", min=1
        ),
    ] = None,
) -> None:
    """Ablate a checkpoint: context, demonstrations, weights, views, ACT steps, search, test-time training.

    Each row is an evaluation in the queue, held against the right context on the same tasks. The card goes
    to a file that etrm verify computes again in any lab.
    """
    from backend.ablations import api
    from backend.terminal.calls import call

    if cancel is not None:
        _cancel(run, cancel)
        return
    asked: dict[str, Any] = {
        "step": step, "set": set_name or None, "first_tasks": first, "parts": part, "views": views,
        "act_steps": act_steps, "workers": workers,
    }  # fmt: skip
    view = call(api.create_ablation, run_id=run, asked=_request(asked))
    started = f"Ablation {view.id} of run {run}, step {view.step}: {len(view.rows)} evaluations."
    if not follow:
        answer(view, started)
        return
    print(started, file=sys.stderr)
    _finished(view, out)


def verify(
    card: Annotated[Path, typer.Argument(metavar="CARD", help="A card that etrm ablate wrote.")],
    follow: Annotated[bool, typer.Option(help="Wait until this lab has computed it again.")] = True,
) -> None:
    """Verify an ablation card: its digest, its numbers, the weights and tasks, and every evaluation again.

    Evaluations that failed or were cancelled in an earlier try resume.
    """
    from backend.ablations import api
    from backend.terminal.calls import call

    try:
        body = card.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{card} cannot be read: {error.strerror}.") from error
    printed = ""
    try:
        verification = call(api.verify_card, body=body)
        if verification.status == "failed":  # in an earlier try
            call(api.resume_ablation, ablation_id=verification.ablation)
            verification = call(api.verify_card, body=body)
        while verification.status == "running" and follow:
            if verification.words != printed:
                print(verification.words, file=sys.stderr)
                printed = verification.words
            time.sleep(POLL_INTERVAL)
            verification = call(api.verify_card, body=body)
    except KeyboardInterrupt:
        raise Interrupted(f"Still computing: etrm verify {card} continues.") from None
    if not answered(verification):
        print("\n".join(_findings(verification)))
    if verification.status != "confirmed" and (follow or verification.status != "running"):
        raise typer.Exit(ExitCode.FAILED)


def _cancel(run: str, ablation_id: int) -> None:
    from backend.ablations import api
    from backend.kit.errors import NotFound
    from backend.terminal.calls import call

    listed = [line.id for line in call(api.list_ablations, run_id=run).ablations]
    if ablation_id not in listed:
        known = f"It has {', '.join(map(str, listed))}." if listed else "It has none."
        raise NotFound(f"Run {run} has no ablation {ablation_id}.", known)
    view = call(api.cancel_ablation, ablation_id=ablation_id)
    answer(view, f"Cancelled. {view.words} To resume it, ask for the same ablation again.")


def _request(asked: dict[str, Any]) -> Any:
    from pydantic import ValidationError

    from backend.domain.ablation.planning import AblationRequest
    from backend.kit.errors import FieldProblem

    try:
        return AblationRequest.model_validate({name: given for name, given in asked.items() if given})
    except ValidationError as error:
        problems = [FieldProblem(str(wrong["loc"][0]), f"{wrong['msg']}.") for wrong in error.errors()]
        raise InvalidInput("The ablation was not started.", problems=problems) from None


def _finished(view: AblationView, out: Path | None) -> None:
    """Wait for it, show it, write its card. Ctrl-C stops the waiting, not the evaluations."""
    from backend.ablations import api
    from backend.terminal.calls import call, save

    printed = ""
    try:
        while view.status == "running":
            if view.words != printed:
                print(view.words, file=sys.stderr)
                printed = view.words
            time.sleep(POLL_INTERVAL)
            view = call(api.read_ablation, ablation_id=view.id)
    except KeyboardInterrupt:
        raise Interrupted(f"Still running: /ablations/{view.id} shows it.") from None
    if not answered(view):
        _show(view)
    if view.status != "finished":
        raise typer.Exit(ExitCode.FAILED)
    written = save(api.export_card, out, ablation_id=view.id)
    if not is_json():
        print(f"Wrote {written.path}: etrm verify {written.path} computes it again.")


def _show(view: AblationView) -> None:
    from backend.terminal.tables import show

    print(f"Ablation {view.id} of {view.run_name}, step {view.step}: {view.n} tasks of {view.set}.")
    print(f"Leak check: {view.leaks.words}.")
    show(HEADS, [_row(row) for row in view.rows], empty="")
    for row in view.left_out:
        print(f"left out  {row.name}: {row.why}")
    print(view.words)


def _row(row: AblationRow) -> tuple[str, ...]:
    against, cost = row.against, None if row.reused else row.cost
    return (
        row.name,
        str(row.evaluation),
        score_text(row.score),
        f"{against.verdict} ({against.only_this} gained, {against.only_baseline} lost)" if against else "",
        p_value(against.p_adjusted) if against else "",
        "reused" if row.reused else f"{cost.seconds:.1f}" if cost else "",
        f"{cost.forward_passes:,}" if cost and cost.forward_passes is not None else "",
    )


def _findings(verification: VerificationView) -> list[str]:
    """What does not hold in full, then how much does."""
    shown = [finding for finding in verification.findings if finding.is_bad] or verification.findings
    lines = [f"{finding.verdict:14} {finding.field}: {finding.words}" for finding in shown]
    exact = ["Same code and device: every number had to be equal."] if verification.exact else []
    return [*lines, *exact, verification.words]
