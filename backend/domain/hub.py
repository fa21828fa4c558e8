"""A file on the Hugging Face Hub, as people name it: `hf:OWNER/NAME/FILE@REVISION`, or its address."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

FORM = "Write hf:OWNER/NAME/FILE@REVISION, or https://huggingface.co/OWNER/NAME/resolve/REVISION/FILE."
_REPOSITORY = r"(?P<repository>[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95})"
_SHORT = re.compile(rf"hf:{_REPOSITORY}/(?P<path>[^@?#\s]+)(?:@(?P<revision>[\w./-]+))?", re.ASCII)
_ADDRESS = re.compile(
    rf"https://huggingface\.co/{_REPOSITORY}/(?:resolve|blob)/(?P<revision>[^/?#\s]+)/(?P<path>[^?#\s]+)"
    r"(?:\?download=true)?",
    re.ASCII,
)


@dataclass(frozen=True)
class HubFile:
    """One file of a repository at a revision: a branch, a tag or a commit."""

    repository: str  # OWNER/NAME
    path: str
    revision: str

    def __str__(self) -> str:
        return f"hf:{self.repository}/{self.path}@{self.revision}"


def is_hub_link(text: str) -> bool:
    """Whether a link is meant, and not a path on this machine."""
    return text.startswith(("hf:", "https:", "http:"))


def parse_hub_link(text: str) -> HubFile:
    """ValueError in words where it is no link to a file on the Hub."""
    link = _SHORT.fullmatch(text) or _ADDRESS.fullmatch(text)
    if link is None:
        raise ValueError("is not a link to a file on the Hugging Face Hub.")
    path, revision = unquote(link["path"]), unquote(link["revision"] or "main")
    if any(part in ("", ".", "..") for part in (*path.split("/"), *revision.split("/"))):
        raise ValueError("is not a link to a file: part of its path is empty, . or ..")
    return HubFile(link["repository"], path, revision)
