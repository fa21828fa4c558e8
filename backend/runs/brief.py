"""The runs in one line each, for a terminal: read by the database's driver alone.

SQLAlchemy takes longer to load than the whole list to print. What the columns mean is said in
`backend.runs.tables`; a test holds this list against the views of the runs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NamedTuple

from backend.db import driver

_COLUMNS = "id, name, variant, status, phase, done, total, scores, verdict, started_at"
_NEWEST = (
    f"SELECT {_COLUMNS} FROM run WHERE archived_at IS NULL ORDER BY created_at DESC, id DESC LIMIT {{limit}}"
)


class _Row(NamedTuple):
    id: str
    name: str
    variant: str
    status: str
    phase: str
    done: int
    total: int
    scores: Any
    verdict: str
    started_at: float | None


@dataclass(frozen=True)
class Brief:
    """A run as a row of `etrm runs`."""

    id: str
    name: str
    variant: str
    status: str
    phase: str
    share: float | None  # of its phase, 0 to 1
    score: tuple[float, int] | None  # pass@1 on the held-out set: solved, of how many
    verdict: str  # on its hypothesis; empty without one
    started_at: float | None  # seconds since the epoch


def newest(url: str, limit: int) -> list[Brief] | None:
    """The newest runs that are not archived; None where the database cannot be read like that, for whatever
    reason: it is another program's version, or does not answer."""
    rows = driver.read(url, _NEWEST.format(limit=int(limit)))
    try:
        return None if rows is None else [_brief(_Row(*row)) for row in rows]
    except (TypeError, ValueError, AttributeError, LookupError):  # what is stored is damaged
        return None


def _brief(row: _Row) -> Brief:
    scores = json.loads(row.scores) if isinstance(row.scores, str) else row.scores
    return Brief(
        id=row.id,
        name=row.name,
        variant=row.variant,
        status=row.status,
        phase=row.phase,
        share=row.done / row.total if row.total else None,
        score=(float(scores["1"][0]), int(scores["1"][1])) if "1" in scores else None,
        verdict=row.verdict,
        started_at=row.started_at,
    )
