"""Checkpoints on the Hugging Face Hub, by the optional library `huggingface_hub`.

It keeps what it fetched in its own cache (`HF_HOME`), asks the endpoint of `HF_ENDPOINT`, and finds what is
in the cache without a network. Nothing in a file is run: `weight_files` reads it like any other.
"""

from __future__ import annotations

from pathlib import Path

from backend.domain.hub import FORM, HubFile, is_hub_link, parse_hub_link
from backend.kit.errors import CheckpointMissing, InvalidInput, TooLarge
from backend.kit.format import size
from worker.models.weight_files import problem

MAX_BYTES = 8_000_000_000  # the largest published checkpoint of a TRM has 2.5 GB: its table of puzzles
INSTALL = "Install the library on the machine that trains: pip install 'etrm-lab[hub]'."


def local_path(named: str, field: str) -> Path:
    """A path as it is, and of a link the path of the fetched file.

    Errors name `field`: InvalidInput (not a link to a file), TooLarge, CheckpointMissing (no library, no
    network, no such file).
    """
    if not is_hub_link(named):
        return Path(named).expanduser()
    try:
        link = parse_hub_link(named)
    except ValueError as error:
        raise problem(InvalidInput, field, f"{named} {error}", FORM) from None
    return _fetched(link, field)


def _fetched(link: HubFile, field: str) -> Path:
    try:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import (
            EntryNotFoundError,
            LocalEntryNotFoundError,
            RepositoryNotFoundError,
            RevisionNotFoundError,
        )
    except ModuleNotFoundError:
        message = f"{link} cannot be fetched without huggingface_hub."
        raise problem(CheckpointMissing, field, message, INSTALL) from None
    try:
        about = hf_hub_download(link.repository, link.path, revision=link.revision, dry_run=True)
        if about.file_size is None or about.file_size > MAX_BYTES:
            known = "an unknown size" if about.file_size is None else size(about.file_size)
            raise problem(TooLarge, field, f"{link} has {known}; at most {size(MAX_BYTES)} are fetched.")
        return Path(hf_hub_download(link.repository, link.path, revision=link.revision))
    except TooLarge:
        raise
    except LocalEntryNotFoundError as error:
        raise problem(
            CheckpointMissing,
            field,
            f"{link} cannot be fetched: the Hub does not answer.",
            "Check the network of the machine that trains, or copy the file there and give its path.",
        ) from error
    except (RepositoryNotFoundError, RevisionNotFoundError, EntryNotFoundError) as error:
        raise problem(
            CheckpointMissing,
            field,
            f"{link} does not exist, or needs an account.",
            "Check owner, name, file and revision; log in with `hf auth login` where it is private.",
        ) from error
    except Exception as error:  # of whatever its transport is made of
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise problem(
            CheckpointMissing, field, f"{link} cannot be fetched: {reason}", "Try again later."
        ) from error
