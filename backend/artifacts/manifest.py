"""A checkpoint's manifest: it names the SHA-256 of every file, and its own is what the database lists."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

MANIFEST = "manifest.json"


def problem(folder: Path, sha256: str | None = None) -> str:
    """What is wrong with a checkpoint's folder; empty if nothing.

    Its manifest must have this SHA-256, if one is given, and every file the one that the manifest says.
    """
    try:
        content = (folder / MANIFEST).read_bytes()
        if sha256 not in (None, hashlib.sha256(content).hexdigest()):
            return "its manifest is not the one that was written"
        for name, digest in json.loads(content)["sha256"].items():
            with (folder / name).open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                    return f"the checksum of {name} differs"
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return "a file is missing or cannot be read"
    return ""
