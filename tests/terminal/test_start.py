"""What a command loads when it starts: a guard that does not depend on how fast a machine is."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from sqlalchemy import Engine

from backend.app import create_app
from backend.db.session import session_scope
from backend.domain.experiment import BarHypothesis
from backend.lifecycle import service as runs
from backend.runs import queries as run_rows
from backend.settings import Settings
from backend.web.routing import Route
from tests.comparison.test_compare import queued
from tests.scores.test_headlines import OWN
from tests.scores.test_protocols import TASKS, evaluated
from tests.support.commands import typed
from tests.support.lab import environment

CLAIM = BarHypothesis(claim="It learns.")


def loaded(home: Path, *command: str) -> set[str]:
    """Names of the packages that a Python program imports."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *command],
        env=environment(home),
        capture_output=True,
        text=True,
        check=True,
    )
    return set(re.findall(r"\| +([\w.]+)$", done.stderr, re.MULTILINE))


def test_the_list_of_runs_loads_neither_an_orm_nor_a_web_framework(home: Path) -> None:
    modules = loaded(home, "-m", "backend.cli", "runs")
    assert "backend.runs.brief" in modules
    assert (
        modules & {"alembic", "celery", "fastapi", "httpx", "numpy", "plotly", "redis", "sqlalchemy"} == set()
    )


def test_the_web_application_starts_without_what_few_requests_need(tmp_path: Path) -> None:
    modules = loaded(tmp_path, "-c", "import backend.app; backend.app.create_app()")
    assert "fastapi" in modules
    needless = {"alembic", "celery", "kombu", "markdown_it", "plotly", "psycopg", "redis"}
    assert modules & needless == set()


def test_fastapi_makes_a_route_with_its_first_request(tmp_path: Path) -> None:
    routes = [each for each in create_app(Settings(home=tmp_path)).routes if isinstance(each, Route)]
    assert len(routes) > 100
    assert [route.path for route in routes if "api" in vars(route)] == []


def test_the_list_of_runs_is_that_of_their_views(engine: Engine, tmp_path: Path) -> None:
    """The plain list is read from the rows alone; an order makes the same list from the views."""
    here = {"ETRM_DATABASE_URL": engine.url.render_as_string(hide_password=False)}
    scored, archived = queued(engine), queued(engine)
    evaluated(engine, scored, TASKS[:12], 5, **OWN)
    claimed = queued(engine, hypothesis=CLAIM)
    with session_scope(engine) as session:
        runs.edit(session, archived, archived=True)
        started = run_rows.get(session, scored)
        assert started
        started.started_at, started.done, started.total, started.phase = 1e9, 1, 3, "training"
    plain = typed(tmp_path, "runs", **here).stdout
    assert plain == typed(tmp_path, "runs", "--sort", "-created", **here).stdout
    assert "5/12 42%" in plain
    assert "33% training" in plain
    assert re.search(rf"^{claimed} .* open$", plain, re.MULTILINE)
    assert archived not in plain
