"""`etrm data`: task sets, built in and imported, and a look at their tasks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backend.kit.format import counted
from backend.kit.output import answer, answered

if TYPE_CHECKING:
    from rich.text import Text

    from backend.data.api import TaskView

app = typer.Typer(help="Task sets: list, import, fetch, remove, leaks, show.", no_args_is_help=True)
MAX_LISTED = 20  # notes of an import
LIGHT_INK_ON = (0, 1, 9)  # colours of cells whose digit is read better in white


@app.command(name="list")
def list_sets() -> None:
    """List the task sets."""
    from backend.data import api
    from backend.terminal.calls import call
    from backend.terminal.tables import show as show_table

    found = call(api.list_sets, generated=True)
    if answered(found):
        return
    rows = [(each.name, each.origin, str(each.tasks), each.pairs_words) for each in found]
    show_table(
        ("set", "origin", "tasks", "pairs"),
        rows,
        empty="No task sets yet. Load the built-in ones: etrm migrate",
    )


@app.command(name="import")
def import_files(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="Task files (Kaggle challenges, single tasks, RE-ARC's lists of pairs), or a zip or tar "
            "archive or a folder of them.",
        ),
    ],
    name: Annotated[
        str, typer.Option(help="Name of the new task set; default: that of the one file, archive or folder.")
    ] = "",
    solutions: Annotated[Path | None, typer.Option(help="Kaggle solutions file.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace an existing set of this name.")] = False,
) -> None:
    """Import tasks as a new set. What is wrong is left out and named."""
    from backend.data import api
    from backend.terminal.calls import call

    given = api.Import(
        name or _name_of(files),
        tuple((file, file.name) for file in files),
        (_read(solutions), solutions.name) if solutions else None,
        replace,
    )
    made = call(api.import_set, given=given)
    if answered(made):
        return
    print(f"Imported {counted(made.tasks, 'task')} as {made.name}.")
    _list("Left out", made.left_out)
    _list("Notes", made.notes)


def _name_of(files: list[Path]) -> str:
    """What a set is called by its one source: `re_arc.tar.gz` -> `re_arc`."""
    from backend.kit.problems import invalid

    if len(files) > 1:
        raise invalid("The task set was not saved.", "name", "is missing.", "Give it: --name NAME.")
    stem = files[0].resolve().name
    for ending in (".gz", ".tar", ".tgz", ".zip", ".json"):
        stem = stem.removesuffix(ending)
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._") or "tasks"


def _list(title: str, texts: list[str]) -> None:
    if texts:
        print(f"{title}:")
        print("\n".join(f"  {text}" for text in texts[:MAX_LISTED]))
    if len(texts) > MAX_LISTED:
        print(f"  … and {len(texts) - MAX_LISTED:,} more")


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(metavar="SET", help="concept: the 160 concept tasks of TRM's data.")],
    folder: Annotated[
        Path | None,
        typer.Option("--from", metavar="FOLDER", help="Take its files from this folder, without a network."),
    ] = None,
) -> None:
    """Bring a set that is not part of the installation; what comes must be the pinned files, byte by byte."""
    from backend.data import fetching
    from backend.domain.arc.fetched import FETCHED
    from backend.kit.problems import unknown
    from backend.terminal.lab import here, writing

    here()
    if name not in FETCHED:
        raise unknown("set to fetch", name, FETCHED)
    files = fetching.read(FETCHED[name], folder)
    with writing() as session:
        made = fetching.keep(session, FETCHED[name], files)
    said = f"Fetched {counted(made.tasks, 'task')} as {made.name}."
    answer({"name": made.name, "tasks": made.tasks}, said)


@app.command()
def remove(name: Annotated[str, typer.Argument(metavar="SET", help="Name of an imported set.")]) -> None:
    """Remove an imported set; results on it stay, without their grids."""
    from backend.data import api
    from backend.terminal.calls import call

    call(api.remove_set, name=name)
    answer({"removed": name}, f"Removed {name}.")


@app.command()
def leaks(
    training: Annotated[
        str, typer.Argument(metavar="TRAINING", help="Training set, for example arc-agi-2/training.")
    ],
    evaluated: Annotated[
        str, typer.Argument(metavar="EVALUATED", help="Evaluated set, for example arc-agi-1/evaluation.")
    ],
) -> None:
    """Show what training on one set would give away of another, in any augmentation."""
    from backend.data import leaks_api as api
    from backend.terminal.calls import call

    report = call(api.check_leaks, training=training, evaluated=evaluated)
    if answered(report):
        return
    for leak in report.leaks:
        print(f"{leak.training_task} of {training} holds {leak.what} of {leak.evaluated_task} of {evaluated}")
    if report.rules:
        print(
            f"They share {len(report.rules.shared)} rules, of {report.rules.training} trained on and "
            f"{report.rules.evaluated} evaluated: {', '.join(report.rules.shared) or 'none'}."
        )
        print(
            f"With augmentations, training meets {report.rules.augmented} of the "
            f"{report.rules.evaluated} evaluated rules."
        )
    print(f"{training} leaks {report.tasks} of {report.evaluated_tasks} tasks of {evaluated}.")


@app.command()
def show(
    set_name: Annotated[str, typer.Argument(metavar="SET", help="For example arc-agi-1/training.")],
    task_id: Annotated[str, typer.Argument(metavar="TASK", help="For example 007bbfb7.")],
) -> None:
    """Draw a task's demonstrations and tests."""
    from backend.data import api
    from backend.kit.streams import console as open_console
    from backend.terminal.calls import call

    task = call(api.read_task, name=set_name, task_id=task_id)
    if answered(task):
        return
    console = open_console(highlight=False, soft_wrap=True)
    for line in _drawn(task):
        console.print(line)


def _drawn(task: TaskView) -> Iterator[Text | str]:
    """A task line by line: each pair's input beside its output."""
    if task.pairs:
        yield f"drawn for evaluations from the pool of {task.pairs:,} pairs"
    for number, pair in enumerate(task.demonstrations, 1):
        yield f"demonstration {number}"
        yield from _side_by_side(pair.input, pair.output)
    for number, test in enumerate(task.tests, 1):
        yield f"test {number}" + ("" if test.output else " (output unknown)")
        yield from _side_by_side(test.input, test.output)


def _side_by_side(left: str, right: str | None) -> Iterator[Text]:
    """Rows of two grids, as the API writes them, with an arrow between them in the first row."""
    from rich.text import Text

    rows = left.split("/")
    for number, (one, other) in enumerate(zip_longest(rows, right.split("/") if right else ())):
        line = _row(one) if one else Text(" " * 2 * len(rows[0]))
        line.append("  →  " if number == 0 and right else "     ")
        line.append_text(_row(other or ""))
        yield line
    yield Text()


def _row(digits: str) -> Text:
    """One row of a grid: two characters a cell, with its digit for those without colours."""
    from rich.text import Text

    from backend.domain.arc.grid import PALETTE

    line = Text()
    for colour in map(int, digits):
        ink = "#ffffff" if colour in LIGHT_INK_ON else "#000000"
        line.append(f"{colour} ", style=f"{ink} on {PALETTE[colour]}")
    return line


def _read(path: Path) -> bytes:
    """A file's bytes; in words when it cannot be read or is far too large."""
    from backend.domain.arc.files import MAX_FILE_BYTES
    from backend.kit.errors import InvalidInput

    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES + 1)  # one byte more than allowed is enough to be refused
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.") from error
