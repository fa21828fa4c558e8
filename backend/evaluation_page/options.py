"""How an evaluation is asked for on the command line: of a lab, and of the process at hand."""

from __future__ import annotations

from typing import Annotated

import typer

First = Annotated[int | None, typer.Option(min=1, help="Only the first n tasks of the set.")]
Views = Annotated[int | None, typer.Option(min=1, help="Augmented forms of each test input that vote.")]
DistinctViews = Annotated[
    bool, typer.Option("--distinct-views", help="Only views that look different vote, each once.")
]
ActSteps = Annotated[int | None, typer.Option(min=1, help="Default: as in training.")]
Weights = Annotated[str | None, typer.Option(metavar="ema|raw", help="Which weights.")]
Step = Annotated[
    int | None,
    typer.Option("--checkpoint", metavar="STEP", help="Step of the checkpoint. Default: the newest."),
]
Ref = Annotated[
    str | None,
    typer.Option(
        "--checkpoint",
        metavar="STEP|ALIAS",
        help="Step of the checkpoint, or an alias: best, paper. Default: the newest.",
    ),
]
TraceSteps = Annotated[
    bool, typer.Option("--trace-steps", help="Record the prediction after every ACT step.")
]
Search = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FIELD=VALUE", help="Search option: --search kind=gradient --search steps=100. Repeatable."
    ),
]
Adapt = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FIELD=VALUE",
        help="Test-time training option: --adapt kind=embedding --adapt steps=100. Repeatable.",
    ),
]
Trim = Annotated[
    int | None,
    typer.Option(min=0, metavar="CELLS", help="Trim canvases to so many cells around the visible grids."),
]
