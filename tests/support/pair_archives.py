"""Archives in RE-ARC's form: `tasks/<task id>.json`, each a list of pairs, and a metadata.json."""

from __future__ import annotations

import io
import json
import random
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

from backend.domain.arc.files import parse_tasks
from backend.domain.arc.task import Task

# Of ARC's training set, whose rules RE-ARC generates pairs of.
TASK_IDS = ("007bbfb7", "00d62c1b", "017c7c7b", "025d127b")


def pairs(task_id: str, count: int = 50, side: int = 4) -> list[dict[str, Any]]:
    """`count` different pairs of a rule: the output is the input mirrored and recoloured by the task's own
    shift of colours."""
    draws = random.Random(task_id)
    shift = 1 + draws.randrange(8)
    found: dict[str, dict[str, Any]] = {}
    while len(found) < count:
        height, width = draws.randint(2, side), draws.randint(2, side)
        grid = [[draws.randrange(10) for _ in range(width)] for _ in range(height)]
        answer = [[(cell + shift) % 10 for cell in row[::-1]] for row in grid]
        found[str(grid)] = {"input": grid, "output": answer}
    return list(found.values())


def files(ids: Sequence[str] = TASK_IDS, count: int = 50) -> dict[str, bytes]:
    """The members of an archive."""
    tasks = {f"re_arc/tasks/{each}.json": json.dumps(pairs(each, count)).encode() for each in ids}
    return {**tasks, "re_arc/metadata.json": b"{}", "__MACOSX/re_arc/tasks/._a.json": b"\0"}


def zipped(members: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


def tarred(members: Mapping[str, bytes], mode: str = "w:gz") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def tasks(ids: Sequence[str] = TASK_IDS, count: int = 50) -> tuple[Task, ...]:
    """The same as an import reads them."""
    return tuple(
        task for each in ids for task in parse_tasks(json.dumps(pairs(each, count)).encode(), f"{each}.json")
    )
