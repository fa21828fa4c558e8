"""Free space, and refusing what would fill a disk before it is full."""

from __future__ import annotations

import os
from pathlib import Path

from backend.kit.errors import StorageFull
from backend.kit.format import size


def free_bytes(folder: Path) -> int | None:
    """Bytes that may still be written below `folder`, or below the nearest parent that exists; None if
    nobody can say."""
    for place in (folder, *folder.parents):
        try:
            found = os.statvfs(place)
        except FileNotFoundError:
            continue
        except OSError:
            return None
        return found.f_bavail * found.f_frsize
    return None


def check_room(folder: Path, least: int, what: str, needed: int = 0) -> None:
    """StorageFull if writing `needed` bytes below `folder` would leave less than `least` bytes free.

    `what`: what is refused, as the beginning of a sentence ("The checkpoint").
    """
    free = free_bytes(folder)
    if least and free is not None and free - needed < least:
        raise StorageFull(
            f"{what} was not saved: the disk of {folder} has {size(free)} free, "
            f"and {size(least)} are kept free.",
            "Free some space (etrm storage), or lower ETRM_MIN_FREE_GIB.",
        )
