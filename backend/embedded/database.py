"""What the start of the lab asks of the database. Imported late: SQLAlchemy takes its time."""

from __future__ import annotations

from sqlalchemy import Engine

from backend.data import service as datasets
from backend.db.migrate import upgrade
from backend.db.session import make_engine, reading_scope, session_scope
from backend.people import service as accounts
from backend.runs import queries as run_rows
from backend.workers import service as workers


def prepare(url: str) -> Engine:
    """Create the database or bring it to the newest schema, with the built-in task sets in it."""
    upgrade(url)
    engine = make_engine(url)
    with session_scope(engine) as session:
        datasets.seed_built_in(session)
    return engine


def queue_demo(engine: Engine) -> str:
    """If there is no run yet, queue the quick one, so that there is something real to look at. Its id, empty
    where there are runs. It has the lowest priority: of what waits, a person's own run is taken before it."""
    with reading_scope(engine) as session:
        if run_rows.newest(session, 1, None):
            return ""
    from backend.domain.config.presets import preset
    from backend.lifecycle import service as runs
    from backend.queue import dispatch
    from backend.queue.order import PRIORITIES

    with session_scope(engine) as session:
        run_id = runs.create(session, preset("quick")).id
        run = run_rows.get(session, run_id)
        assert run
        run.priority = PRIORITIES["low"]
    dispatch.send(run_id)
    return run_id


def has_heartbeat(engine: Engine, pid: int) -> bool:
    """Whether the worker process `pid` has reported, which it does once it takes runs."""
    with reading_scope(engine) as session:
        return any(worker.pid == pid for worker in workers.listed(session))


def login_address(engine: Engine, url: str) -> str:
    """The address that logs one browser in, within ten minutes."""
    with session_scope(engine) as session:
        return f"{url}/login?token={accounts.issue_login(session)}"
