"""Rows that tests start from."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine

from backend.db.session import session_scope
from backend.runs import queries as runs
from backend.runs.status import RunStatus
from backend.runs.tables import Run


def add_run(engine: Engine, run_id: str, **values: Any) -> str:
    """Commit a queued run row; `values` override its columns."""
    columns: dict[str, Any] = {"name": run_id, "status": RunStatus.QUEUED, "config": {}, "created_at": 0.0}
    with session_scope(engine) as session:
        runs.add(session, Run(id=run_id, **(columns | values)))
    return run_id
