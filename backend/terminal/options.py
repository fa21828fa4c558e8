"""Options that several commands share, and what they print alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backend.domain.intervals import wilson_interval
from backend.domain.log_levels import Level
from backend.kit.format import counted
from backend.kit.output import answer
from backend.terminal.completion import complete_presets, complete_runs

if TYPE_CHECKING:
    from fastapi import Response

    from backend.evaluation.views import EvaluationView
    from backend.scores.measured import PassView
    from backend.scores.oracle import OracleView

RunId = Annotated[str, typer.Argument(metavar="RUN", help="The run's id.", autocompletion=complete_runs)]
Source = Annotated[
    str,
    typer.Argument(
        metavar="CONFIG.json|PRESET", help="A config file or a preset.", autocompletion=complete_presets
    ),
]
Project = Annotated[str, typer.Option(metavar="NAME", help="Project that the run belongs to.")]
OtherProject = Annotated[
    str | None, typer.Option("--project", metavar="NAME", help="Project. Default: that of the other run.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change a field: --set training.steps=100. Repeatable."),
]
Contains = Annotated[
    str, typer.Option("--contains", metavar="TEXT", help="Only lines that hold this text, in any case.")
]
Least = Annotated[Level, typer.Option("--level", help="Only lines at least as grave.")]
Format = Annotated[str, typer.Option("--format", metavar="FORMAT", help="json, csv or parquet.")]
Out = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Output file. Default: its own name, in the current folder."),
]


def score_text(score: PassView | None) -> str:
    """`2/32 6 % [2–20]`: never a share without its denominator and interval."""
    if score is None or score.share is None:
        return ""
    return share_text(score.solved, score.n)


def share_text(solved: float, n: int) -> str:
    """The same of `solved` of `n`."""
    low, high = wilson_interval(solved, n)
    return f"{solved:g}/{n} {solved / n:.0%} [{low * 100:.0f}–{high * 100:.0f}]"


def oracle_text(oracle: OracleView | None) -> str:
    """`6/32 19 % [9–35]: the truth is among the candidates of 6 of 32 test inputs`; empty for None."""
    if oracle is None:
        return ""
    found = f"{oracle.found} of {counted(oracle.test_inputs, 'test input')}"
    return f"{score_text(oracle.score)}: the truth is among the candidates of {found}"


def write(out: Path | None, endpoint: Callable[..., Response], **values: object) -> None:
    """Save the file that an endpoint gives and say where."""
    from backend.terminal.calls import save

    written = save(endpoint, out, **values)
    answer(written, f"Wrote {written.path}.")


def progress_text(view: EvaluationView) -> str:
    """How far it is, in words; empty before anything is scored."""
    done = view.progress
    if done.share is None:
        return f"{counted(done.scored, 'test input')} scored" if done.scored else ""
    left = "" if done.seconds_left is None else f", about {done.seconds_left:.0f} s left"
    return f"{done.share:.0%}, {counted(done.scored, 'test input')} scored{left}"
