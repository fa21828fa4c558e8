"""Files that runs start from, kept inside folders that the operator named."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from backend.domain.experiment import CheckpointStart, StartConfig
from backend.domain.hub import FORM, is_hub_link, parse_hub_link
from backend.kit.errors import FieldProblem
from backend.settings import Settings

START = "training.initialise_from"


def outside(start: StartConfig, settings: Settings) -> FieldProblem | None:
    """What is said of a file outside the folders that runs may read, or of a link to no file on the Hub; None
    for any other start.

    It is the same whether the file exists or not.
    """
    if not isinstance(start, CheckpointStart):
        return None
    if is_hub_link(start.path):
        return _wrong_link(start.path)
    if is_inside(start.path, (*settings.checkpoint_folders, settings.artifacts)):
        return None
    folders = " or ".join(map(str, settings.checkpoint_folders)) or str(settings.artifacts)
    return FieldProblem(
        f"{START}.path",
        f"must be an absolute path inside {folders}.",
        "Copy the file there, or add its folder to ETRM_CHECKPOINT_FOLDERS.",
    )


def _wrong_link(link: str) -> FieldProblem | None:
    try:
        parse_hub_link(link)
    except ValueError as error:
        return FieldProblem(f"{START}.path", str(error), FORM)
    return None


def is_inside(path: str, folders: Iterable[Path]) -> bool:
    """Whether an absolute path leads into one of the folders, `..` and symbolic links followed.

    Whether anything is there is not looked at, so that the answer says nothing of what lies outside.
    """
    try:
        given = Path(path)
        target = given.resolve()
    except (ValueError, RuntimeError, OSError):  # a null byte, a circle of links, a name that is too long
        return False
    return given.is_absolute() and any(target.is_relative_to(folder.resolve()) for folder in folders)
