"""Run rows: paging."""

from __future__ import annotations

from sqlalchemy import Engine

from backend.db.session import reading_scope
from backend.runs import queries as runs
from backend.runs.status import RunStatus
from tests.support.records.rows import add_run


def test_pages_of_runs_hold_each_run_once_newest_first(engine: Engine) -> None:
    for number in range(7):
        add_run(engine, f"run000000{number}", created_at=float(number // 2))  # with ties
    seen: list[str] = []
    with reading_scope(engine) as session:
        page = runs.newest(session, 3)
        while page:
            seen += [run.id for run in page]
            page = runs.newest(session, 3, before=(page[-1].created_at, page[-1].id))
    assert seen == [f"run000000{number}" for number in (6, 5, 4, 3, 2, 1, 0)]


def test_runs_by_status_come_oldest_first(engine: Engine) -> None:
    add_run(engine, "younger000", created_at=2.0)
    add_run(engine, "older00000", created_at=1.0)
    add_run(engine, "over000000", status=RunStatus.FINISHED)
    with reading_scope(engine) as session:
        found = runs.by_status(session, RunStatus.QUEUED, RunStatus.RUNNING)
        assert [run.id for run in found] == ["older00000", "younger000"]
