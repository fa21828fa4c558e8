"""Sets that are not part of the installation: from the network, or from a folder where there is none."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path

from sqlalchemy.orm import Session

from backend.data import service as datasets
from backend.data.archives import File
from backend.domain.arc.fetched import FetchedSet, PinnedFile
from backend.domain.arc.files import MAX_FILE_BYTES
from backend.kit.errors import InvalidInput, Unavailable

PATIENCE = 60.0  # seconds for an answer

Files = tuple[File, File]  # challenges, solutions


def read(wanted: FetchedSet, folder: Path | None = None) -> Files:
    """Both files of a set, checked against their digests. Before any session: the net lies in between.

    InvalidTaskFile where a file is not the pinned one, Unavailable or InvalidInput where it cannot be read.
    """
    challenges, solutions = (
        (each.check(_downloaded(each) if folder is None else _of_folder(each, folder)), each.name)
        for each in (wanted.challenges, wanted.solutions)
    )
    return challenges, solutions


def keep(session: Session, wanted: FetchedSet, files: Files) -> datasets.SetSummary:
    """Put a set that was read into the database; the same again changes nothing. Conflict where its name is
    that of other tasks."""
    challenges, solutions = files
    return datasets.import_files(session, wanted.name, [challenges], solutions)


def _downloaded(file: PinnedFile) -> bytes:
    try:
        with urllib.request.urlopen(file.address, timeout=PATIENCE) as answer:
            content: bytes = answer.read(MAX_FILE_BYTES + 1)
            return content
    except (OSError, urllib.error.URLError) as error:
        reason = getattr(error, "reason", None) or error
        raise Unavailable(
            f"{file.address} cannot be fetched: {reason}.",
            f"Put {file.name} and its companion into a folder and give it: etrm data fetch … --from FOLDER.",
        ) from error


def _of_folder(file: PinnedFile, folder: Path) -> bytes:
    try:
        with (folder / file.name).open("rb") as opened:
            return opened.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise InvalidInput(
            f"{folder / file.name} cannot be read: {error.strerror}.", f"Take it from {file.address}."
        ) from error
